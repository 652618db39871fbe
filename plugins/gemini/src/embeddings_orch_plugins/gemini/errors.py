"""What the errors of google-genai mean. Google's error details: google.rpc.error_details (RetryInfo, QuotaFailure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from embeddings_orch.models import (
    ProviderError,
    RateLimitedError,
    ResponseError,
    TerminalError,
    TransientError,
    error_from_status,
    message_in,
    parse_duration,
)

_OF_THE_KEY = ("API key not valid", "API key expired", "API Key not found")
_REASONS_OF_THE_KEY = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})


def classify(error: Exception) -> ProviderError | None:
    """The core's error for one of the SDK or of its HTTP client; None for any other."""
    from google.genai.errors import APIError, UnknownApiResponseError

    if isinstance(error, APIError):
        return _refusal(error)
    if isinstance(error, UnknownApiResponseError | ValidationError) or type(error).__name__ == "JSONDecodeError":
        return ResponseError(f"the answer cannot be read: {_first_line(error)}")
    # By name: the SDK's client is httpx2 or httpx, whichever is installed.
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] in ("httpx", "httpx2")}
    if "TimeoutException" in names:
        return TransientError(f"no answer in time: {_first_line(error)}")
    if names & {"TransportError", "DecodingError"}:
        return TransientError(f"the connection failed: {_first_line(error)}")
    return None


def _refusal(error: Any) -> ProviderError:
    status = int(error.code or 0)
    details = list(_details(error.details))
    message = message_in(str(error.message or error.details or "")).strip()
    text = f"HTTP {status}: {message}"
    if status == 429:
        listed = [violation for detail in details for violation in detail.get("violations") or ()]
        violations = [violation for violation in listed if isinstance(violation, dict)]
        quotas = [str(violation.get("quotaId", "")) for violation in violations]
        values = [violation.get("quotaValue") for violation in violations]
        if any("PerDay" in quota for quota in quotas) or "0" in values:
            return TerminalError(f"{text} ({', '.join(filter(None, quotas))})")
        return RateLimitedError(text, retry_after=_retry_delay(details) or _retry_after(error))
    if any(detail.get("reason") in _REASONS_OF_THE_KEY for detail in details) or message.startswith(_OF_THE_KEY):
        return TerminalError(text)
    if status == 400 and error.status == "FAILED_PRECONDITION":
        return TerminalError(text)  # the account or its region, not the input
    return error_from_status(status, message, _headers(error), retry_after=_retry_delay(details))


def _details(body: Any) -> Iterator[dict[str, Any]]:
    error = body.get("error", body) if isinstance(body, dict) else {}
    details = error.get("details") if isinstance(error, dict) else None
    yield from (detail for detail in details or () if isinstance(detail, dict))


def _retry_delay(details: list[dict[str, Any]]) -> float | None:
    delays = [detail["retryDelay"] for detail in details if isinstance(detail.get("retryDelay"), str)]
    return parse_duration(delays[0]) if delays else None


def _retry_after(error: Any) -> float | None:
    known = error_from_status(429, "", _headers(error))
    return known.retry_after if isinstance(known, TransientError) else None


def _headers(error: Any) -> dict[str, str]:
    return dict(getattr(error.response, "headers", None) or {})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
