"""What a plan says, a run does, and no more: added, edited, renamed, copied and deleted media."""

import shutil

import pytest

from embeddings_orch.errors import SourceError, StoreError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery
from kept import after

COUNTS = ("new", "changed", "unchanged", "deleted")


def counts(report):
    return tuple(getattr(report, name) for name in COUNTS)


def change_media(gallery):
    """Add 3, edit 2, rename 1, copy 1, delete 4."""
    for name in ("new1.png", "new2.png", "deep/er/new3.png"):
        gallery.add(name)
    gallery.add("p000.png", gallery.media.joinpath("p000.png").read_bytes() + b" ")
    gallery.add("p001.png", gallery.media.joinpath("p001.png").read_bytes() + b" ")
    (gallery.media / "p002.png").rename(gallery.media / "renamed.png")
    gallery.captions["renamed.png"] = gallery.captions.pop("p002.png")
    shutil.copyfile(gallery.media / "p003.png", gallery.media / "copied.png")
    for name in ("p004.png", "p005.png", "p006.png", "p007.png"):
        gallery.remove(name)


@pytest.mark.slow
def test_the_plan_counts_what_the_run_then_does(gallery):
    first = gallery.plan()
    assert {asset: counts(plan)[0] for asset, plan in first.items()} == {
        "raw_media": 12, "embeddings/toy": 12, "index/found": 12, "published/found": 1,
    }  # fmt: skip
    gallery.run()
    change_media(gallery)

    plan = gallery.plan()

    assert counts(plan["raw_media"]) == (5, 2, 5, 5)  # a rename is one new item and one deleted
    assert counts(plan["embeddings/toy"]) == (3, 2, 6, 4)  # and costs no vector, as a copy does not
    assert plan["embeddings/toy"].estimate.contents == 5
    assert counts(plan["index/found"]) == (5, 2, 5, 5)
    assert counts(plan["published/found"]) == (0, 1, 0, 0)
    ran = gallery.run()
    assert counts(ran.scan) == counts(plan["raw_media"])
    assert counts(ran.embeddings["toy"].delta) == counts(plan["embeddings/toy"])
    assert counts(ran.indexes["found"]) == counts(plan["index/found"])
    assert ran.published["found"].changed


@after(Gallery.run)
def test_added_and_edited_contents_are_embedded_and_no_others(gallery):
    gallery.forget_calls()
    change_media(gallery)

    ran = gallery.run()

    assert gallery.items() == 5
    assert ran.embedded() == 5
    assert ran.embeddings["toy"].reused == 6


@after(Gallery.run)
def test_the_index_shows_the_new_name_and_both_copies_and_nothing_deleted(gallery):
    before = gallery.rows()
    change_media(gallery)

    gallery.run()

    rows = gallery.rows()
    assert sorted(rows) == sorted(
        ["copied.png", "deep/er/new3.png", "new1.png", "new2.png", "p000.png", "p001.png", "p003.png"]
        + ["p008.png", "p009.png", "p010.png", "p011.png", "renamed.png"]
    )
    assert rows["renamed.png"]["toy"] == before["p002.png"]["toy"]
    assert rows["renamed.png"]["caption"] == "picture 2"
    assert rows["copied.png"]["toy"] == rows["p003.png"]["toy"] == before["p003.png"]["toy"]
    assert rows["p000.png"]["toy"] != before["p000.png"]["toy"]


@pytest.mark.slow
@after(Gallery.run)
def test_a_second_plan_says_no_changes(gallery):
    change_media(gallery)
    gallery.run()

    plan = make_plan(gallery.pipeline())

    assert not plan.changes
    assert [asset.reason for asset in plan.assets] == ["up to date"] * 4
    assert [counts(asset) for asset in plan.assets] == [
        (0, 0, 12, 0), (0, 0, 11, 0), (0, 0, 12, 0), (0, 0, 1, 0),
    ]  # fmt: skip


@after(Gallery.run)
def test_a_second_run_calls_no_model_and_makes_no_embedder(gallery, monkeypatch):
    gallery.forget_calls()

    def refuse(*_args, **_options):
        pytest.fail("an embedder was made although there was nothing to embed")

    monkeypatch.setattr(CountingEmbedder, "__init__", refuse)
    ran = gallery.run()

    assert gallery.calls() == []
    assert ran.embedded() == 0
    assert not ran.published["found"].changed


@pytest.mark.slow
@after(Gallery.run)
def test_a_second_run_writes_no_table_version(gallery):
    change_media(gallery)
    gallery.run()
    before = gallery.versions()

    gallery.run()

    assert gallery.versions() == before
    assert len(before) >= 6


@pytest.mark.slow
def test_a_touched_file_with_the_same_bytes_changes_nothing(gallery):
    gallery.run()
    before = gallery.versions()
    (gallery.media / "p000.png").write_bytes((gallery.media / "p000.png").read_bytes())
    (gallery.media / "p001.png").touch()

    assert not make_plan(gallery.pipeline()).changes
    gallery.run()

    # The files' times may be noted anew, and with them which catalog was covered.
    notes = ("claims", "items", "states", "index_states")
    versions = {name: version for name, version in gallery.versions().items() if not name.startswith(notes)}
    assert versions == {name: version for name, version in before.items() if not name.startswith(notes)}


def test_planning_writes_nothing(gallery):
    assert make_plan(gallery.pipeline()).changes
    assert sorted(path.name for path in gallery.root.iterdir()) == ["defs.yaml", "media"]
    gallery.run()
    change_media(gallery)
    before = sorted((path, path.stat().st_mtime_ns) for path in (gallery.root / "store").rglob("*"))

    assert make_plan(gallery.pipeline()).changes

    assert sorted((path, path.stat().st_mtime_ns) for path in (gallery.root / "store").rglob("*")) == before


@pytest.mark.slow
def test_names_with_quotes_and_other_scripts_are_added_and_deleted(gallery):
    names = ["it's.png", 'say "hi".png', "猫 и пёс.png", "100%_;--.png"]
    for name in names:
        gallery.add(name)
    gallery.run()
    assert set(names) <= set(gallery.rows())

    for name in names:
        gallery.remove(name)
    gallery.run()

    assert len(gallery.rows()) == 12
    assert not set(names) & set(gallery.rows())


@after(Gallery.run)
def test_a_folder_that_lists_nothing_any_more_changes_nothing(gallery):
    rows = gallery.rows()
    for name in list(gallery.captions)[1:]:
        gallery.remove(name)
    assert counts(gallery.plan()["embeddings/toy"]) == (0, 0, 1, 11)
    gallery.remove("p000.png")

    with pytest.raises(SourceError, match="lists nothing, where the catalog has 12 items"):
        gallery.run()

    assert gallery.rows() == rows


def test_the_same_bytes_twice_are_one_content(gallery):
    for number in range(5):
        gallery.add(f"same{number}.png", b"the same bytes in five files")
    ran = gallery.run()

    assert gallery.items() == 13
    assert ran.embeddings["toy"].total == 13
    assert len(gallery.rows()) == 17


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_embedded_is_left_for_the_next_run(gallery):
    pipeline = gallery.pipeline()
    scan = pipeline.source.scan

    def scan_then_edit(*args):
        found = scan(*args)
        gallery.add("p000.png", b"other bytes")
        return found

    pipeline.source.scan = scan_then_edit
    scan_media(pipeline)
    report = embed(pipeline, "toy")

    assert report.embedded == 11
    assert [(failure.kind, failure.uri) for failure in report.failures] == [
        ("transient", str(gallery.media / "p000.png"))
    ]
    assert "changed since it was scanned" in report.failures[0].reason
    assert gallery.run().embedded() == 1
    assert gallery.plan()["embeddings/toy"].failed == 0


def test_a_step_without_a_catalog_says_what_to_materialize(gallery):
    with pytest.raises(StoreError, match="gallery/raw_media was never materialized"):
        embed(Pipeline(gallery.pipeline().spec), "toy")
