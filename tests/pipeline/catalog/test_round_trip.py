"""A user's table through a file and an index: what comes out is what was put in, and filters find it.

What differs is meant to; anything else is a fault:

====================================  ==============================================================
put in                                comes out
====================================  ==============================================================
a time finer than a microsecond       cut to microseconds, towards 1970
a time before year 1, after 9999      null, and a problem of its row
a time with another zone              the same instant in UTC
a longer duration than 64 bits of     null, and a problem of its row
microseconds have
float16                               the same number as 32 bits have it
bytes of an extension uuid            its text
an extension bool8                    a bool
a dictionary, a view, a large type    their values
a map, anywhere in a column           the text of a JSON object; the column is told of
a column of nulls                     nulls
the cells of a CSV                    bools, integers, floats or texts, as `catalog.columns` says;
                                      an empty text is null
objects, and lists of lists, of JSON  the texts of their JSON
====================================  ==============================================================

Runs, which Parquet cannot hold, are in ``tests/media/catalog/test_typed.py``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings

from any_columns import same
from any_objects import KINDS
from any_tables import CSV_KINDS, JSON_KINDS, UserTable, ends, user_tables
from embeddings_orch.search import Index
from galleries import Gallery, laid_out

FEW = settings(deadline=None, max_examples=6)


def write_parquet(table: UserTable, path: Path) -> None:
    columns = {kept.column.name: kept.array(table.values[kept.column.name]) for kept in table.columns}
    rows = range(table.size)
    ids = {"id": [f"i{row}" for row in rows], "text": [f"text {row}" for row in rows]}
    pq.write_table(pa.table({**ids, **columns}), path)


def write_csv(table: UserTable, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", *table.values])
        for row, cells in enumerate(zip(*table.values.values(), strict=True)):
            rows.writerow([f"i{row}", f"text {row}", *cells])


def write_lines(table: UserTable, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row, cells in enumerate(zip(*table.values.values(), strict=True)):
            values = dict(zip(table.values, cells, strict=True))
            file.write(json.dumps({"id": f"i{row}", "text": f"text {row}", **values}) + "\n")


@pytest.fixture(scope="module")
def lay_out(tmp_path_factory) -> Callable[[str], Gallery]:
    """Makes a gallery of a table, without the table."""

    def make(name: str) -> Gallery:
        media = {"source": "table", "path": name, **({"delimiter": ","} if name.endswith(".csv") else {})}
        index = {"vectors": ["toy"], "map": "none", "checks": {"min_recall": 0}}
        return laid_out(tmp_path_factory.mktemp("trip") / "gallery", 0, media=media, indexes={"found": index})

    return make


def check(gallery: Gallery, table: UserTable) -> None:
    """Run a gallery twice, and compare what its index has with the user's table."""
    ran = gallery.run()
    rows = {name: dict(row) for name, row in gallery.rows().items()}
    expected = {
        kept.column.name: [None if value is None else kept.out(value) for value in table.values[kept.column.name]]
        for kept in table.columns
    }
    for name, values in expected.items():
        for row, value in enumerate(values):
            found = rows[f"i{row}"][name]
            assert same(found, value), (name, table.values[name][row], found, value)
    lost = [
        f"row {row + 1}: its {name!r} is no time that can be kept"
        for name in (kept.column.name for kept in table.columns if pa.types.is_temporal(kept.column.kind))
        for row, value in enumerate(expected[name])
        if value is None and table.values[name][row] is not None
    ]
    told = [f"the column {kept.column.name!r}" for kept in table.columns if kept.told]
    problems = [problem.where.rpartition(", ")[2] + ": " + problem.reason for problem in ran.scan.problems]
    assert sorted(problem for problem in problems if problem.startswith("row")) == sorted(lost)
    assert len(problems) == len(lost) + len(told)
    assert all(any(part in problem for problem in problems) for part in told)

    with Index.open("found", file=gallery.file) as index:

        def ids(where: str, **params: object) -> set[str]:
            return {hit.id for hit in index.search(text="text", where=where, params=params, limit=table.size)}

        for kept in table.columns:
            there = {key for key, row in rows.items() if row[kept.column.name] is not None}
            assert ids(f"{kept.column.quoted} IS NOT NULL") == there, kept.column.name
        for condition in table.conditions:
            keep = {key for key, row in rows.items() if condition.keep(row)}
            assert ids(condition.where, **condition.params) == keep, (condition.where, condition.params)

    gallery.forget_calls()
    again = gallery.run()
    assert (again.scan.new, again.scan.changed, again.scan.unchanged) == (0, 0, table.size)
    assert (gallery.items(), again.indexes["found"].built) == (0, False)


@pytest.mark.slow
@FEW
@given(user_tables(KINDS))
@example(ends(KINDS))
def test_a_parquet_table_comes_out_as_it_went_in(lay_out, table):
    gallery = lay_out("items.parquet")
    write_parquet(table, gallery.root / "items.parquet")
    check(gallery, table)


@pytest.mark.slow
@FEW
@given(user_tables(CSV_KINDS))
@example(ends(CSV_KINDS))
def test_a_csv_comes_out_as_it_went_in(lay_out, table):
    gallery = lay_out("items.csv")
    write_csv(table, gallery.root / "items.csv")
    check(gallery, table)


@pytest.mark.slow
@FEW
@given(user_tables(JSON_KINDS))
@example(ends(JSON_KINDS))
def test_json_lines_come_out_as_they_went_in(lay_out, table):
    gallery = lay_out("items.jsonl")
    write_lines(table, gallery.root / "items.jsonl")
    check(gallery, table)
