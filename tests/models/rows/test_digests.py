from __future__ import annotations

import hashlib
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import ROWS, catalog
from embeddings_orch.models.rows import digests as digests_module
from embeddings_orch.models.rows.digests import add_digests, catalog_digest, hash_rows, row_digests
from embeddings_orch.models.rows.notes import DIGEST_COLUMN, STAT_COLUMN
from embeddings_orch.models.rows.sums import DIGEST_FIELD, sum_digests


def test_digests_ignore_order_and_stat():
    table = catalog(ROWS, year=[1, 2, 3, 4])
    shuffled = table.take([2, 0, 3, 1]).select(list(reversed(table.column_names)))
    restated = table.set_column(table.column_names.index(STAT_COLUMN), STAT_COLUMN, pa.array([""] * 4))
    assert catalog_digest(table) == catalog_digest(shuffled) == catalog_digest(restated)
    assert row_digests(shuffled).to_pylist() == row_digests(table).take(pa.array([2, 0, 3, 1])).to_pylist()
    assert catalog_digest(table) == catalog_digest(table.drop([STAT_COLUMN]))


def test_any_value_in_any_column_changes_the_digest():
    table = catalog(ROWS, year=[1, 2, 3, None])
    seen = {catalog_digest(table)}
    for name in table.column_names:
        if name == STAT_COLUMN:
            continue
        changed = [
            *table[name].to_pylist()[:-1],
            99 if pa.types.is_integer(table.schema.field(name).type) else "zz",
        ]
        position = table.column_names.index(name)
        seen.add(
            catalog_digest(table.set_column(position, table.schema.field(name), pa.array(changed, table[name].type)))
        )
    assert len(seen) == len(table.column_names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1, 2, None, 4], pa.int32()), pa.array([1, 2, None, 4], pa.int64())),
        (pa.array([1, 2, None, 4], pa.int32()), pa.array([1, 2, None, 4], pa.float64())),
        (pa.array(list("abcd")), pa.array(list("abcd"), pa.large_string())),
        (pa.array(list("abcd")), pa.array(list("abcd")).dictionary_encode()),
        (pa.array([1.5, None, 2, math.nan], pa.float32()), pa.array([1.5, None, 2, math.nan], pa.float64())),
        (
            pa.array([0, 1, 2, 3], pa.timestamp("s")),
            pa.array([0, 10**6, 2 * 10**6, 3 * 10**6], pa.timestamp("us")),
        ),
        (
            pa.array([["a"], [], None, ["b", "c"]]),
            pa.array([["a"], [], None, ["b", "c"]], pa.large_list(pa.string())),
        ),
    ],
)
def test_the_width_of_a_type_does_not_count(one, other):
    assert row_digests(catalog(ROWS, x=one)) == row_digests(catalog(ROWS, x=other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3, 4], ["1", "2", "3", "4"]),
        ([True, False, True, False], ["true", "false", "true", "false"]),
        ([True, True, True, True], [1, 1, 1, 1]),
        (["", "", "", ""], pa.array([None] * 4, pa.string())),
        ([0.1, 0.2, 0.3, 0.4], pa.array([0.1, 0.2, 0.3, 0.4], pa.float32())),
        ([["a", "b"]] * 4, [["ab"]] * 4),
    ],
)
def test_different_values_differ_in_every_row(one, other):
    ones = row_digests(catalog(ROWS, x=one)).to_pylist()
    others = row_digests(catalog(ROWS, x=other)).to_pylist()
    assert all(a != b for a, b in zip(ones, others, strict=True))


def test_the_same_value_in_another_column_differs():
    assert row_digests(catalog(ROWS, x=list("abcd"))) != row_digests(catalog(ROWS, y=list("abcd")))


CELL = st.one_of(st.none(), st.text(alphabet="ab=:|01", max_size=4))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_rows_share_a_digest_exactly_when_they_are_equal(rows):
    columns = {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(("x", "xs", "y"))}
    digests = row_digests(pa.table(columns)).to_pylist()
    for i, row in enumerate(rows):
        for j, other in enumerate(rows):
            assert (digests[i] == digests[j]) == (row == other)


def test_the_digests_of_a_catalog_stay_the_same_over_releases():
    # Other digests would make every catalog look changed after an update.
    own = {
        "n": [1, 2, 3, 4],
        "f": [0.5, 1.0, None, 1e30],
        "b": [True, None, False, True],
        "l": [["a", "\u00fc"], [], None, []],
    }
    table = catalog(ROWS, **own).append_column("t", pa.array([0, None, 1, 2], pa.timestamp("us", "UTC")))
    assert catalog_digest(table) == "115673927d58ff5732770755ae23e2733f3a61985968f6d13c1cf6258541d82b"


def test_the_digest_of_a_catalog_is_the_sum_of_its_rows():
    table = catalog(ROWS)
    assert catalog_digest(table) == sum_digests(row_digests(table)).hex()
    noted = table.append_column(DIGEST_FIELD, pa.array([bytes([0] * 31 + [n]) for n in range(4)], pa.binary(32)))
    assert catalog_digest(noted) == f"{6:064x}"


def test_the_digests_of_rows_that_stayed_are_those_of_the_last_catalog(monkeypatch):
    before = add_digests(catalog(ROWS), None, ())
    assert before.column_names[-2:] == [DIGEST_COLUMN, STAT_COLUMN]
    after = catalog([ROWS[3], ("b.png", b"new", "image", None, None), ROWS[2], ("e.png", b"E", "image", None, None)])
    hashed = []
    monkeypatch.setattr(
        digests_module, "row_digests", lambda rows: [hashed.append(rows["id"].to_pylist()), row_digests(rows)][1]
    )
    found = add_digests(after, before, ["e.png", "b.png"])
    assert hashed == [["b.png", "e.png"]]
    assert found[DIGEST_COLUMN].combine_chunks() == row_digests(after)
    assert found.schema.field(DIGEST_COLUMN) == DIGEST_FIELD


def test_rows_are_hashed_in_pieces_by_their_size(monkeypatch):
    table = catalog([(f"{n:03}", b"", "text", None, "x" * n) for n in range(50)])
    whole = row_digests(table)
    sizes = []
    monkeypatch.setattr(digests_module, "_HASHED_BYTES", 4000)
    monkeypatch.setattr(
        digests_module,
        "tag_cells",
        lambda name, column, tag=digests_module.tag_cells: [sizes.append(len(column)), tag(name, column)][1],
    )
    assert row_digests(table) == whole
    assert max(sizes) < len(table)


BYTES = st.one_of(st.none(), st.binary(max_size=3))


@settings(deadline=None)
@given(st.lists(st.tuples(BYTES, BYTES), min_size=1, max_size=8))
def test_rows_of_bytes_share_a_hash_exactly_when_they_are_equal(rows):
    found = hash_rows([pa.array([row[at] for row in rows], pa.binary()) for at in (0, 1)]).to_pylist()
    for i, row in enumerate(rows):
        for j, other in enumerate(rows):
            assert (found[i] == found[j]) == (row == other)


def test_a_row_of_digests_and_texts_is_hashed_as_its_bytes():
    columns = [
        pa.array([b"\1" * 32], pa.binary(32)),
        pa.array(["ab"], pa.large_string()),
        pa.array([None], pa.string()),
    ]
    assert hash_rows(columns).to_pylist() == [hashlib.sha256(b"32:" + b"\1" * 32 + b"2:ab-").digest()]
