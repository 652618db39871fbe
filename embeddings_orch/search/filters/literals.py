"""Values as SQL literals: of a column's type, or of their own where there is no column."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa

from embeddings_orch.errors import FilterError
from embeddings_orch.models.rows.kinds import is_bytes, is_text
from embeddings_orch.models.rows.lists import is_list
from embeddings_orch.search.filters.scales import scale_of, show_number
from embeddings_orch.search.filters.values import PlainValue, check_number, number_of

_LARGEST = 2**64 - 1
_MOST_DIGITS = 76


@dataclass(frozen=True)
class Edges:
    """Where a value lies among those that a column can hold, as literals of the column's type.

    Attributes:
        exact: the value, None where the column cannot hold it.
        below: the largest that is not above it, None where there is none.
        above: the smallest that is not below it, None where there is none.
        after: of a float the next one above it, None where there is none.
        top: of a float infinity: NaN, which LanceDB counts as more than all numbers, is beyond it.
    """

    exact: str | None = None
    below: str | None = None
    above: str | None = None
    after: str | None = None
    top: str | None = None


def edges_of(value: PlainValue, kind: pa.DataType, what: str) -> Edges:
    """Where a value lies among those of a type.

    Raises:
        FilterError: the type has no such values; ``what`` is what the message calls it.
    """
    types = pa.types
    if value is None:
        return Edges("NULL")
    check_number(value, what)
    if (scale := scale_of(kind)) is not None:
        place = scale.place(value, what)
        if scale.has(place):
            return Edges(scale.show(place.floor))
        low, high = min(place.floor, scale.most), max(place.floor + (not place.exact), scale.least)
        return Edges(
            None, scale.show(low) if low >= scale.least else None, scale.show(high) if high <= scale.most else None
        )
    if types.is_floating(kind):
        return _float_edges(value, kind, what)
    if types.is_boolean(kind):
        return Edges(_boolean(value, what))
    if is_text(kind):
        if not isinstance(value, str):
            raise FilterError(f"the filter's {what} is compared with a text; give a text: '{str(value).lower()}'")
        return Edges(literal(value, what))
    if is_bytes(kind):
        return Edges(_bytes(value, kind, what))
    if is_list(kind):
        raise FilterError(
            f"the filter's {what} is compared with a list; ask for what it has: array_has(column, {what})"
        )
    if types.is_struct(kind):
        fields = ", ".join(field.name for field in kind)
        raise FilterError(f"the filter's {what} is compared with a struct; name one of its fields: {fields}")
    raise FilterError(f"the filter's {what} is compared with {kind}, which no value can be compared with")


def wide(value: PlainValue, kind: pa.DataType, what: str) -> str:
    """A value that stands beside a column, and is compared with another one: it need not be one that the column holds.

    Raises:
        FilterError: as `edges_of`.
    """
    edges = edges_of(value, kind, what)
    number = number_of(value)
    if edges.exact is None and number is not None and number.is_finite():
        return _decimal(number, what)
    return literal(value, what) if edges.exact is None else edges.exact


def literal(value: PlainValue, what: str) -> str:
    """A value as an SQL literal of a type of its own.

    Raises:
        FilterError: it is a number that SQL cannot write; ``what`` is what the message calls it.
    """
    check_number(value, what)
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(' ', 'microseconds')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, time | timedelta):
        scale = scale_of(pa.time64("us") if isinstance(value, time) else pa.duration("us"))
        assert scale is not None
        return scale.show(scale.place(value, what).floor)
    if isinstance(value, float):
        return show_number(value) if math.isfinite(value) else f"arrow_cast('{value}', 'Float64')"
    if isinstance(value, int) and -(2**63) < value <= _LARGEST:
        return show_number(value)
    return _decimal(value, what)


def _decimal(value: int | Decimal, what: str) -> str:
    number = number_of(value)
    assert number is not None
    if number.is_finite():
        scale = max(0, -int(number.as_tuple().exponent))
        digits = max(number.adjusted() + 1, 1) + scale
        if digits <= _MOST_DIGITS:
            width = 128 if digits <= 38 else 256
            return f"arrow_cast('{number:f}', 'Decimal{width}({38 if width == 128 else _MOST_DIGITS}, {scale})')"
    raise FilterError(f"the filter's {what} is a number of more than {_MOST_DIGITS} digits")


def _float_edges(value: PlainValue, kind: pa.DataType, what: str) -> Edges:
    number = number_of(value)
    if number is None:
        raise FilterError(f"the filter's {what} is compared with {kind}; give a number")
    with np.errstate(over="ignore"):
        near = np.array(float(number), f"f{kind.bit_width // 8}")
        after = np.nextafter(near, np.array(np.inf, near.dtype))
    largest = float(np.finfo(near.dtype).max)

    def show(exact: float) -> str:
        return show_number(exact) if math.isfinite(exact) else f"arrow_cast('{exact}', 'Float{kind.bit_width}')"

    top = show(math.inf)
    if np.isinf(near) and number.is_finite():
        low, high = (largest, math.inf) if near > 0 else (-math.inf, -largest)
        return Edges(None, show(low), show(high), top=top)
    return Edges(show(float(near)), after=None if near == np.inf else show(float(after)), top=top)


def _boolean(value: PlainValue, what: str) -> str:
    if not isinstance(value, bool):
        raise FilterError(f"the filter's {what} is compared with true or false; give one of these, without quotes")
    return str(value).lower()


def _bytes(value: PlainValue, kind: pa.DataType, what: str) -> str:
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise FilterError(f"the filter's {what} is compared with bytes; give a text in base64, or bytes") from error
    if not isinstance(value, bytes):
        raise FilterError(f"the filter's {what} is compared with bytes; give bytes, or a text in base64")
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width != len(value):
        raise FilterError(f"the filter's {what} has {len(value)} bytes, and what it is compared with {kind.byte_width}")
    return f"X'{value.hex()}'"
