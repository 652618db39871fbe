"""A table of thousands of columns, through runs of a whole pipeline."""

import pytest

from embeddings_orch.store.base import MERGED_COLUMNS

COLUMNS = [f"c{number}" for number in range(MERGED_COLUMNS)]


def write(gallery, rows):
    lines = [
        ["id", "text", *COLUMNS],
        *([key, text, *(str(first + place) for place in range(len(COLUMNS)))] for key, text, first in rows),
    ]
    gallery.add("wide.csv", "".join(",".join(line) + "\n" for line in lines))


@pytest.mark.slow
def test_rows_of_a_wide_table_are_changed_removed_and_added(gallery):
    write(gallery, [("a", "red", 0), ("b", "green", 1), ("c", "blue", 2)])
    gallery.declare(media={"source": "table", "path": "media/wide.csv"})
    assert gallery.run().embedded() == 3

    write(gallery, [("a", "red", 0), ("b", "yellow", 5), ("d", "white", 3)])
    again = gallery.run()

    report = again.indexes["found"]
    assert (again.embedded(), report.new, report.changed, report.deleted) == (2, 1, 1, 1)
    rows = gallery.rows()
    assert {key: (row["text"], row["c0"], row[COLUMNS[-1]]) for key, row in rows.items()} == {
        "a": ("red", 0, MERGED_COLUMNS - 1),
        "b": ("yellow", 5, MERGED_COLUMNS + 4),
        "d": ("white", 3, MERGED_COLUMNS + 2),
    }
    assert all(row["toy"] is not None for row in rows.values())
