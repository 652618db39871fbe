"""The form that a catalog keeps a listing in."""

from datetime import UTC, datetime

import pyarrow as pa

from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.media.catalog.stored import to_stored
from embeddings_orch.models.rows.notes import PART_COLUMN, STAT_COLUMN


def listed(uri="/m/a.png", **own):
    values = {"id": "a", "uri": uri, "content_hash": "0" * 64, "modality": "image"}
    table = pa.Table.from_pylist([values], schema=CATALOG_SCHEMA)
    for name, column in own.items():
        table = table.append_column(name, column)
    return table.append_column(STAT_COLUMN, pa.array(["1:2:3:4"]))


def test_uris_are_relative_and_all_texts_large_and_rows_whole_items():
    found, told = to_stored(listed(mine=pa.array(["x"], pa.string())), "/m", "source")
    assert told == []
    assert found.column_names == [*CATALOG_SCHEMA.names, "mine", PART_COLUMN, STAT_COLUMN]
    assert found["uri"].to_pylist() == ["a.png"]
    assert {found.schema.field(name).type for name in ("caption", "text", "mine")} == {pa.large_string()}
    assert (found[PART_COLUMN].to_pylist(), found.schema.field(PART_COLUMN).type) == ([None], pa.string())


def test_times_with_a_zone_are_the_same_instants_in_utc():
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two, twice on that day in Berlin
    times = {zone: pa.array([moment], pa.timestamp("us", zone)) for zone in ("Europe/Berlin", "+05:30", "UTC")}
    found, _ = to_stored(listed(a=times["Europe/Berlin"], b=times["+05:30"], c=times["UTC"]), "/m", "source")
    for name in "abc":
        assert found.schema.field(name).type == pa.timestamp("us", "UTC")
        assert found[name].to_pylist() == [moment]
    naive = pa.array([datetime(2026, 10, 25, 2, 30)], pa.timestamp("us"))
    assert to_stored(listed(t=naive), "/m", "source")[0]["t"].combine_chunks() == naive


def test_a_column_of_any_source_is_kept():
    odd = {
        "a.b": pa.array([1]),
        "_digest": pa.array([2]),
        "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    }
    found, told = to_stored(listed(**odd), "/m", "p/raw_media")
    assert found.column_names == [*CATALOG_SCHEMA.names, "a_b", "digest", "m", PART_COLUMN, STAT_COLUMN]
    assert found["m"].to_pylist() == ['{"k":1}']
    assert [(problem.where, problem.kept) for problem in told] == [("p/raw_media", True)] * 3
