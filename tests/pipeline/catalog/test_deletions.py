"""What a scan must not delete: items that it could not see, and most of a catalog at once."""

from __future__ import annotations

import json
import os

import pytest

from embeddings_orch.errors import MassDeleteError, SourceError, another_run_may_succeed
from embeddings_orch.pipeline.catalog.deletions import Allowed
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.run.here import execute_steps
from embeddings_orch.pipeline.run.settings import RunSettings
from galleries import Gallery
from kept import after


def ids(gallery):
    return set(gallery.pipeline().catalog()["id"].to_pylist())


def scan(gallery, **options):
    return scan_media(gallery.pipeline(), **options)


def write_lines(gallery, rows, cut=0):
    """A table of texts; ``cut`` characters of its end are missing."""
    text = "".join(json.dumps({"id": f"t{row}", "text": f"text {row}", "kind": "x"}) + "\n" for row in rows)
    (gallery.root / "texts.jsonl").write_text(text[: len(text) - cut])


@pytest.fixture
def texts(gallery):
    gallery.declare(media={"source": "table", "path": "texts.jsonl"}, indexes={"found": {"vectors": ["toy"]}})
    write_lines(gallery, range(10))
    gallery.run()
    return gallery


@pytest.fixture
def many(make_gallery):
    gallery = make_gallery(pictures=20)
    scan(gallery)
    return gallery


def remove(gallery, count):
    for name in sorted(gallery.captions)[:count]:
        gallery.remove(name)


# What could not be seen


def test_a_table_that_is_cut_off_deletes_nothing_until_it_is_whole(texts):
    write_lines(texts, range(6), cut=5)
    report = scan(texts)
    assert (report.deleted, report.kept, len(ids(texts))) == (0, 5, 10)
    assert "5 items that may be there still are kept as they were: " in report.warning
    assert "not JSON" in report.warning
    write_lines(texts, range(6))
    report = scan(texts)
    assert (report.deleted, report.kept, report.warning) == (4, 0, "")


def test_what_is_kept_stays_in_the_index_and_is_asked_of_no_model(texts):
    texts.forget_calls()
    write_lines(texts, range(6), cut=5)
    ran = texts.run()
    assert (ran.embedded(), texts.calls(), len(texts.rows())) == (0, [], 10)
    assert ran.indexes["found"].deleted == 0


def test_rows_that_are_new_or_changed_beside_those_that_cannot_be_seen_are_taken_over(texts):
    rows = [{"id": "t0", "text": "another", "more": 1}, {"id": "new", "text": "new", "more": 2}]
    (texts.root / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"id": "t')
    report = scan(texts)
    assert (report.new, report.changed, report.deleted, report.kept) == (1, 1, 0, 9)
    catalog = {row["id"]: row for row in texts.pipeline().catalog().to_pylist()}
    assert (catalog["t0"]["text"], catalog["t1"]["text"]) == ("another", "text 1")
    assert (catalog["new"]["more"], catalog["t1"]["more"], catalog["t1"]["kind"]) == (2, None, "x")


def test_a_folder_that_cannot_be_entered_keeps_what_was_below_it_and_no_other(gallery):
    gallery.add("below/a.png")
    gallery.add("below/b.png")
    gallery.add("other/c.png")
    scan(gallery)
    for name in ("below/a.png", "below/b.png", "other/c.png"):
        (gallery.media / name).unlink()
    (gallery.media / "below").rmdir()
    os.symlink("below", gallery.media / "below")  # a link to itself, which even root cannot enter
    report = scan(gallery)
    assert (report.deleted, report.kept) == (1, 2)
    assert {"below/a.png", "below/b.png"} < ids(gallery)
    assert "below: it cannot be read" in report.warning


def test_a_file_that_cannot_be_read_keeps_its_item(texts):
    long_name = "n" * 300 + ".png"  # no file system here has such a name, so that it cannot even be looked for
    lines = [json.dumps({"id": f"t{row}", "text": f"text {row}", "kind": "x"}) for row in range(9)]
    lines.append(json.dumps({"id": "t9", "uri": long_name}))
    (texts.root / "texts.jsonl").write_text("\n".join(lines))
    report = scan(texts)
    assert (report.deleted, report.kept, "t9" in ids(texts)) == (0, 1, True)


def test_hidden_rows_whose_columns_are_of_another_type_stop_the_scan(texts):
    (texts.root / "texts.jsonl").write_text('{"id": "t0", "text": "x", "kind": [1, 2]}\n{"id": ')
    with pytest.raises(SourceError, match=r"texts\.jsonl.*not JSON.*9 items .* cannot be kept.*Nothing was changed"):
        scan(texts)
    assert len(ids(texts)) == 10


# Most of the catalog at once


def test_more_than_half_of_the_items_are_not_deleted_by_a_run_as_usual(many):
    remove(many, 11)
    with pytest.raises(
        MassDeleteError, match=r"11 of 20 items are gone.*Nothing was changed.*--allow-mass-delete"
    ) as no:
        scan(many)
    assert not another_run_may_succeed(no.value)
    assert len(ids(many)) == 20
    planned = scan(many, write=False)
    assert (planned.deleted, "a run will refuse this: " in planned.warning) == (11, True)
    assert scan(many, allowed=Allowed(mass_delete=True)).deleted == 11


def test_half_of_them_are(many):
    remove(many, 10)
    assert scan(many).deleted == 10


def test_items_whose_content_has_another_name_are_not_gone(many):
    (many.media / "moved").mkdir()
    for path in many.media.glob("*.png"):
        path.rename(many.media / "moved" / path.name)
    assert scan(many).deleted == 20


def test_in_a_small_catalog_they_are_deleted(gallery):
    scan(gallery)
    remove(gallery, 11)
    assert scan(gallery).deleted == 11


def test_an_edit_of_the_declaration_means_what_it_deletes(many):
    many.declare(media={"source": "folder", "path": "media", "include": ["p00*.png"]})
    assert scan(many).deleted == 10
    many.declare(media={"source": "folder", "path": "media", "include": ["p000.png"]})
    assert scan(many).deleted == 9


def test_an_edit_that_changes_no_row_is_remembered_and_guards_what_comes(many):
    many.declare(media={"source": "folder", "path": "media", "include": ["*.png"]})
    assert not scan(many).writes
    remove(many, 15)
    with pytest.raises(MassDeleteError):
        scan(many)


def test_a_source_that_lists_nothing_is_empty_where_that_is_said(many):
    remove(many, 20)
    with pytest.raises(SourceError, match=r"lists nothing, where the catalog has 20 items.*--allow-empty"):
        scan(many)
    with pytest.raises(SourceError, match="lists nothing"):
        scan(many, allowed=Allowed(mass_delete=True))
    assert scan(many, allowed=Allowed(empty=True)).deleted == 20


# As a person tells it


@after(Gallery.run)
def test_a_run_that_is_told_to_deletes_and_one_that_is_not_says_what_to_do(gallery):
    for number in range(12, 24):
        gallery.add(f"p{number:03}.png", caption=f"picture {number}")
    spec = gallery.pipeline().spec
    assert execute_steps(spec).success
    remove(gallery, 20)
    refused = execute_steps(spec)
    assert (refused.success, len(gallery.rows())) == (False, 24)
    assert refused.errors[0].endswith("If it is meant: embeddings-orch run --allow-mass-delete")
    assert execute_steps(spec, settings=RunSettings(allow_mass_delete=True)).success
    assert len(gallery.rows()) == 4
