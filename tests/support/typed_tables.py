"""Tables with a column of every type, strategies of conditions on them, and what each means in plain Python."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    **{"=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    **{"!=": operator.ne, "==": operator.eq},
}
MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Column:
    """A column of one type.

    Attributes:
        name: as the table has it; many need quotes.
        kind: its type.
        rows: values, of which some are at the type's ends.
        asked: values that it is compared with, of all Python types that mean something to it.
        number: where a value lies among those of the column, for comparisons; a row's or an asked one.
    """

    name: str
    kind: pa.DataType
    rows: list[Any]
    asked: st.SearchStrategy[Any]
    number: Callable[[Any], Any]

    @property
    def quoted(self) -> str:
        """The name as a filter writes it."""
        return '"' + self.name.replace('"', '""') + '"'


def exactly(value: Any) -> Any:
    """A number as a fraction, infinity as itself; a float as the number that it is written as."""
    if isinstance(value, float):
        return Fraction(repr(value)) if np.isfinite(value) else value
    return Fraction(value)


def moment(value: Any) -> timedelta:
    """Time since 1970 in UTC."""
    if isinstance(value, str):
        value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value) - EPOCH


def clock(value: Any) -> time:
    """A time of a day."""
    return time.fromisoformat(value) if isinstance(value, str) else value


def seconds(value: Any) -> timedelta:
    """A time that passes."""
    return value if isinstance(value, timedelta) else timedelta(microseconds=round(Fraction(repr(value)) * 10**6))


def integers(name: str, kind: pa.DataType) -> Column:
    """A column of integers, up to both ends of the type."""
    most = 2 ** (kind.bit_width - pa.types.is_signed_integer(kind)) - 1
    least = -most - 1 if pa.types.is_signed_integer(kind) else 0
    near = st.sampled_from([0, 5, 20, 21, least, least + 1, most - 1, most])
    numbers = st.one_of(
        near,
        near.map(lambda number: number + Fraction(1, 2)).map(lambda half: Decimal(half.numerator) / 2),
        st.sampled_from([20.5, -0.5, 5.0, 1e30, -1e30, float("inf"), float("-inf"), 2**64, 10**40, -(2**70)]),
        st.integers(least - 3, most + 3),
        st.sampled_from([np.int8(5), np.uint64(2**64 - 1), np.float32(20.5), np.float64(-0.5)]),
        near.map(str),
    )
    rows = [least, -1 if least else 1, 0, 5, 20, 21, most, None, most - 1, least + 1]
    return Column(name, kind, rows, numbers, lambda value: exactly(plain(value)))


def floats(name: str, kind: pa.DataType, width: type[np.floating[Any]]) -> Column:
    """A column of floats; what it is compared with is rounded as its own values are."""
    some = [0.0, -0.0, 0.1, 20.5, -1.5, 1e-40, float(np.finfo(width).max), float("inf"), float("-inf")]
    numbers = st.one_of(
        st.sampled_from([*some, 5, 2**53 + 1, Decimal("0.1"), np.float32(0.1), np.float64(20.5), "20.5"]),
        st.floats(allow_nan=False),
        st.sampled_from([1e300, -1e300] if width is np.float32 else [1e308]),
    )

    def rounded(value: Any) -> Any:
        with np.errstate(over="ignore"):
            near = float(width(float(plain(value))))
        return float(value) if np.isinf(near) else near

    return Column(name, kind, [*some, float("nan"), None, 5.0], numbers, rounded)


def decimals(name: str, kind: pa.DataType) -> Column:
    """A column of decimals, up to both ends of the type."""
    most = Decimal(f"{10**kind.precision - 1}e-{kind.scale}")
    step = Decimal(f"1e-{kind.scale}")
    near = [Decimal(0), Decimal("19.99"), Decimal("20.5"), Decimal(-1), Decimal("0.01"), most, most.copy_negate()]
    numbers = st.one_of(
        st.sampled_from([*near, 19.99, 20, 20.5, 20.501, 0.005, "19.99", "20.50", "1e50", 1e30, Decimal("1e-30")]),
        st.sampled_from([10**40, -(10**40), np.int16(20), np.float64(19.99), float("inf")]),
        st.decimals(-100, 100, places=3),
        st.integers(-100, 100),
    )
    rows = [
        *(one for one in near if one.normalize(Context(100)) == one.quantize(step, ROUND_DOWN, Context(100))),
        None,
        Decimal(20),
    ]
    return Column(name, kind, rows, numbers, lambda value: exactly(plain(value)))


def times(name: str, kind: pa.DataType) -> Column:
    """A column of days, or of times with a date, from the first year to the last; some are compared in other zones."""
    days = [
        date(2024, 5, 1),
        date(2024, 4, 30),
        date(1, 1, 1),
        date(9999, 12, 31),
        date(1969, 12, 31),
        date(2024, 3, 31),
    ]
    some = [datetime.combine(day, time()) for day in days]
    some += [datetime(2024, 5, 1, 12), datetime(2024, 4, 30, 23, 59, 59, 999999), datetime(1900, 1, 1, 0, 0, 0, 1)]
    rows: list[Any] = [*days, None] if pa.types.is_date(kind) else [*some, None]
    zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9, minutes=-30))])
    middle = st.one_of(
        st.sampled_from([one for one in some if 1 < one.year < 9999]),
        st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    )
    aware = st.builds(lambda one, zone: one.replace(tzinfo=zone), middle, zones)
    asked = st.one_of(
        st.sampled_from([*days, *some]),
        aware,
        st.one_of(st.sampled_from([*days, *some]), aware).map(lambda one: one.isoformat()),
        st.sampled_from([np.datetime64("2024-05-01"), np.datetime64("2024-05-01T12:00:00.000001")]),
    )
    return Column(name, kind, rows, asked, lambda value: moment(plain(value)))


def plain(value: Any) -> Any:
    """A value without numpy; a text that is a number as that."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        try:
            return Decimal(value)
        except ArithmeticError:
            return value
    return value


_TIMES = [time(12, 30), time(), time(23, 59, 59, 999999), time(12, 30, 0, 1)]
_SPANS = [timedelta(seconds=5), timedelta(), timedelta(-1), timedelta(400), timedelta(microseconds=1)]
_TEXTS = ["", "a", "A", "20", "2024-05-01", "true", "it's", 'say "x"', "ü", "日本", "a\nb", "%", "null"]
_BYTES = [b"", b"a", b"\x00\xff", b"'", b"abc", b"ABC"]

COLUMNS = [
    integers("int8", pa.int8()),
    integers("select", pa.int16()),
    integers("größe", pa.int32()),
    integers("ID", pa.int64()),
    integers("a b", pa.uint8()),
    integers("1st", pa.uint16()),
    integers("a-b", pa.uint32()),
    integers('say "x"', pa.uint64()),
    floats("f/32", pa.float32(), np.float32),
    floats("it's", pa.float64(), np.float64),
    decimals("price", pa.decimal128(10, 2)),
    decimals("Whole", pa.decimal128(38, 0)),
    decimals("line\nbreak", pa.decimal256(60, 5)),
    times("day", pa.date32()),
    times("naive", pa.timestamp("us")),
    times("taken", pa.timestamp("us", "UTC")),
    Column("at", pa.time64("us"), [*_TIMES, None], st.sampled_from([*_TIMES, "12:30", "12:30:00.000001"]), clock),
    Column("length", pa.duration("us"), [*_SPANS, None], st.sampled_from([*_SPANS, 5, 5.0, 1e-6, -86400]), seconds),
    Column("and", pa.bool_(), [True, False, None], st.booleans(), bool),
    Column("caption", pa.string(), [*_TEXTS, None], st.sampled_from(_TEXTS), lambda value: value.encode()),
    Column("raw", pa.binary(), [*_BYTES, None], st.sampled_from(_BYTES), bytes),
]
"""A column of each type that a catalog can have, with the names that need the most care."""


def typed_table(columns: list[Column], rows: int) -> pa.Table:
    """A table whose first columns are ``id`` (i0, i1 ...) and ``id_`` again, and then those; values repeat."""
    places = range(rows)
    arrays = {"id": pa.array([f"i{place}" for place in places], pa.string())}
    for shift, column in enumerate(columns):
        values = column.rows
        arrays[column.name] = pa.array(
            [values[(place + shift * (place // 7)) % len(values)] for place in places], column.kind
        )
    return pa.table(arrays)


@dataclass(frozen=True)
class Condition:
    """A filter, its parameters, and what it means.

    Attributes:
        keep: whether a row fulfils it; None where the row lacks a value.
    """

    where: str
    params: dict[str, Any]
    keep: Callable[[dict[str, Any]], bool | None]


def conditions(columns: list[Column], prefix: str = "p") -> st.SearchStrategy[Condition]:
    """Conditions on one column: comparisons both ways round, BETWEEN, IN, and NOT before them."""
    return st.sampled_from(columns).flatmap(lambda column: _of(column, prefix))


def _of(column: Column, prefix: str) -> st.SearchStrategy[Condition]:
    where = column.quoted
    place = column.number

    def compared(sign: str, value: Any, turned: bool) -> Condition:
        test = SIGNS[sign]
        text = f":{prefix} {MIRROR.get(sign, sign)} {where}" if turned else f"{where} {sign} :{prefix}"
        return Condition(text, {prefix: value}, lambda row: test(place(row[column.name]), place(value)))

    def between(low: Any, high: Any) -> Condition:
        return Condition(
            f"{where} BETWEEN :{prefix}a AND :{prefix}b",
            {f"{prefix}a": low, f"{prefix}b": high},
            lambda row: place(low) <= place(row[column.name]) <= place(high),
        )

    def one_of(values: list[Any]) -> Condition:
        return Condition(
            f"{where} IN :{prefix}",
            {prefix: values},
            lambda row: any(place(row[column.name]) == place(value) for value in values),
        )

    some = st.one_of(
        st.builds(compared, st.sampled_from(list(SIGNS)), column.asked, st.booleans()),
        st.builds(between, column.asked, column.asked),
        st.builds(one_of, st.lists(column.asked, min_size=1, max_size=4)),
    )

    def with_nulls(condition: Condition, negated: bool) -> Condition:
        def keep(row: dict[str, Any]) -> bool | None:
            return None if row[column.name] is None else condition.keep(row) is not negated

        text = f"NOT ({condition.where})" if negated else condition.where
        return Condition(text, condition.params, keep)

    return st.builds(with_nulls, some, st.booleans())
