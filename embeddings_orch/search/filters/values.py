"""The values of parameters, as plain Python: numpy's, pandas' and pyarrow's scalars become what they stand for."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pyarrow as pa

from embeddings_orch.errors import FilterError

PlainValue = str | bool | int | float | Decimal | bytes | date | datetime | time | timedelta | None
"""One value; a datetime is in UTC and has no zone."""

_KNOWN = "a str, bool, int, float, Decimal, None, date, datetime, time, timedelta, bytes, or a list of these"
_SOME = (list, tuple, set, frozenset)


def plain_values(value: object, what: str) -> PlainValue | list[PlainValue]:
    """The value of a parameter, or those of a list, tuple, set or one-dimensional array.

    Args:
        value: the value.
        what: what errors call it.

    Raises:
        FilterError: it is of a type that no column has, a list in a list, or an empty one.
    """
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = list(value)
    elif isinstance(value, pa.Array | pa.ChunkedArray):
        value = value.to_pylist()
    if not isinstance(value, _SOME):
        return plain_value(value, what)
    if not value:
        raise FilterError(f"the filter's {what} is an empty list, and nothing can be IN that")
    if any(isinstance(element, _SOME) for element in value):
        raise FilterError(f"the filter's {what} is a list of lists")
    return [plain_value(element, what) for element in value]


def plain_value(value: object, what: str) -> PlainValue:
    """One value.

    Raises:
        FilterError: it is of a type that no column has, or has a part of a microsecond.
    """
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, np.generic):
        value = _of_numpy(value, what)
    if value is None or isinstance(value, bool | Decimal):
        return value
    if isinstance(value, str):
        return _text(value, what)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date | time | timedelta):
        return _time(value, what)
    if type(value).__name__ == "NAType":  # pandas' too
        return None
    raise FilterError(f"the filter's {what} is {type(value).__name__}; give {_KNOWN}")


def _text(value: str, what: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError(f"the filter's {what} is no text: it has half of a surrogate pair") from error
    return text


def _time(value: date | time | timedelta, what: str) -> PlainValue:
    if type(value).__name__ == "NaTType":  # of pandas, which may not be there to ask
        return None
    if getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0):
        raise too_fine(what)
    if isinstance(value, datetime):
        return in_utc(value, what)
    if isinstance(value, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    return value


def in_utc(value: datetime, what: str) -> datetime:
    """A time in UTC without a zone; one that has none is taken to be in UTC, as the store's times are.

    Raises:
        FilterError: it is before the year 1 or after 9999 there.
    """
    try:
        utc = value.astimezone(UTC) if value.tzinfo else value
    except OverflowError as error:
        raise FilterError(f"the filter's {what} is {value}, which is beyond the years 1 to 9999 in UTC") from error
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond)


def _of_numpy(value: np.generic, what: str) -> object:
    if isinstance(value, np.datetime64 | np.timedelta64):
        if np.isnat(value):
            return None
        days = np.datetime_data(value.dtype)[0] in ("Y", "M", "W", "D") and isinstance(value, np.datetime64)
        rounded = value.astype("datetime64[us]" if isinstance(value, np.datetime64) else "timedelta64[us]")
        if rounded != value:
            raise too_fine(what)
        moment = rounded.item()
        return moment.date() if days and isinstance(moment, datetime) else moment
    return value.item()


def number_of(value: PlainValue) -> Decimal | None:
    """A number with the digits that it is written with; None for what is none, and for NaN.

    Example:
        >>> number_of(19.99), number_of("1e3"), number_of("x")
        (Decimal('19.99'), Decimal('1E+3'), None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str | float | Decimal):
        try:
            number = Decimal(float.__repr__(value) if isinstance(value, float) else value)
        except ArithmeticError:
            return None
        if number.is_nan() or (isinstance(value, str) and not number.is_finite()):
            return None
        return number
    return None


def check_number(value: PlainValue, what: str) -> None:
    """Refuse NaN, which no number is equal to, less or more than.

    Raises:
        FilterError: it is NaN.
    """
    if (isinstance(value, float) and math.isnan(value)) or (isinstance(value, Decimal) and value.is_nan()):
        raise FilterError(f"the filter's {what} is nan, which SQL has no number for; isnan(column) finds it")


def too_fine(what: str) -> FilterError:
    """The error for nanoseconds."""
    return FilterError(f"the filter's {what} has a part of a microsecond; round it to microseconds")
