"""Columns of files with types: what is kept natively, what becomes text, and what is told of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from embeddings_orch.media.catalog.typed import keep_column

STRINGS, BYTES = pa.large_string(), pa.large_binary()
UUIDS = pa.array([b"0123456789abcdef", None], pa.binary(16))


def extension(kind, storage):
    return pa.ExtensionArray.from_storage(kind, storage)


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        (pa.array(["a", None], pa.large_string()), STRINGS, ["a", None]),
        (pa.array(["a", None], pa.string_view()), STRINGS, ["a", None]),
        (pa.array(["a", None]).dictionary_encode(), STRINGS, ["a", None]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None]), STRINGS, ["a", "a", None]),
        (pa.nulls(2), STRINGS, [None, None]),
        (pa.array([], pa.string_view()), STRINGS, []),
        (pa.array([b"\xff", None], pa.binary_view()), BYTES, [b"\xff", None]),
        (pa.array([b"\xff", None], pa.binary(1)), BYTES, [b"\xff", None]),
        (pa.array([1, None], pa.int8()), pa.int8(), [1, None]),
        (pa.array([2**64 - 1, None], pa.uint64()), pa.uint64(), [2**64 - 1, None]),
        (pa.array([1, None]).dictionary_encode(), pa.int64(), [1, None]),
        (pa.array([1.5, None], pa.float16()), pa.float32(), [1.5, None]),
        (pa.array([Decimal("1.50")], pa.decimal32(9, 2)), pa.decimal128(9, 2), [Decimal("1.50")]),
        (pa.array([Decimal("1.50")], pa.decimal64(18, 2)), pa.decimal128(18, 2), [Decimal("1.50")]),
        (pa.array([Decimal("1.50")], pa.decimal256(38, 2)), pa.decimal128(38, 2), [Decimal("1.50")]),
        (pa.array([Decimal("1.50")], pa.decimal256(60, 2)), pa.decimal256(60, 2), [Decimal("1.50")]),
        (pa.array([Decimal(1500)], pa.decimal128(5, -2)), pa.decimal128(7, 0), [Decimal(1500)]),
        (pa.array([dt.date(2026, 1, 2)], pa.date64()), pa.date32(), [dt.date(2026, 1, 2)]),
        (pa.array([dt.time(1, 2)], pa.time32("ms")), pa.time64("us"), [dt.time(1, 2)]),
        (pa.array([1001], pa.time64("ns")), pa.time64("us"), [dt.time(0, 0, 0, 1)]),
        (pa.array([1], pa.timestamp("ms")), pa.timestamp("us"), [dt.datetime(1970, 1, 1, 0, 0, 0, 1000)]),
        (
            pa.array([1001], pa.timestamp("ns", "America/New_York")),
            pa.timestamp("us", "UTC"),
            [dt.datetime(1970, 1, 1, 0, 0, 0, 1, dt.UTC)],
        ),
        (pa.array([90], pa.duration("s")), pa.duration("us"), [dt.timedelta(seconds=90)]),
        (pa.array([1001], pa.duration("ns")), pa.duration("us"), [dt.timedelta(microseconds=1)]),
        (pa.array([[1], None], pa.large_list(pa.int32())), pa.list_(pa.int32()), [[1], None]),
        (pa.array([[1], None], pa.list_view(pa.int32())), pa.list_(pa.int32()), [[1], None]),
        (pa.array([[1.0], None], pa.list_(pa.float16(), 1)), pa.list_(pa.float32()), [[1.0], None]),
        (pa.array([[b"\xff"]]), pa.list_(pa.binary()), [[b"\xff"]]),
        (pa.array([[None]]), pa.list_(pa.string()), [[None]]),
        (pa.array([{"a": "x", "n": None}, None]), None, [{"a": "x", "n": None}, None]),
        (
            pa.StructArray.from_arrays([pa.array(["x", "y"]).dictionary_encode(), UUIDS.cast(pa.binary())], ["d", "b"]),
            pa.struct([("d", pa.string()), ("b", pa.binary())]),
            [{"d": "x", "b": b"0123456789abcdef"}, {"d": "y", "b": None}],
        ),
        (
            pa.array([[{"at": dt.timedelta(1)}]]),
            pa.list_(pa.struct([("at", pa.duration("us"))])),
            [[{"at": dt.timedelta(1)}]],
        ),
        (extension(pa.uuid(), UUIDS), STRINGS, [str(UUID(bytes=b"0123456789abcdef")), None]),
        (extension(pa.json_(), pa.array(['{"a":1}', None])), STRINGS, ['{"a":1}', None]),
        (extension(pa.bool8(), pa.array([1, None, 0], pa.int8())), pa.bool_(), [True, None, False]),
        (extension(pa.opaque(pa.binary(), "x", "y"), pa.array([b"1"])), BYTES, [b"1"]),
        (
            extension(pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))),
            pa.list_(pa.float32()),
            [[1.0, 2.0]],
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_columns_with_types_keep_their_values(values, kind, kept):
    column = keep_column("c", pa.chunked_array([values]))
    assert (column.reason, column.misfits) == ("", [])
    assert column.values.to_pylist() == kept
    assert kind is None or column.values.type == kind


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([[("b", 1.0), ("a", None)], None], pa.map_(pa.string(), pa.float64())), ['{"a":null,"b":1}', None]),
        (pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())), ['[["a",1],["a",2]]']),
        (
            pa.array([{"m": [("a", b"\xff")]}], pa.struct([("m", pa.map_(pa.string(), pa.binary()))])),
            ['{"m":{"a":"/w=="}}'],
        ),
        (pa.array([{}, None], pa.struct([])), ["{}", None]),
        (pa.array([pa.MonthDayNano([1, 2, 1_500_000_000]), None]), ["P1M2DT1.5S", None]),
        (pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]), ["1", "b"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_other_types_become_texts_and_are_told(values, texts):
    column = keep_column("c", pa.chunked_array([values]))
    assert (column.values.type, column.values.to_pylist(), column.misfits) == (STRINGS, texts, [])
    assert column.reason.startswith("the column 'c' of ")
    assert column.reason.endswith(" is kept as text")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (pa.array([2**62, 0, None], pa.timestamp("s")), [None, dt.datetime(1970, 1, 1), None]),
        (pa.array([-(2**62), 0, None], pa.timestamp("us")), [None, dt.datetime(1970, 1, 1), None]),
        (pa.array([2**62, 0, None], pa.duration("s")), [None, dt.timedelta(0), None]),
        (pa.array([2**31 - 1, 0, None], pa.date32()), [None, dt.date(1970, 1, 1), None]),
        (pa.array([[2**60], [0], None], pa.list_(pa.timestamp("us"))), [None, [dt.datetime(1970, 1, 1)], None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_times_that_nobody_can_write_are_null_and_told_by_row(values, kept):
    column = keep_column("c", pa.chunked_array([values]))
    assert (column.values.to_pylist(), column.misfits) == (kept, [0])
    assert (column.take([2, 0]).values.to_pylist(), column.take([2, 0]).misfits) == ([None, None], [1])


def test_the_ends_of_the_calendar_are_kept():
    ends = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)]
    column = keep_column("c", pa.chunked_array([pa.array(ends, pa.timestamp("us"))]))
    assert (column.values.to_pylist(), column.misfits) == (ends, [])


def test_what_cannot_be_kept_at_all_is_left_out_and_told():
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    column = keep_column("c", pa.chunked_array([twice]))
    assert column.values is None
    assert column.reason.startswith("the column 'c' of struct cannot be kept and is left out (")
