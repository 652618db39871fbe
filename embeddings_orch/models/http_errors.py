"""What a provider's HTTP answer means: one classification for all of them, and how long they ask to wait.

Status codes after RFC 9110; ``Retry-After`` in seconds or as a date after its section 10.2.3; ``retry-after-ms`` and
``x-ratelimit-reset-*`` as OpenAI sends them; ``RetryInfo.retryDelay`` as Google's APIs do (google.rpc.error_details).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from embeddings_orch.errors import ItemError, ProviderError, RateLimitedError, TerminalError, TransientError

_LONGEST = 500
_DURATION = re.compile(r"(?<!\d)(\d++(?:\.\d++)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TITLE = re.compile(r"\A(?>.*?<title)[^>]*+>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_REQUEST_OR_ITEM = frozenset({400, 413, 422})
_TRANSIENT = frozenset({408, 409, 425})


def error_from_status(
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    *,
    retry_after: float | None = None,
    now: Callable[[], float] = time.time,
) -> ProviderError:
    """The error that a status code means, where a provider knows no better.

    400, 413 and 422 are `ItemError` with ``certain=False``: an input, or the request itself, is the problem.

    Args:
        status: the HTTP status code.
        message: the provider's own words, see `message_in`.
        headers: of the answer, for how long to wait.
        retry_after: seconds, where the body says so.
        now: seconds since 1970, for dates.
    """
    text = f"HTTP {status}: {message}"
    wait = retry_after if retry_after is not None else retry_after_in(headers or {}, now)
    if status == 429:
        return RateLimitedError(text, retry_after=wait)
    if status in _TRANSIENT or status >= 500:
        return TransientError(text, retry_after=wait)
    if status in _REQUEST_OR_ITEM:
        return ItemError(text, certain=False)
    return TerminalError(text)


def retry_after_in(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds that an answer's headers ask to wait, None where they do not.

    The first that is given counts: ``retry-after-ms``, ``retry-after`` in seconds or as an HTTP date, and the longest
    ``x-ratelimit-reset-*`` of what has none remaining.
    """
    lower = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    if (milliseconds := _number(lower.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if wait := lower.get("retry-after"):
        if (seconds := _number(wait)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(wait).timestamp() - now())
        except (TypeError, ValueError):
            pass  # neither: as if it were not there
    resets = [
        seconds
        for what in ("requests", "tokens")
        if _number(lower.get(f"x-ratelimit-remaining-{what}")) == 0
        and (seconds := parse_duration(lower.get(f"x-ratelimit-reset-{what}", ""))) is not None
    ]
    return max(resets, default=None)


def parse_duration(text: str) -> float | None:
    """Seconds of a duration as in ``6m0s``, ``1.5s``, ``120ms`` or ``34``; None where it is none."""
    text = text.strip()
    if (number := _number(text)) is not None:
        return number
    parts = _DURATION.findall(text)
    if not parts or "".join(f"{value}{unit}" for value, unit in parts) != text:
        return None
    return sum(float(value) * _UNITS[unit] for value, unit in parts)


def message_in(body: str | bytes) -> str:
    """A provider's own words from an error's body: ``error.message``, ``error``, ``message``, ``detail`` of JSON.

    Of an HTML page, a proxy's for one, its title; of anything else its beginning.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        message = _words(json.loads(text))
    except ValueError:
        message = ""
    if not message:
        title = _TITLE.search(text)
        if title or text.lstrip()[:1] == "<":
            message = f"an HTML page, not the provider's answer: {' '.join(title[1].split()) if title else 'no title'}"
    return (message or " ".join(text.split()) or "no message")[:_LONGEST]


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(words for part in value if (words := _words(part)))
    if isinstance(value, dict):
        for key in ("error", "message", "Message", "msg", "detail", "error_message"):
            if words := _words(value.get(key)):
                return words
    return ""


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
