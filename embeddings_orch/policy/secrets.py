"""Keys and other secrets: named in a declaration, read from the environment, and never shown.

A config holds the *name* of an environment variable. What is read through `read_secret` is remembered in this
process: `redact` takes it out of texts, in the forms of `secret_forms`, and log records are made without it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from embeddings_orch.errors import EmbeddingsOrchError, TerminalError
from embeddings_orch.policy.secret_forms import SHORTEST, SecretForms
from embeddings_orch.policy.secret_logs import hide_in_logs
from embeddings_orch.policy.secret_patterns import hide_in_addresses, is_key, shows_in_address

SECRET = "secret"
"""Type of the validation error of a field whose value is not to be shown."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REDACTED = "[secret]"
_log = logging.getLogger(__name__)
_remembered: dict[str, SecretForms] = {}
_too_short: set[str] = set()


def _variable(name: str) -> str:
    if not _NAME.fullmatch(name) or is_key(name):
        # Without the value: it may be the key itself.
        raise PydanticCustomError(
            SECRET, "is not the name of an environment variable; put the key into one and write its name here"
        )
    return name


SecretName = Annotated[str, AfterValidator(_variable)]
"""The name of an environment variable that holds a secret; anything that looks like the secret is refused."""


def refuse_literals(settings: Mapping[str, Any], secret_keys: Mapping[str, str]) -> None:
    """Refuse secrets that stand in a declaration.

    Args:
        settings: as a person wrote them.
        secret_keys: for each key that would hold a secret, the one that holds its variable's name.

    Raises:
        ValueError: a secret key was given; the message does not show its value.
    """
    for key, instead in secret_keys.items():
        if key in settings:
            raise ValueError(
                f"{key!r} would put a secret into the file: set an environment variable, and name it in {instead!r}"
            )


def refuse_addresses_with_secrets(settings: Mapping[str, Any]) -> None:
    """Refuse addresses that hold a password or a key: they would stand in the store, in logs and in messages.

    Raises:
        ValueError: a setting is one; the message does not show its value.
    """
    for key, value in settings.items():
        if any(type(text) is str and shows_in_address(text) for text in (value if type(value) is list else [value])):
            raise ValueError(
                f"{key!r} has an address with a password or a key in it: write the address alone, and name the "
                "variable that holds the secret"
            )


def remember(secret: str | None) -> None:
    """Have `redact`, and all log records, hide this from now on; not where it has fewer than 6 characters."""
    if secret and len(secret) >= SHORTEST and secret not in _remembered:
        _remembered[secret] = SecretForms.of(secret)
        hide_in_logs(redact, shows_secret)


def read_secret(variable: str, what: str) -> str:
    """The secret that an environment variable holds.

    Args:
        variable: its name.
        what: whose secret it is, for the message: ``the OpenAI API key``.

    Raises:
        TerminalError: the variable is not set or empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise TerminalError(f"{what} is missing: set the environment variable {variable}")
    remember(value)
    if len(value) < SHORTEST and variable not in _too_short:
        _too_short.add(variable)
        _log.warning(
            "%s (%s) has fewer than %d characters: messages that repeat it would show it", what, variable, SHORTEST
        )
    return value


def redact(text: str) -> str:
    """The text without secrets: those remembered, in whatever form, and passwords and keys within addresses."""
    return hide_in_addresses(redact_remembered(text), _REDACTED)


def redact_remembered(text: str) -> str:
    """The text with every remembered secret replaced; for data of a person's own, addresses stay as they are."""
    spans = sorted(span for forms in list(_remembered.values()) for span in forms.spans(text))
    if not spans:
        return text
    pieces, place = [], 0
    begin, end = spans[0]
    for next_begin, next_end in [*spans[1:], (len(text) + 1, len(text) + 1)]:
        if next_begin < end or (next_begin, next_end) == (begin, end):
            end = max(end, next_end)
            continue
        pieces += [text[place:begin], _REDACTED]
        place, begin, end = end, next_begin, next_end
    return "".join([*pieces, text[place:]])


def shows_secret(error: BaseException) -> bool:
    """Whether an error, or one that it came from, has a secret in its text, arguments or notes."""
    return any(
        text != redact(text)
        for known in _chain(error)
        for text in (str(known), repr(known.args), "\n".join(getattr(known, "__notes__", ())))
    )


def without_secrets(error: BaseException, reason: str) -> EmbeddingsOrchError:
    """An error of ours without secrets and without causes, to be raised from None instead of one that shows some.

    Args:
        error: it stays what it is where it is one of ours, whose class says what happens next.
        reason: what the new error says of any other.
    """
    _log.error("%s", redact("".join(traceback.format_exception(error)).rstrip()))
    if isinstance(error, EmbeddingsOrchError):
        error.args = tuple(redact(arg) if isinstance(arg, str) else arg for arg in error.args)
        error.__cause__ = error.__context__ = None
        if not shows_secret(error):
            return error
    return TerminalError(redact(reason))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def account_of(*parts: str | None) -> str:
    """A name for what shares a rate limit (provider, address, key), from which the key cannot be read back."""
    joined = "\0".join(part or "" for part in parts)
    return hashlib.sha256(f"embeddings_orch rate limit\0{joined}".encode()).hexdigest()[:32]
