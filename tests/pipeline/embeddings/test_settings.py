"""What editing the declaration embeds again, and what it never does."""

import numpy as np
import pytest

from embeddings_orch.errors import SourceError, SpecError
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.search import Index
from galleries import Gallery
from kept import after


def published(gallery, index="found"):
    return gallery.pipeline().store.published.get(gallery.attributes["name"], index).generation


def caption(gallery):
    for number, (name, columns) in enumerate(list(gallery.captions.items())):
        gallery.captions[name] = {**columns, "artist": f"artist {number % 3}"}
    gallery.write_captions()
    gallery.model("words", input="caption", name="words")
    gallery.model("artists", input="artist", name="artists")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words", "artists"], "full_text": ["caption"]}})


def caption_and_run(gallery):
    caption(gallery)
    gallery.run()


@pytest.fixture
def captioned(once):
    """Three embeddings, of the pictures, of their captions, and of a column of the user's, after their first run."""
    return once(caption_and_run)


@pytest.mark.slow
def test_each_input_is_embedded_once_for_each_distinct_content(gallery):
    caption(gallery)
    ran = gallery.run()

    assert {name: report.embedded for name, report in ran.embeddings.items()} == {
        "toy": 12, "words": 12, "artists": 3,
    }  # fmt: skip
    assert sorted(gallery.calls()) == [("image", 12), ("text", 3), ("text", 12)]
    rows = gallery.rows()
    assert rows["p000.png"]["artists"] == rows["p003.png"]["artists"] != rows["p001.png"]["artists"]


@pytest.mark.slow
def test_an_edited_caption_embeds_only_what_reads_captions(captioned):
    before = captioned.rows()
    captioned.forget_calls()
    captioned.captions["p000.png"]["caption"] = "a picture of a dog"
    captioned.write_captions()
    plan = captioned.plan()
    assert {name: plan[f"embeddings/{name}"].estimate.contents for name in ("toy", "words", "artists")} == {
        "toy": 0, "words": 1, "artists": 0,
    }  # fmt: skip
    assert plan["index/found"].changed == 1

    ran = captioned.run()

    assert captioned.calls() == [("text", 1)]
    assert (ran.indexes["found"].changed, ran.indexes["found"].unchanged) == (1, 11)
    row = captioned.rows()["p000.png"]
    assert row["caption"] == "a picture of a dog"
    assert row["words"] != before["p000.png"]["words"]
    assert row["toy"] == before["p000.png"]["toy"]


@pytest.mark.slow
def test_an_edited_column_embeds_only_what_reads_it(captioned):
    captioned.forget_calls()
    captioned.captions["p000.png"]["artist"] = "artist 1"  # known already
    captioned.captions["p001.png"]["artist"] = "someone else"
    captioned.write_captions()

    captioned.run()

    assert captioned.calls() == [("text", 1)]
    rows = captioned.rows()
    assert rows["p000.png"]["artists"] == rows["p004.png"]["artists"]


@pytest.mark.slow
def test_an_emptied_caption_leaves_the_row_without_that_vector(captioned):
    captioned.forget_calls()
    captioned.captions["p000.png"]["caption"] = ""
    captioned.write_captions()

    captioned.run()

    assert captioned.calls() == []
    row = captioned.rows()["p000.png"]
    assert row["words"] is None
    assert row["toy"] is not None
    assert make_plan(captioned.pipeline()).changes is False


@after(Gallery.run)
@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 3},
        {"concurrency": 4},
        {"retry": {"max_retries": 2, "initial_wait": 0.1}},
        {"prices": {"per_million_tokens": 0.5}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_operational_settings_embed_nothing(gallery, settings):
    before, generation = gallery.versions(), published(gallery)
    gallery.forget_calls()
    gallery.model(**settings)

    assert not make_plan(gallery.pipeline()).changes
    gallery.run()

    assert gallery.calls() == []
    assert gallery.versions() == before
    assert published(gallery) == generation


@pytest.mark.slow
@after(Gallery.run)
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"normalize": False}, "model config changed: normalize True -> False"),
        ({"name": "other"}, "model config changed: name toy -> other"),
        ({"dim": 5}, "model config changed: dim 8 -> 5"),
    ],
    ids=["normalize", "name", "dim"],
)
def test_identity_settings_embed_everything_into_a_new_table_and_back_again_embeds_nothing(gallery, settings, reason):
    first, rows, tables = published(gallery), gallery.rows(), set(gallery.versions())
    original = dict(gallery.attributes["embeddings"]["toy"])
    gallery.forget_calls()
    gallery.model(**settings)

    plan = gallery.plan()
    assert (plan["embeddings/toy"].changed, plan["embeddings/toy"].reason) == (12, reason)
    assert plan["index/found"].changed == 12
    assert gallery.run().embedded() == 12

    added = sorted(set(gallery.versions()) - tables)
    assert [name.split(".")[0] for name in added] == ["embeddings", "index"]
    assert published(gallery) != first
    assert gallery.rows()["p000.png"]["toy"] != rows["p000.png"]["toy"]

    gallery.forget_calls()
    gallery.declare(embeddings={"toy": original})
    assert gallery.plan()["embeddings/toy"].estimate.contents == 0
    gallery.run()

    assert gallery.calls() == []
    assert published(gallery) == first
    assert gallery.rows() == rows
    assert set(gallery.versions()) == tables | set(added)


@pytest.mark.slow
@after(Gallery.run)
def test_going_back_after_the_media_changed_embeds_only_what_changed(gallery):
    original = dict(gallery.attributes["embeddings"]["toy"])
    gallery.model(name="other")
    gallery.add("new.png")
    gallery.run()
    gallery.remove("p000.png")
    gallery.forget_calls()
    gallery.declare(embeddings={"toy": original})

    gallery.run()

    assert gallery.items() == 1
    assert len(gallery.rows()) == 12


@after(Gallery.run)
def test_vectors_are_of_unit_length_exactly_where_normalize_says_so(gallery):
    norms = [np.linalg.norm(row["toy"]) for row in gallery.rows().values()]
    np.testing.assert_allclose(norms, 1, atol=1e-6)
    gallery.model(normalize=False)

    gallery.run()

    norms = np.array([np.linalg.norm(row["toy"]) for row in gallery.rows().values()])
    assert (np.abs(norms - 1) > 0.01).any()


@after(Gallery.run)
def test_renaming_an_embedding_embeds_nothing(gallery):
    gallery.forget_calls()
    gallery.declare(
        embeddings={"renamed": gallery.attributes["embeddings"]["toy"]},
        indexes={"found": {"vectors": ["renamed"]}},
    )
    plan = gallery.plan()
    assert (plan["embeddings/renamed"].unchanged, plan["embeddings/renamed"].changes) == (12, False)

    gallery.run()

    assert gallery.calls() == []
    assert gallery.rows()["p000.png"]["renamed"] is not None


@after(Gallery.run)
def test_renaming_an_index_embeds_nothing_and_leaves_the_old_one_searchable(gallery):
    gallery.forget_calls()
    gallery.declare(indexes={"renamed": {"vectors": ["toy"], "full_text": ["caption"]}})

    gallery.run()

    assert gallery.calls() == []
    query = [1.0] * 8
    old, new = (Index(gallery.pipeline().store, "gallery", name).search(vector=query) for name in ("found", "renamed"))
    assert old.hits == new.hits
    assert len(old.hits) == 10


@after(Gallery.run)
@pytest.mark.parametrize(
    ("change", "renewed"),
    [({"metric": "l2"}, True), ({"full_text": []}, True), ({"keep_generations": 9}, False)],
    ids=["metric", "full_text", "keep_generations"],
)
def test_index_settings_embed_nothing_and_build_a_new_table_only_where_its_rows_differ(gallery, change, renewed):
    first, tables = published(gallery), set(gallery.versions())
    gallery.forget_calls()
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], **change}})

    gallery.run()

    assert gallery.calls() == []
    assert (published(gallery) != first) is renewed
    assert bool(set(gallery.versions()) - tables) is renewed


@after(Gallery.run)
def test_a_new_column_of_the_media_builds_a_new_index_and_embeds_nothing(gallery):
    gallery.forget_calls()
    for name, columns in gallery.captions.items():
        gallery.captions[name] = {**columns, "year": "1999"}
    gallery.write_captions()

    assert gallery.plan()["index/found"].changed == 12
    gallery.run()

    assert gallery.calls() == []
    assert gallery.rows()["p000.png"]["year"] == 1999
    assert make_plan(gallery.pipeline()).changes is False


@pytest.mark.slow
def test_two_pipelines_with_one_model_over_one_store_share_vectors(make_gallery):
    first = make_gallery(folder="first", store={"uri": "../store"})
    second = make_gallery(folder="second", store={"uri": "../store"}, name="second", pictures=10)
    first.run()
    plan = second.plan()
    assert (plan["embeddings/toy"].new, plan["embeddings/toy"].unchanged) == (0, 10)

    ran = second.run()

    assert second.calls() == []
    assert ran.published["found"].changed
    assert len(second.rows()) == 10
    assert len(first.rows()) == 12


@pytest.mark.slow
def test_two_indexes_of_one_declaration_are_both_published(gallery):
    gallery.declare(indexes={"found": {"vectors": ["toy"]}, "again": {"vectors": ["toy"]}})

    gallery.run()

    assert len(gallery.rows("found")) == len(gallery.rows("again")) == 12
    assert published(gallery, "found") != published(gallery, "again")
    gallery.add("new.png")
    gallery.declare(indexes={"found": {"vectors": ["toy"]}})
    gallery.run()
    assert (len(gallery.rows("found")), len(gallery.rows("again"))) == (13, 12)


@pytest.mark.slow
def test_two_pipelines_and_two_models_do_not_disturb_one_another(make_gallery):
    first = make_gallery(folder="first", store={"uri": "../store"})
    second = make_gallery(folder="second", store={"uri": "../store"}, name="second", pictures=3)
    second.model("big", name="big", dim=16)
    second.declare(indexes={"found": {"vectors": ["big"]}, "both": {"vectors": ["toy", "big"]}})
    first.run()
    second.run()
    rows = second.rows("both")
    assert {len(row["big"]) for row in rows.values()} == {16}
    first.forget_calls()
    second.forget_calls()

    first.model(name="edited")
    first.remove("p000.png")
    first.run()

    assert second.rows("both") == rows
    assert not make_plan(second.pipeline()).changes
    second.model("big", dim=4)
    second.run()
    assert second.calls() == [("image", 3)]  # big, and toy not
    assert {len(row["big"]) for row in second.rows().values()} == {4}
    assert not make_plan(first.pipeline()).changes


def test_an_input_that_is_no_column_is_refused_with_the_columns_there_are(gallery):
    gallery.model(input="captoin")
    with pytest.raises(SourceError, match="no column 'captoin'.*did you mean 'caption'"):
        gallery.plan()


def test_a_full_text_column_that_is_none_is_refused_with_the_columns_there_are(gallery):
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["captoin"]}})
    with pytest.raises(SpecError, match="gallery/index/found.*'captoin'.*did you mean 'caption'"):
        gallery.plan()


def test_an_embedding_named_like_a_column_is_refused(gallery):
    for name in gallery.captions:
        gallery.captions[name] = {"toy": "yes"}
    gallery.write_captions()
    gallery.declare(indexes={"found": {"vectors": ["toy"]}})
    with pytest.raises(SpecError, match="the name of a media column"):
        gallery.plan()
