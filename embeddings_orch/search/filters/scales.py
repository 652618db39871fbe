"""Types whose values are whole steps: integers, decimals, days and times. What lies between two has a place too.

A column of such a type is compared in its own type: ``width > 20.5`` is ``width >= 21``, ``width = 20.5`` never true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import MAX_PREC, ROUND_FLOOR, Context, Decimal
from functools import lru_cache

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from embeddings_orch.errors import FilterError
from embeddings_orch.search.filters.values import PlainValue, in_utc, number_of, too_fine

_EXACT = Context(prec=MAX_PREC)
_FAR = 400
"""Digits before or after the point that no column has."""

_MICROSECOND = timedelta(microseconds=1)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}
_DURATION = TypeAdapter(timedelta)


@dataclass(frozen=True)
class Place:
    """Where a value is among the steps.

    Attributes:
        floor: the step that it is on, or the next one below.
        exact: whether it is on it.
    """

    floor: int
    exact: bool


@dataclass(frozen=True)
class Scale:
    """The steps of a type.

    Attributes:
        kind: the type.
        least: the first step.
        most: the last one.
        holds: what a value has to be, for errors.
        read: a value's place, None where it has none.
        show: a step as an SQL literal.
    """

    kind: pa.DataType
    least: int
    most: int
    holds: str
    read: Callable[[PlainValue, str], Place | None]
    show: Callable[[int], str]

    def place(self, value: PlainValue, what: str) -> Place:
        """Where a value is.

        Raises:
            FilterError: it is none of the type's.
        """
        place = self.read(value, what)
        if place is None:
            raise FilterError(f"the filter's {what} is compared with {self.kind}; give {self.holds}")
        return place

    def has(self, place: Place) -> bool:
        """Whether a value of the type is there."""
        return place.exact and self.least <= place.floor <= self.most


@lru_cache
def scale_of(kind: pa.DataType) -> Scale | None:
    """The steps of a type, None for a type that has none."""
    types = pa.types
    if types.is_integer(kind):
        most = 2 ** (kind.bit_width - types.is_signed_integer(kind)) - 1
        least = -most - 1 if types.is_signed_integer(kind) else 0
        return Scale(kind, least, most, "a number", _numbers(0, least, most), _show_integer)
    if types.is_decimal(kind):
        most = 10**kind.precision - 1
        show = _decimals(kind.scale, f"Decimal{kind.bit_width}({kind.precision}, {kind.scale})")
        return Scale(kind, -most, most, "a Decimal or another number", _numbers(kind.scale, -most, most), show)
    if types.is_date(kind):
        return _dates(kind)
    return _times(kind)


def _numbers(scale: int, least: int, most: int) -> Callable[[PlainValue, str], Place | None]:
    """Reads numbers; those that are beyond all steps are put one step beyond, as nobody can count to some."""

    def read(value: PlainValue, what: str) -> Place | None:
        number = number_of(value)
        if number is None:
            return None
        if not number.is_zero() and (number.is_infinite() or number.adjusted() > _FAR):
            return Place(most + 1 if number > 0 else least - 1, True)
        if number.adjusted() < -_FAR:
            return Place(-int(number < 0), number.is_zero())
        steps = number.scaleb(scale, _EXACT)
        floor = int(steps.quantize(Decimal(1), ROUND_FLOOR, _EXACT))
        return Place(min(max(floor, least - 1), most + 1), floor == steps)

    return read


def _show_integer(step: int) -> str:
    # LanceDB reads the number without its sign, and this one has no positive counterpart.
    return show_number(step) if step > -(2**63) else f"arrow_cast('{step}', 'Int64')"


def show_number(number: float) -> str:
    """A number; after a minus of the filter's own, another one would begin a comment."""
    text = repr(number)
    return f" {text}" if text.startswith("-") else text


def _decimals(scale: int, name: str) -> Callable[[int], str]:
    return lambda step: f"arrow_cast('{Decimal(step).scaleb(-scale, Context(prec=100)):f}', '{name}')"


def _dates(kind: pa.DataType) -> Scale:
    first = date(1970, 1, 1).toordinal()
    milliseconds = 86_400_000 if pa.types.is_date64(kind) else 1

    def read(value: PlainValue, what: str) -> Place | None:
        value = _moment(value, what)
        if isinstance(value, datetime):
            return Place(value.toordinal() - first, value.time() == time())
        return Place(value.toordinal() - first, True) if isinstance(value, date) else None

    name = "Date64" if milliseconds > 1 else "Date32"
    least, most = date.min.toordinal() - first, date.max.toordinal() - first
    holds = "a date, or a text like '2024-05-01'"
    return Scale(kind, least, most, holds, read, lambda step: f"arrow_cast({step * milliseconds}, '{name}')")


def _times(kind: pa.DataType) -> Scale | None:
    types = pa.types
    if not (types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind)):
        return None
    per_second, unit = _PER_SECOND[kind.unit], _UNITS[kind.unit]
    if types.is_timestamp(kind):
        zone = "None" if kind.tz is None else f'Some("{kind.tz}")'
        name, span = f"Timestamp({unit}, {zone})", _since_1970
        holds = "a datetime or a date, or a text like '2024-05-01T12:00:00Z'"
    elif types.is_duration(kind):
        name, span = f"Duration({unit})", _duration
        holds = "a timedelta, seconds, or a text like 'PT1H30M'"
    else:
        name, span = f"Time{kind.bit_width}({unit})", _since_midnight
        holds = "a time without a zone, or a text like '12:30'"

    def read(value: PlainValue, what: str) -> Place | None:
        passed = span(value, what)
        if passed is None:
            return None
        floor, rest = divmod(passed // _MICROSECOND * per_second, 10**6)
        return Place(floor, rest == 0)

    limit = 2 ** (kind.bit_width - 1)
    least, most = (0, 86_400 * per_second - 1) if types.is_time(kind) else (-limit + 1, limit - 1)
    return Scale(kind, least, most, holds, read, lambda step: f"arrow_cast({step}, '{name}')")


def _moment(value: PlainValue, what: str) -> PlainValue:
    """A date or a datetime that a text stands for, else the value."""
    if not isinstance(value, str):
        return value
    _check_fraction(value, what)
    try:
        return date.fromisoformat(value)
    except ValueError:
        pass
    try:
        return in_utc(datetime.fromisoformat(value), what)
    except ValueError:
        return None


def _since_1970(value: PlainValue, what: str) -> timedelta | None:
    value = _moment(value, what)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value - datetime(1970, 1, 1) if isinstance(value, datetime) else None


def _since_midnight(value: PlainValue, what: str) -> timedelta | None:
    if isinstance(value, str):
        _check_fraction(value, what)
        try:
            value = time.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, time) or value.tzinfo is not None:
        return None
    return datetime.combine(date.min, value) - datetime.min


def _duration(value: PlainValue, what: str) -> timedelta | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        _check_fraction(value, what)
        try:
            return _DURATION.validate_python(value)
        except ValidationError:
            return None
    if isinstance(value, int | float | Decimal):
        try:
            return timedelta(microseconds=round(Decimal(str(value)) * 10**6))
        except (ArithmeticError, ValueError):
            return None
    return value if isinstance(value, timedelta) else None


def _check_fraction(text: str, what: str) -> None:
    """Refuse nanoseconds in a text, which would be left out without a word."""
    _, _, fraction = text.partition(".")
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    if digits[6:].strip("0"):
        raise too_fine(what)
