"""A local model that makes other vectors than before under the same fingerprint is noticed, and only warns."""

import numpy as np
import pytest

from content_ids import ids_of
from drifting import drifting
from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.models.keys import key_array
from embeddings_orch.pipeline.checks.repeats import sample
from embeddings_orch.pipeline.checks.run import inspect_index
from embeddings_orch.store.tables.vectors import matrix_of
from embeddings_orch_testing.counting import CountingConfig

__all__ = ["drifting"]

LIBRARIES = {"pillow": "12.0", "torch": "2.15"}


class Machine:
    """Where a run takes place: its device, and the libraries that are installed."""

    device = "cpu"
    libraries = LIBRARIES


@pytest.fixture
def machine(monkeypatch):
    here = Machine()
    check = "embeddings_orch.pipeline.checks.reproducible"
    monkeypatch.setattr(f"{check}.describe_device", lambda device: here.device)
    monkeypatch.setattr(f"{check}.installed_versions", lambda group, name: here.libraries)
    return here


@pytest.fixture
def local(once, drifting, machine):
    """A gallery of 12 pictures that a local model has embedded; what it was asked so far is forgotten."""
    gallery = once(run_local)
    drifting.asked.clear()
    return gallery


def run_local(gallery):
    declare(gallery)
    gallery.run()


def declare(gallery, **settings):
    gallery.declare(embeddings={"toy": {"provider": "drifting", **settings}})


def reproducible(gallery):
    """What is stored with the newest generation."""
    checks = gallery.pipeline().store.generations.of("gallery", "found")[-1].checks
    (result,) = (check for check in checks if check.name == "reproducible")
    return result


def check_anew(gallery):
    (result,) = (one for one in inspect_index(gallery.pipeline(), "found", anew=True).results if not one.blocking)
    return result


def vectors_of(gallery):
    pipeline = gallery.pipeline()
    return pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())


def test_a_model_that_is_as_it_was_passes_and_its_vectors_are_not_stored_twice(gallery, drifting, machine):
    declare(gallery)
    ran = gallery.run()
    assert (ran.embedded(), len(drifting.asked)) == (12, 12 + 8)
    assert vectors_of(gallery).total() == 12
    result = reproducible(gallery)
    assert (result.passed, result.metadata["compared"], result.metadata["cosine"]) == (True, 8, 1.0)
    assert result.description == "toy: 8 contents embedded again, cosine 1.0000 or more; 0.99 is wanted"


def test_a_run_with_nothing_to_do_asks_no_model_and_writes_nothing(local, drifting):
    before = local.versions()
    result = reproducible(local)
    local.run()
    assert (drifting.asked, local.versions(), reproducible(local)) == ([], before, result)


def test_an_edit_that_embeds_nothing_takes_the_result_over(local, drifting):
    local.captions["p003.png"]["caption"] = "edited"
    local.write_captions()
    result = reproducible(local)
    ran = local.run()
    assert (ran.indexes["found"].built, drifting.asked, reproducible(local)) == (True, [], result)


def test_what_a_model_makes_otherwise_since_warns_with_what_was_added_and_stops_nothing(local, drifting, machine):
    machine.libraries = {**LIBRARIES, "torch": "2.16"}
    drifting.drift = 1.0
    local.add("new.png")
    ran = local.run()
    assert (ran.embedded(), vectors_of(local).total(), len(local.rows())) == (1, 13, 13)
    result = reproducible(local)
    assert (result.passed, result.blocking, result.metadata["wanted"]) == (False, False, 0.999)
    assert result.metadata["cosine"] == pytest.approx(0.7071, abs=1e-4)
    assert str(local.media / "p0") in result.metadata["uri"]
    worst = f"the worst {result.metadata['uri']} with cosine 0.7071; 0.999 is wanted on the same device. "
    assert worst in result.description
    assert "since the vectors last agreed: torch 2.15 -> 2.16" in result.description
    assert "the fingerprint has their name and not their hash, so they may be others" in result.description
    assert "or set weights_sha256, which embeds everything anew" in result.description


def test_a_warning_stays_until_the_vectors_come_out_as_they_were(local, drifting, machine):
    machine.libraries = {**LIBRARIES, "torch": "2.16"}
    drifting.drift = 1.0
    local.run()
    assert not reproducible(local).passed
    local.run()
    assert not reproducible(local).passed
    drifting.drift = 0.0
    local.run()
    assert reproducible(local).passed


def test_vectors_near_those_of_another_device_pass_and_those_of_the_same_do_not(local, drifting, machine):
    drifting.drift = 0.1  # cosine 0.995
    assert not check_anew(local).passed
    machine.device = "cuda"
    assert check_anew(local).passed
    # Both have made vectors by now.
    machine.device = "cpu"
    assert check_anew(local).metadata["wanted"] == 0.99
    drifting.drift = 0.2
    assert not check_anew(local).passed


@pytest.mark.parametrize("device", [None, "cuda"])
def test_where_the_device_of_the_vectors_is_not_known_they_have_to_come_near(gallery, drifting, machine, device):
    declare(gallery)
    machine.device = device
    gallery.run()
    machine.device = "cpu"
    drifting.drift = 0.1
    gallery.add("new.png")
    gallery.run()
    assert (reproducible(gallery).passed, reproducible(gallery).metadata["wanted"]) == (True, 0.99)


def test_other_libraries_are_tried_once_by_each_machine_that_takes_its_turn(local, drifting, machine):
    theirs = {**LIBRARIES, "torch": "2.16"}
    machine.libraries = theirs
    local.run()
    assert len(drifting.asked) == 8
    for libraries in (LIBRARIES, theirs, LIBRARIES):
        machine.libraries = libraries
        local.run()
    assert len(drifting.asked) == 8
    machine.libraries = {**LIBRARIES, "pillow": "13.0"}
    drifting.drift = 1.0
    local.run()
    assert "pillow 12.0 -> 13.0, torch 2.16 -> 2.15" in reproducible(local).description


def test_a_vector_that_was_damaged_in_the_store_is_found_among_the_oldest(local):
    vectors, ids = vectors_of(local), ids_of(contents(local.pipeline().catalog()))
    matrix = matrix_of(vectors.take(key_array([one.key for one in ids])))
    vectors.at().delete("true")
    vectors.append(ids, np.concatenate([np.roll(matrix[:1], 1), matrix[1:]]))

    result = check_anew(local)

    assert not result.passed
    assert result.metadata["uri"] == str(local.media / "p000.png")
    assert result.description.startswith("toy: 1 of 8 contents embedded again came out otherwise, the worst ")
    assert "they are those with which the vectors last agreed" in result.description


def test_contents_that_changed_or_are_gone_since_are_passed_over(local, drifting):
    for number in range(11):
        (local.media / f"p{number:03}.png").unlink()
    local.add("p011.png", b"another picture")
    result = check_anew(local)
    assert (result.passed, drifting.asked) == (True, [])
    assert result.description == "toy: not tried: the contents that were looked at are gone or changed since"


def test_a_content_that_cannot_be_embedded_any_more_came_out_otherwise(local, drifting):
    drifting.refused = b"PNG"
    result = check_anew(local)
    assert not result.passed
    assert "with cosine 0.0000 (it cannot be decoded any more)" in result.description


def test_a_model_that_cannot_be_had_is_not_tried_and_stops_nothing(local, drifting):
    drifting.broken = "there is no such GPU"
    result = check_anew(local)
    assert (result.passed, result.metadata["compared"]) == (True, 0)
    assert result.description == "toy: not tried: it cannot be embedded here: there is no such GPU"
    drifting.broken = ""
    local.run()
    assert reproducible(local).metadata["compared"] == 8


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({"provider": "distant"}, "the model is remote"),
        ({"provider": "counting"}, "nothing says that the model runs here"),
        ({"provider": "drifting", "prices": {"per_image": 0.1}}, "the model has a price"),
    ],
)
def test_what_may_cost_money_is_not_embedded_again(gallery, drifting, machine, model, why):
    gallery.declare(embeddings={"toy": model})
    gallery.run()
    assert check_anew(gallery).description == f"toy: not tried: {why}"
    assert len(drifting.asked) == (0 if model["provider"] == "counting" else 12)


def test_a_model_without_torch_is_embedded_again_where_its_config_says_that_it_runs_here(gallery, machine, monkeypatch):
    monkeypatch.setattr(CountingConfig, "runs_here", lambda config: True)
    gallery.run()
    result = check_anew(gallery)
    assert (result.passed, result.metadata["compared"], result.metadata["wanted"]) == (True, 8, 0.99)


def test_of_several_inputs_each_modality_is_embedded_again(gallery, drifting, machine):
    declare(gallery, input={"media": 0.7, "caption": 0.3})
    gallery.run()
    drifting.asked.clear()
    assert check_anew(gallery).passed
    assert sorted(drifting.asked) == ["image"] * 4 + ["text"] * 4


def test_the_worst_of_several_embeddings_comes_first(gallery, drifting, machine):
    gallery.declare(
        embeddings={
            "counted": {"provider": "counting"},
            "toy": {"provider": "drifting"},
        },
        indexes={"found": {"vectors": ["counted", "toy"]}},
    )
    gallery.run()
    drifting.drift = 1.0
    result = check_anew(gallery)
    assert (result.passed, result.metadata["embedding"]) == (False, "toy")
    assert result.description.startswith("toy: 8 of 8 contents")
    assert result.description.endswith("; counted: not tried: nothing says that the model runs here")


def test_a_sample_has_the_oldest_and_others_that_the_seed_draws(local):
    table = contents(local.pipeline().catalog())
    oldest_first = table["key"].combine_chunks()[::-1]
    by_age = oldest_first.to_pylist()

    drawn = [[content.key for content in sample(table, oldest_first, seed)] for seed in ("1", "1", "2")]

    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len({*keys}) == 8 and keys[:4] == by_age[:4] for keys in drawn)
    assert [content.key for content in sample(table, oldest_first[:3], "1")] == by_age[:3]
    assert sample(table, key_array([]), "1") == []
