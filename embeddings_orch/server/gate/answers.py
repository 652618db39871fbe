"""Values of the store as JSON that any client reads."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
from starlette.responses import Response


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One JSON object as an answer; see `to_json`."""
    return Response(to_json(value), status, dict(headers or {}), "application/json")


def to_json(value: Any) -> bytes:
    """A value as JSON in UTF-8: times in ISO 8601, bytes in base64, None for what JSON has no number for."""
    # ASCII, so that half of a surrogate pair in a file's name does not end the answer.
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """A value of what JSON knows.

    Example:
        >>> plain({"at": date(2026, 1, 2), "score": float("nan")})
        {'at': '2026-01-02', 'score': None}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)
