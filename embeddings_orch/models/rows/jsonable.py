"""Values of a table as JSON that any client reads."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np


def to_jsonable(value: object) -> object:
    """A value of what JSON knows: times and durations in ISO 8601, bytes in base64, decimals as text.

    Decimals have no exponent; None stands for what JSON has no number for.

    Example:
        >>> to_jsonable({"at": date(2026, 1, 2), "score": float("nan"), "took": timedelta(seconds=90)})
        {'at': '2026-01-02', 'score': None, 'took': 'PT1M30S'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [to_jsonable(item) for item in value]
    return _scalar_text(value)


def decimal_text(value: Decimal) -> str:
    """A decimal number without an exponent, and without zeros that say nothing.

    Example:
        >>> decimal_text(Decimal("7.00")), decimal_text(Decimal("1E-7")), decimal_text(Decimal("1E+3"))
        ('7', '0.0000001', '1000')
    """
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(value: timedelta) -> str:
    """A duration in ISO 8601; its longest unit is the day.

    Example:
        >>> duration_text(timedelta(days=800, hours=1, seconds=2.5)), duration_text(timedelta(hours=-1))
        ('P800DT1H2.5S', '-PT1H')
    """
    sign, length = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    exact = decimal_text(Decimal(seconds) + Decimal(length.microseconds).scaleb(-6))
    day = f"{length.days}D" if length.days else ""
    counts = ((str(hours), "H"), (str(minutes), "M"), (exact, "S"))
    clock = "".join(f"{count}{unit}" for count, unit in counts if count != "0")
    return f"{sign}P{day}T{clock}" if clock else f"{sign}P{day or 'T0S'}"


def _scalar_text(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)
