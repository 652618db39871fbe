"""The form that a catalog keeps a listing in."""

from datetime import UTC, datetime

import pyarrow as pa

from embeddings_orch.media.base import CATALOG_SCHEMA, PART_COLUMN, STAT_COLUMN
from embeddings_orch.media.catalog.stored import to_stored


def listed(uri="/m/a.png", **own):
    values = {"id": "a", "uri": uri, "content_hash": "0" * 64, "modality": "image"}
    table = pa.Table.from_pylist([values], schema=CATALOG_SCHEMA)
    for name, column in own.items():
        table = table.append_column(name, column)
    return table.append_column(STAT_COLUMN, pa.array(["1:2:3:4"]))


def test_uris_are_relative_and_all_texts_large_and_rows_whole_items():
    found = to_stored(listed(mine=pa.array(["x"], pa.string())), "/m")
    assert found.column_names == [*CATALOG_SCHEMA.names, "mine", PART_COLUMN, STAT_COLUMN]
    assert found["uri"].to_pylist() == ["a.png"]
    assert {found.schema.field(name).type for name in ("caption", "text", "mine")} == {pa.large_string()}
    assert (found[PART_COLUMN].to_pylist(), found.schema.field(PART_COLUMN).type) == ([None], pa.string())


def test_times_with_a_zone_are_the_same_instants_in_utc():
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half past two, twice on that day in Berlin
    times = {zone: pa.array([moment], pa.timestamp("us", zone)) for zone in ("Europe/Berlin", "+05:30", "UTC")}
    found = to_stored(listed(a=times["Europe/Berlin"], b=times["+05:30"], c=times["UTC"]), "/m")
    for name in "abc":
        assert found.schema.field(name).type == pa.timestamp("us", "UTC")
        assert found[name].to_pylist() == [moment]
    naive = pa.array([datetime(2026, 10, 25, 2, 30)], pa.timestamp("us"))
    assert to_stored(listed(t=naive), "/m")["t"].combine_chunks() == naive
