"""Errors as answers: a status, and one JSON object in the shape that the clients of a route know.

A route raises `HttpProblem`, or lets an `EmbeddingsOrchError` go: `problem_of` says what it means. Messages pass
`embeddings_orch.policy.secrets.redact`; what is not ours becomes a 500 without its text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from embeddings_orch.errors import (
    EmbeddingsOrchError,
    FilterError,
    ItemError,
    PluginError,
    ProviderError,
    RateLimitedError,
    SourceError,
    StoreError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.policy.secrets import redact
from embeddings_orch.server.gate.answers import json_answer

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "not_published_error",
    413: "too_large_error",
    414: "too_large_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "too_large_error",
    502: "provider_error",
    503: "unavailable_error",
    504: "provider_timeout_error",
}
_WEAVIATE = ("/vectorize", "/meta", "/.well-known/")
_ROBOFLOW = "/clip/"


class HttpProblem(EmbeddingsOrchError):  # noqa: N818, it is an answer
    """A request that is answered with an error.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do.
        param: the request's field that is wrong.
        kind: the error's type; default by the status.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.kind = kind or _TYPES.get(status, "server_error")
        self.headers = dict(headers or {})

    def answer(self, path: str) -> Response:
        """The answer, in the shape of the path's clients."""
        message = redact(str(self))
        body: dict[str, Any]
        if path.startswith(_WEAVIATE):
            body = {"error": message}
        elif path.startswith(_ROBOFLOW):
            body = {"message": message}
        else:
            body = {"error": {"message": message, "type": self.kind, "param": self.param, "code": None}}
        return json_answer(body, status=self.status, headers=self.headers)


def problem_of(error: Exception) -> HttpProblem:
    """What an error means for the client: its own mistake, the provider's, or ours."""
    if isinstance(error, HttpProblem):
        return error
    if not isinstance(error, EmbeddingsOrchError):
        return HttpProblem(500, "the server made a mistake; its log has the details")
    return HttpProblem(_status(error), str(error), headers=_retry_after(error))


def invalid(errors: Sequence[Any]) -> HttpProblem:
    """What is wrong with a request's fields, as pydantic tells it; named is the first."""
    told = [(_place(error.get("loc", ())), str(error.get("msg", "is wrong"))) for error in errors] or [("", "is wrong")]
    if errors and errors[0].get("type") == "json_invalid":
        return HttpProblem(400, f"the body is not JSON: {errors[0].get('ctx', {}).get('error', 'it cannot be read')}")
    message = "; ".join(f"{place}: {why}" if place else why for place, why in told[:5])
    return HttpProblem(400, message, param=told[0][0] or None)


def http_problem(status: int, detail: str) -> HttpProblem:
    """What the framework says by itself: no such route, another method."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "error"
    return HttpProblem(status, detail if detail and detail != phrase else phrase.lower())


def _place(location: Sequence[Any]) -> str:
    parts = [str(part) for part in location]
    # Of any length, where a client made it up.
    return ".".join(parts[1:] if parts[:1] in (["body"], ["query"], ["path"]) else parts)[:200]


def _status(error: EmbeddingsOrchError) -> int:
    if isinstance(error, ItemError | FilterError):
        return 400
    if isinstance(error, RateLimitedError):
        return 429
    if isinstance(error, UnavailableError | TransientError):
        return 504 if isinstance(error.__cause__, TimeoutError) else 503
    if isinstance(error, TerminalError | ProviderError):
        return 502
    if isinstance(error, StoreError | PluginError | SourceError):
        return 503
    return 400


def _retry_after(error: EmbeddingsOrchError) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None)
    return {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}
