"""Columns of every type that a file can have, and what each value must be when it comes out of an index again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from typed_tables import COLUMNS, EPOCH, Column, clock, decimals, floats, seconds, times

MICROSECOND = timedelta(microseconds=1)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
TYPED = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Kept:
    """A column that a user has.

    Attributes:
        column: its name and type, the values at its ends, and what it is compared with.
        more: further values, in the terms in which the user puts them in: what `pyarrow.array` takes.
        out: what a value must be when it comes out.
        told: whether the column as a whole is told of.
        compared: whether filters compare it.
        typed: the file says its type; else it is told by the first value, which is never null.
    """

    column: Column
    more: st.SearchStrategy[Any]
    out: Callable[[Any], Any] = lambda value: value
    told: bool = False
    compared: bool = True
    typed: bool = True

    def some(self, size: int) -> st.SearchStrategy[list[Any]]:
        """So many values; half of them are at the ends of the type."""
        values = st.lists(st.sampled_from(self.column.rows) | self.more, min_size=size, max_size=size)
        return values if self.typed else values.map(lambda drawn: [self.column.rows[0], *drawn[1:]])

    def array(self, values: list[Any]) -> pa.Array:
        """The column of a file."""
        kind = self.column.kind
        if isinstance(kind, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
        if pa.types.is_dictionary(kind):
            return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
        return pa.array(values, kind)


def same(value: Any, expected: Any) -> bool:
    """Whether a value is the expected one, of the same type, with the sign of a zero; NaN is NaN."""
    if type(value) is not type(expected):
        return False
    if isinstance(value, float):
        return math.isnan(value) == math.isnan(expected) and (math.isnan(value) or repr(value) == repr(expected))
    if isinstance(value, list):
        return len(value) == len(expected) and all(map(same, value, expected))
    if isinstance(value, dict):
        return value.keys() == expected.keys() and all(same(value[key], expected[key]) for key in value)
    return bool(value == expected)


def _cut(number: int, per: int) -> int:
    """Microseconds, of a number of units; a part of one is cut off, so that the number comes nearer to 0."""
    return int(math.copysign(1, number)) * (abs(number) * 10**6 // per)


def instants(unit: str, zone: str | None) -> Kept:
    """A column of times with a date, which the user counts in units since 1970: what is no time in Python is null."""
    per = PER_SECOND[unit]
    kind = pa.timestamp(unit, zone)
    column = times(f"at {unit} {zone}", kind)
    first, last = -62_135_596_800 * per, 253_402_300_800 * per - 1
    rows = [number for number in (first, last, first - 1, last + 1) if -(2**63) < number < 2**63]
    most = 2**63 // (1000 if unit == "s" else 1) - 1  # pyarrow writes seconds as milliseconds
    rows += [0, -1, 1, -1001, most, -most, None, 1_700_000_000 * per]

    def out(number: int) -> datetime | None:
        if not first <= number <= last:
            return None
        at = EPOCH + MICROSECOND * _cut(number, per)
        return at.replace(tzinfo=UTC) if zone else at

    more = st.integers(max(-(2**63), first), min(2**63 - 1, last))
    return Kept(Column(column.name, kind, rows, column.asked, column.number), more, out)


def spans(unit: str) -> Kept:
    """A column of durations, which the user counts in units: what is too long for microseconds is null."""
    per = PER_SECOND[unit]
    kind = pa.duration(unit)
    longest = (2**63 // 10**6 - 1) * per
    rows = [number for number in (longest, -longest, longest + 10 * per) if abs(number) < 2**63]
    rows += [0, -1, 1, -1001, 1999, 2**63 - 1, -(2**63) + 1, None, 5 * per]

    def out(number: int) -> timedelta | None:
        return MICROSECOND * _cut(number, per) if abs(number) < longest + per else None

    column = Column(f"took {unit}", kind, rows, TYPED["length"].asked, seconds)
    return Kept(column, st.integers(-longest, longest), out)


def clocks(unit: str) -> Kept:
    """A column of times of a day, which the user counts in units since midnight."""
    per = PER_SECOND[unit]
    kind = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    column = Column(f"clock {unit}", kind, [0, 1, 86_400 * per - 1, 45_000 * per, None], TYPED["at"].asked, clock)
    return Kept(
        column,
        st.integers(0, 86_400 * per - 1),
        lambda number: (EPOCH + MICROSECOND * (number * 10**6 // per)).time(),
    )


def plain(name: str, kind: pa.DataType, like: str, out: Callable[[Any], Any] = lambda value: value) -> Kept:
    """A column of texts, bytes or truths in another encoding than that of `COLUMNS`."""
    column = TYPED[like]
    return Kept(Column(name, kind, column.rows, column.asked, column.number), MORE[like], out)


def whole(name: str, kind: pa.DataType, values: st.SearchStrategy[Any], rows: list[Any], **options: Any) -> Kept:
    """A column that is not compared with anything."""
    return Kept(Column(name, kind, [*rows, None], st.nothing(), lambda _: None), values, compared=False, **options)


def or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Some of the values are null."""
    return st.one_of(st.none(), values)


def float32(value: float) -> float:
    """As 32 bits hold it."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def json_text(value: Any) -> str:
    """An object as the text of its JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _whole_numbers(kind: pa.DataType) -> st.SearchStrategy[int]:
    bits = kind.bit_width - pa.types.is_signed_integer(kind)
    return st.integers(-(2**bits) if pa.types.is_signed_integer(kind) else 0, 2**bits - 1)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MORE: dict[str, st.SearchStrategy[Any]] = {
    **{column.name: _whole_numbers(column.kind) for column in COLUMNS if pa.types.is_integer(column.kind)},
    "f/32": st.floats(width=32),
    "it's": st.floats(),
    "price": st.decimals(-99_999, 99_999, places=2),
    "Whole": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    "line\nbreak": st.integers(-(10**60) + 1, 10**60 - 1).map(lambda number: Decimal(f"{number}e-5")),
    "day": st.dates(),
    "naive": st.datetimes(),
    "taken": st.datetimes(timezones=st.just(UTC)),
    "at": st.times(),
    "length": st.timedeltas(timedelta(-106_000_000), timedelta(106_000_000)),
    "and": st.booleans(),
    "caption": TEXT,
    "raw": st.binary(max_size=8),
}


OUT: dict[str, Callable[[Any], Any]] = {
    "f/32": float32,
    "taken": lambda at: at.replace(tzinfo=UTC),
}


WHOLE = st.integers(-(2**63), 2**63 - 1)

SCALARS = [
    *(
        Kept(column, MORE[column.name], OUT.get(column.name, lambda value: value))
        for column in COLUMNS
        if column.name != "caption"  # which is no column of the user's
    ),
    *(instants(unit, zone) for unit in PER_SECOND for zone in (None, "UTC", "Europe/Berlin", "+02:00")),
    *(spans(unit) for unit in PER_SECOND),
    *(clocks(unit) for unit in PER_SECOND),
    Kept(times("day in ms", pa.date64()), st.dates()),
    plain("words of it", pa.string(), "caption"),
    Kept(
        Column(
            "half",
            pa.float16(),
            [0.0, -0.0, 0.5, 65504.0, math.inf, -math.inf, math.nan, 6e-8, None],
            floats("half", pa.float32(), np.float32).asked,
            floats("half", pa.float32(), np.float32).number,
        ),
        st.floats(width=16),
        lambda value: float(np.float16(value)),
    ),
    Kept(decimals("small price", pa.decimal32(9, 2)), st.decimals(-99_999, 99_999, places=2)),
    Kept(decimals("middle price", pa.decimal64(18, 4)), st.decimals(-99_999, 99_999, places=4)),
    Kept(
        decimals("most", pa.decimal256(76, 38)),
        st.integers(-(10**76) + 1, 10**76 - 1).map(lambda number: Decimal(f"{number}e-38")),
    ),
    plain("large text", pa.large_string(), "caption"),
    plain("text view", pa.string_view(), "caption"),
    plain("word", pa.dictionary(pa.int32(), pa.string()), "caption"),
    plain("json", pa.json_(), "caption"),
    plain("large bytes", pa.large_binary(), "raw"),
    plain("bytes view", pa.binary_view(), "raw"),
    Kept(
        Column(
            "three bytes", pa.binary(3), [b"abc", b"ABC", b"\0\0\0", b"\xff\xff\xff", None], TYPED["raw"].asked, bytes
        ),
        st.binary(min_size=3, max_size=3),
    ),
    whole("number of a few", pa.dictionary(pa.int8(), pa.int64()), WHOLE, [2**63 - 1, -(2**63)]),
    whole(
        "uuid",
        pa.uuid(),
        st.binary(min_size=16, max_size=16),
        [bytes(16), b"\xff" * 16],
        out=lambda value: str(UUID(bytes=value)),
    ),
    whole("bool8", pa.bool8(), st.integers(-128, 127), [0, 1, -128], out=bool),
    whole("nothing", pa.null(), st.none(), []),
]
"""Columns of one value each; filters compare most of them."""
