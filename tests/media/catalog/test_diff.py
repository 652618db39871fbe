from __future__ import annotations

import hashlib
import math
import time
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from catalogs import ROWS, catalog
from embeddings_orch.errors import SourceError
from embeddings_orch.media.catalog.diff import CONTENTS_SCHEMA, contents, diff, input_keys
from embeddings_orch.models.content import content_hash, content_key
from embeddings_orch.models.rows.digests import catalog_digest
from embeddings_orch.models.rows.notes import STAT_COLUMN


def test_a_new_column_changes_only_the_rows_that_have_a_value_in_it():
    assert diff(catalog(ROWS), catalog(ROWS, x=[None, "v", None, None])).changed == ("b.png",)


def test_diff():
    old = catalog(ROWS, year=[1, 2, 3, 4])
    rows = [
        ROWS[0],
        ("b.png", b"B", "image", "blue", "a user's text"),
        ROWS[3],
        ("e.png", b"E", "image", None, None),
    ]
    new = catalog(rows, year=[1, 2, 4, 5])
    found = diff(old, new)
    assert (found.new, found.changed, found.deleted, found.unchanged) == (
        ("e.png",),
        ("b.png",),
        ("c.png",),
        2,
    )
    assert found
    assert not diff(old, old)
    assert diff(None, new).new == ("a.png", "b.png", "d.txt", "e.png")
    assert diff(old, new.slice(0, 0)).deleted == ("a.png", "b.png", "c.png", "d.txt")


def test_contents_of_media_are_distinct_and_named_by_their_first_item():
    found = contents(catalog(ROWS))
    assert found.schema == CONTENTS_SCHEMA
    assert found["id"].to_pylist() == ["a.png", "b.png", "d.txt"]
    assert found["key"].to_pylist() == [
        content_key("image", content_hash(b"A")),
        content_key("image", content_hash(b"B")),
        content_key("text", content_hash("words")),
    ]
    assert found["modality"].to_pylist() == ["image", "image", "text"]
    assert found["text"].to_pylist() == [None, None, "words"]
    assert found["uri"].to_pylist()[0] == "/m/a.png"


def test_contents_of_captions_leave_out_null_and_empty():
    found = contents(catalog(ROWS), "caption").to_pylist()
    assert [(row["id"], row["modality"], row["text"]) for row in found] == [("a.png", "text", "red")]
    assert found[0]["content_hash"] == hashlib.sha256(b"red").hexdigest()


def test_a_column_of_blanks_is_no_content():
    table = catalog(ROWS, note=[" ", "\u3000\n", "x ", None])
    assert contents(table, "note")["text"].to_pylist() == ["x "]


def test_contents_of_any_column_are_its_text():
    table = catalog(ROWS, year=[1999, None, 1999, 2000], ratio=[0.5, 1.0, None, 2.5])
    assert contents(table, "year")["text"].to_pylist() == ["1999", "2000"]
    assert contents(table, "ratio")["text"].to_pylist() == ["0.5", "1", "2.5"]
    assert contents(table, "text")["id"].to_pylist() == ["b.png", "d.txt"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([b"red", "käse".encode(), b"\xff", b""], ["red", "käse"]),
        ([math.nan, 1.0, None, 0.5], ["1", "0.5"]),
        ([Decimal("1.50"), Decimal("2.00"), None, None], ["1.5", "2"]),
        ([date(2026, 1, 2), None, None, None], ["2026-01-02"]),
        ([timedelta(minutes=1), None, None, None], ["PT1M"]),
        ([True, False, None, None], ["true", "false"]),
    ],
    ids=str,
)
def test_contents_of_a_column_are_the_one_text_of_its_cells(values, texts):
    table = catalog(ROWS, _own=values)
    assert contents(table, "_own")["text"].to_pylist() == texts
    keys = [content_key("text", content_hash(text)) for text in texts]
    assert contents(table, "_own")["key"].to_pylist() == [key for key in input_keys(table, "_own").to_pylist() if key]
    assert contents(table, "_own")["key"].to_pylist() == keys


def test_contents_do_not_depend_on_the_order_of_the_catalog():
    table = catalog(ROWS)
    assert contents(table.take([3, 2, 1, 0])) == contents(table)
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert contents(chunked) == contents(table)
    assert contents(chunked, "caption") == contents(table, "caption")


@pytest.mark.parametrize("name", ["media", "caption", "text", "year"])
def test_every_row_has_the_key_of_its_content_or_none(name):
    table = catalog(ROWS, year=[1999, None, 1999, 2000])
    keys = input_keys(table, name).to_pylist()
    assert len(keys) == 4
    assert set(keys) - {None} == set(contents(table, name)["key"].to_pylist())
    if name == "caption":
        assert keys == [content_key("text", content_hash("red"))] * 2 + [None, None]


def test_an_empty_catalog_has_no_contents():
    empty = catalog([])
    assert contents(empty).num_rows == contents(empty, "caption").num_rows == 0
    assert input_keys(empty).to_pylist() == []
    assert catalog_digest(empty) == catalog_digest(catalog(ROWS).slice(0, 0))


@pytest.mark.parametrize("name", ["captoin", "uri", "size", STAT_COLUMN])
def test_a_column_that_is_not_there_is_named_with_those_that_are(name):
    with pytest.raises(SourceError, match=rf"'{name}'.*allowed: caption, media, text, year"):
        contents(catalog(ROWS, year=[1, 2, 3, 4]), name)


def test_lists_and_objects_are_texts_and_lists_of_numbers_are_none():
    table = catalog(ROWS, tags=[["b", None], None, ["b", None], []], o=[{"b": 1.0, "a": None}, None, None, None])
    assert contents(table, "tags")["text"].to_pylist() == ['["b",null]', "[]"]
    assert contents(table, "o")["text"].to_pylist() == ['{"a":null,"b":1}']
    with pytest.raises(SourceError, match=r"'made'.*list<item: double>; if these are vectors: `vectors`"):
        input_keys(catalog(ROWS, made=[[0.5]] * 4), "made")


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_no_time():
    rows = [(f"{number:06d}.png", str(number), "image", f"caption {number % 100}", None) for number in range(100_000)]
    table = catalog(rows, year=list(range(100_000)))
    started = time.process_time()
    assert diff(table, table).unchanged == 100_000
    assert contents(table).num_rows == 100_000
    assert contents(table, "caption").num_rows == 100
    assert time.process_time() - started < 10
