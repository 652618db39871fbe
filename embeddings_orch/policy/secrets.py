"""Keys and other secrets: named in a declaration, read from the environment, and never shown.

A config holds the *name* of an environment variable. What is read through `read_secret` is remembered in this
process, so that `redact` can take it out of a provider's message.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from embeddings_orch.errors import TerminalError

SECRET = "secret"
"""Type of the validation error of a field whose value is not to be shown."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What providers' keys begin with: a variable is never called so, and a key in a YAML must not pass for a name.
_KEY = re.compile(r"(sk|pk|rk|hf|AKIA|ASIA|AIza|ya29|ghp|rf)[_-]?((live|test)_)?[A-Za-z0-9]{16,}")
_SHORTEST = 6
_REDACTED = "[secret]"
_remembered: set[str] = set()


def _variable(name: str) -> str:
    if not _NAME.fullmatch(name) or _KEY.match(name):
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


def remember(secret: str | None) -> None:
    """Have `redact` take this out of messages from now on."""
    if secret and len(secret) >= _SHORTEST:
        _remembered.add(secret)


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
    return value


def redact(text: str) -> str:
    """The text with every remembered secret replaced."""
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, _REDACTED)
        # Messages are cut to a length: also in the middle of a secret.
        for length in range(len(secret) - 1, _SHORTEST - 1, -1):
            if text.endswith(secret[:length]):
                text = text[:-length] + _REDACTED
                break
    return text


def shows_secret(error: BaseException) -> bool:
    """Whether an error, or one that it came from, has a remembered secret in its text."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if any(secret in f"{current}{current.args!r}" for secret in _remembered):
            return True
        current = current.__cause__ or current.__context__
    return False


def account_of(*parts: str | None) -> str:
    """A name for what shares a rate limit (provider, address, key), from which the key cannot be read back."""
    joined = "\0".join(part or "" for part in parts)
    return hashlib.sha256(f"embeddings_orch rate limit\0{joined}".encode()).hexdigest()[:32]
