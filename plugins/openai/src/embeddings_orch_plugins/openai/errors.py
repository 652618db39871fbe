"""What an error of OpenAI's SDK means. Error codes after https://platform.openai.com/docs/guides/error-codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from embeddings_orch.models import (
    BatchTooLargeError,
    ItemError,
    ProviderError,
    RateLimitedError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
    error_from_status,
    message_in,
    parse_duration,
    retry_after_in,
)

if TYPE_CHECKING:
    import openai

_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"})
_NO_MODEL = frozenset({"model_not_found", "model_not_available"})
_TOO_MANY = re.compile(
    r"max(imum)? \d+ tokens per request|request too large|array too long|too many inputs|batch size", re.IGNORECASE
)
_INPUT = re.compile(
    r"maximum (context|input) length|\$\.input|'?input\[\d+\]|empty string|must have less than \d+ (tokens|characters)"
    r"|content management policy",
    re.IGNORECASE,
)
_DIMENSIONS = re.compile(r"\bdimensions?\b|matryoshka", re.IGNORECASE)
_TRY_AGAIN = re.compile(r"try again in ([0-9hms.]+?)\.?(\s|$)", re.IGNORECASE)


def translate_error(error: Exception, where: str, *, count: int = 1, ours: bool = False) -> ProviderError:
    """The error of ours that says what one of the SDK, or of the network below it, means.

    Args:
        error: any error.
        where: the address that was asked, for messages.
        count: inputs in the request: where several were too many, fewer may do.
        ours: whether the server is somebody's own and not OpenAI's; there a 500 often comes of one input.
    """
    import openai

    if isinstance(error, ProviderError):
        return error
    if isinstance(error, openai.APITimeoutError):
        return TransientError(f"{where} did not answer in time")
    if isinstance(error, openai.APIConnectionError):
        return TransientError(f"the connection to {where} failed: {error.__cause__ or error}")
    if isinstance(error, openai.APIResponseValidationError):
        return ResponseError(f"{where} gave an answer that cannot be used: {error}")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, where, count, ours)
    if isinstance(error, ConnectionError | TimeoutError):
        return TransientError(f"the connection to {where} failed: {type(error).__name__}: {error}")
    return TerminalError(f"{where}: {type(error).__name__}: {error}")


def _of_status(error: openai.APIStatusError, where: str, count: int, ours: bool) -> ProviderError:
    status, headers, words = error.status_code, dict(error.response.headers), message_in(error.response.content)
    code, kind, param = _parse_error(error.body)
    request = f" (request {error.request_id})" if error.request_id else ""
    general = error_from_status(status, f"{words}{request}", headers)
    text = str(general)
    again = headers.get("x-should-retry", "").lower()

    if {code, kind} & _NO_MONEY:
        return TerminalError(f"{text}; add credit to the account, or wait for its next month")
    if code in _NO_MODEL or (status == 404 and param == "model"):
        return TerminalError(text)
    if status == 401:
        return TerminalError(f"{text}; the key is the one in the variable that api_key_env names")
    if status in (400, 413, 422, 429) and (code == "array_above_max_length" or _TOO_MANY.search(words)):
        # One alone is as large as it is; and a limit on requests a minute has other words.
        return BatchTooLargeError(text) if count > 1 else ItemError(text)
    if again == "true" and not isinstance(general, TransientError):
        return TransientError(text, retry_after=retry_after_in(headers))
    if status == 429:
        if again == "false":
            return TerminalError(text)
        wait = general.retry_after if isinstance(general, RateLimitedError) else None
        return RateLimitedError(text, retry_after=wait if wait is not None else _wait_in(words))
    if isinstance(general, TransientError):
        if again == "false":
            return ItemError(text, certain=False)  # in vain as it stands, but perhaps because of one input
        if status == 500 and ours:
            return SuspectError(text, retry_after=general.retry_after)
        return general
    if isinstance(general, ItemError):
        return _of_input(text, words, code, param)
    return TerminalError(f"{text} ({where})")


def _of_input(text: str, words: str, code: str, param: str) -> ProviderError:
    """A 400, 413 or 422: the inputs are the problem, or the request is, or nobody says which."""
    if param.partition("[")[0] in ("input", "$.input") or code == "content_filter" or _INPUT.search(words):
        return ItemError(text)
    if param == "dimensions" or (not param and _DIMENSIONS.search(words)):
        return TerminalError(f"{text}; change or remove 'dimensions'")
    if param:
        return TerminalError(text)
    return ItemError(text, certain=False)


def _parse_error(body: Any) -> tuple[str, str, str]:
    """Code, type and parameter of an error's body, empty where it names none."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return "", "", ""
    code, kind, param = (value if isinstance(value := body.get(key), str) else "" for key in ("code", "type", "param"))
    return code, kind, param


def _wait_in(words: str) -> float | None:
    match = _TRY_AGAIN.search(words)
    return parse_duration(match[1]) if match else None
