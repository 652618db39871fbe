"""Times with a zone, from a table to the filters that ask for them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.search.filters import bind

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
"""Midnight in Berlin, on the day on which an hour is there twice."""


@pytest.fixture
def find(make_gallery):
    gallery = make_gallery(0, media={"source": "table", "path": "media/table.parquet"})
    times = pa.array([FIRST + timedelta(hours=hour) for hour in range(6)], pa.timestamp("us", "Europe/Berlin"))
    ids = [str(hour) for hour in range(6)]
    pq.write_table(pa.table({"id": ids, "text": ids, "t": times}), gallery.media / "table.parquet")
    scan_media(gallery.pipeline())
    catalog = gallery.pipeline().store.catalog("gallery")
    assert catalog.schema().field("t").type == pa.timestamp("us", "UTC")

    def find(where, **params):
        rows = catalog.at().search().where(bind(where, params)).select(["id"]).to_list()
        return "".join(sorted(row["id"] for row in rows))

    return find


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        (datetime(2026, 10, 25, 2, 0, tzinfo=BERLIN), "2345"),
        (datetime(2026, 10, 25, 2, 0, tzinfo=BERLIN, fold=1), "345"),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "345"),
        (datetime(2026, 10, 25, 1, 0), "345"),  # without a zone: UTC
        (date(2026, 10, 25), "2345"),
        (FIRST + timedelta(hours=5), "5"),
    ],
)
def test_a_parameter_is_an_instant(find, moment, found):
    assert find("t >= :t", t=moment) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-10-25T01:00:00Z", "345"),
        ("2026-10-25T02:00:00+02:00", "2345"),
        ("2026-10-25 01:00:00", "345"),
    ],
)
def test_a_text_in_a_filter_is_an_instant(find, text, found):
    assert find(f"t >= timestamp '{text}'") == found
