"""Columns of a file with types, in the types that a catalog has.

What LanceDB stores, filters and gives back is kept as it is, but for widths: texts and bytes are large ones, times
count microseconds, and those with a zone are in UTC. Encodings (dictionaries, views, runs) and extensions are undone.
Anything else becomes text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from embeddings_orch.media.base import Problem
from embeddings_orch.models.rows.cells import cell_text
from embeddings_orch.models.rows.jsonable import duration_text
from embeddings_orch.models.rows.kinds import is_bytes, is_text
from embeddings_orch.models.rows.lists import is_list

_EXTENSIONS: dict[str, pa.DataType] = {
    "arrow.uuid": pa.string(),
    "arrow.json": pa.string(),
    "arrow.bool8": pa.bool_(),
}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (
    int((day - _EPOCH).total_seconds())
    for day in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
)
"""The instants that Python, and ISO 8601 with four digits, have; in seconds since 1970."""

_LONGEST = 2**63 // 10**6 - 1
"""Seconds of the longest duration that 64 bits of microseconds hold."""

_DECIMAL128 = 38


@dataclass(frozen=True)
class KeptColumn:
    """A column as a catalog has it.

    Attributes:
        values: None where it cannot be kept.
        reason: what is to be told of it; empty where it is kept with all that it says.
        misfits: rows whose value cannot be kept; they are null.
    """

    values: pa.ChunkedArray | None
    reason: str = ""
    misfits: list[int] = field(default_factory=list)

    def problems(self, where: str) -> list[Problem]:
        """What is told of the column as a whole."""
        return [Problem(where, self.reason, kept=self.values is not None)] if self.reason else []

    def why_null(self, name: str) -> str:
        """What is told of each misfit."""
        return f"its {name!r} is no time that can be kept"

    def take(self, rows: Sequence[int]) -> KeptColumn:
        """The same of some rows, in their order."""
        places = {row: place for place, row in enumerate(rows)} if self.misfits else {}
        values = None if self.values is None else self.values.take(pa.array(rows, pa.int64()))
        return KeptColumn(values, self.reason, [places[row] for row in self.misfits if row in places])


def keep_column(name: str, column: pa.ChunkedArray) -> KeptColumn:
    """A column of a file in the types that a catalog has; whatever it holds, it is no error."""
    try:
        return _keep(name, column)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, KeyError) as error:
        why = str(error).strip().partition("\n")[0][:200]
        return KeptColumn(None, f"the column {name!r} of {_say(column.type)} cannot be kept and is left out ({why})")


def _keep(name: str, column: pa.ChunkedArray) -> KeptColumn:
    kind = _stored_type(column.type)
    if kind is None:
        return KeptColumn(_as_texts(column), f"the column {name!r} of {_say(column.type)} is kept as text")
    kind = _LARGE.get(kind, kind)
    column, misfits = _within_bounds(_decode(column))
    values = _convert(column, kind)
    if _holds_time(kind) and types.is_nested(kind):
        values, unreadable = _readable(values)
        misfits = sorted({*misfits, *unreadable})
    return KeptColumn(values, "", misfits)


def _say(kind: pa.DataType) -> str:
    """A type without what it is made of, which may be long."""
    return str(kind).partition("<")[0].partition("[")[0]


_LARGE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
"""What a column of its own is, for what stands within another."""


def _stored_type(kind: pa.DataType) -> pa.DataType | None:
    """The type in which values of a type are kept; None where LanceDB has none."""
    if isinstance(kind, pa.BaseExtensionType):
        return _EXTENSIONS.get(kind.extension_name) or _stored_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _stored_type(kind.value_type)
    if is_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        inner = _stored_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if types.is_struct(kind):
        return _stored_struct(kind)
    return next((stored(kind) for test, stored in _SCALARS if test(kind)), None)


def _stored_struct(kind: pa.StructType) -> pa.DataType | None:
    fields = [(part.name, _stored_type(part.type)) for part in kind]
    names = {name for name, _ in fields}
    if not names or len(names) < len(fields) or any(inner is None for _, inner in fields):
        return None
    return pa.struct(fields)


def _stored_decimal(kind: pa.DataType) -> pa.DataType:
    precision, scale = kind.precision - min(0, kind.scale), max(0, kind.scale)
    return pa.decimal128(precision, scale) if precision <= _DECIMAL128 else pa.decimal256(min(76, precision), scale)


def _is_text_or_nothing(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(types.is_null(kind))


_SCALARS: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], pa.DataType]]] = [
    (_is_text_or_nothing, lambda _: pa.string()),
    (is_bytes, lambda _: pa.binary()),
    # LanceDB compares times of another zone by what a clock on the wall there shows.
    (types.is_timestamp, lambda kind: pa.timestamp("us", kind.tz and "UTC")),
    (types.is_date, lambda _: pa.date32()),
    (types.is_time, lambda _: pa.time64("us")),
    (types.is_duration, lambda _: pa.duration("us")),
    (types.is_float16, lambda _: pa.float32()),
    (types.is_decimal, _stored_decimal),
    (lambda kind: types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind), lambda kind: kind),
]


def _holds_time(kind: pa.DataType) -> bool:
    if types.is_struct(kind):
        return any(_holds_time(part.type) for part in kind)
    return _holds_time(kind.value_type) if is_list(kind) else bool(types.is_temporal(kind))


def _decode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the encoding or extension that it has as a whole."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _as_texts(column)
        storage = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        return _decode(storage)
    if types.is_run_end_encoded(kind):
        return _decode(pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], kind.value_type))
    return _decode(column.cast(kind.value_type)) if types.is_dictionary(kind) else column


def _convert(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        # What is finer than a microsecond is cut off.
        return column.cast(kind, safe=not _holds_time(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Encodings within lists and structs.
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])


def _within_bounds(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[int]]:
    """A column of times without those that Python and microseconds do not have, and their rows."""
    kind = column.type
    if types.is_timestamp(kind):
        unit, first, last = _PER_SECOND[kind.unit], _FIRST, _LAST
    elif types.is_duration(kind):
        unit, first, last = _PER_SECOND[kind.unit], -_LONGEST, _LONGEST
    elif types.is_date(kind):
        column, unit = column.cast(pa.date32()) if types.is_date64(kind) else column, 1
        first, last = _FIRST // 86_400, _LAST // 86_400
    else:
        return column, []
    numbers = column.cast(pa.int32() if types.is_date(column.type) else pa.int64())
    low, high = max(-(2**63), first * unit), min(2**63 - 1, (last + 1) * unit - 1)
    outside = pc.fill_null(pc.or_(pc.less(numbers, low), pc.greater(numbers, high)), False)
    misfits = np.flatnonzero(outside.to_numpy()).tolist()
    return (pc.if_else(outside, pa.scalar(None, column.type), column) if misfits else column), misfits


def _readable(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[int]]:
    """A column without the values that Python cannot read, and their rows."""
    try:
        column.to_pylist()
    except (ValueError, OverflowError):
        unreadable = [row for row, value in enumerate(column) if not _is_readable(value)]
        mask = np.zeros(len(column), dtype=bool)
        mask[unreadable] = True
        rest = pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)
        return pa.chunked_array([rest]) if isinstance(rest, pa.Array) else rest, unreadable
    return column, []


def _is_readable(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except (ValueError, OverflowError):
        return False
    return True


def _as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as texts: objects and lists as JSON, a map as an object."""
    if types.is_interval(column.type):
        texts = [None if value is None else _interval_text(value) for value in column.to_pylist()]
    else:
        texts = [cell_text(value) for value in _plain_values(column)]
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _plain_values(column: pa.ChunkedArray) -> list[Any]:
    try:
        return list(column.to_pylist(maps_as_pydicts="strict"))
    except KeyError:
        # A key that a map has twice: as a list of pairs it says all.
        return list(column.to_pylist())


def _interval_text(value: Any) -> str:
    """Months, days and nanoseconds, as a calendar counts them, in ISO 8601."""
    clock = duration_text(timedelta(microseconds=value.nanoseconds / 1000)).removeprefix("P")
    return f"P{value.months}M{value.days}D{clock}" if clock != "T0S" else f"P{value.months}M{value.days}D"
