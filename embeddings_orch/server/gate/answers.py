"""Values of the store as JSON that any client reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from embeddings_orch.models.rows.jsonable import to_jsonable


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One JSON object as an answer; see `to_json`."""
    return Response(to_json(value), status, dict(headers or {}), "application/json")


def to_json(value: Any) -> bytes:
    """A value as JSON in UTF-8; see `to_jsonable`."""
    # ASCII, so that half of a surrogate pair in a file's name does not end the answer.
    return json.dumps(to_jsonable(value), allow_nan=False, separators=(",", ":")).encode()
