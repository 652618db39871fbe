"""What gives a secret away by its looks: passwords and keys within addresses, and keys in the place of a name."""

from __future__ import annotations

import re
from itertools import groupby

# Azure's abfss://container@account has a name there, and so have git and ssh.
_PASSWORD = re.compile(r"(?<=://)[^\s/?#@:\"'<>]*+:[^\s/?#\"'<>]*@")
_TOKEN = re.compile(r"(?<=http://|ttps://)[^\s/?#@:\"'<>]++@")
_PARAMETER = re.compile(
    r"(?<=[?&;])((?:[\w.-]*(?:api[_-]?key|signature|credential|access[_-]?key(?:[_-]?id)?|secret|password|passwd|token)"
    r"|key|sig|auth|pwd)(?:=|%3D))[^\s&;#\"'<>\\]++",
    re.IGNORECASE,
)
# What providers' keys begin with: a variable is never called so, and a key in a YAML must not pass for a name.
_KEY = re.compile(r"(sk|pk|rk|hf|AKIA|ASIA|AIza|ya29|ghp|rf)[_-]?((live|test)_)?[A-Za-z0-9]{16,}")
_LONG_WORD = 16
_LEAST_DIGITS = 2


def hide_in_addresses(text: str, instead: str) -> str:
    """The text with another in place of user and password, or a key in the query, of each address."""
    if "://" in text and "@" in text:
        text = _TOKEN.sub(f"{instead}@", _PASSWORD.sub(f"{instead}@", text))
    if "=" in text or "%3" in text:
        text = _PARAMETER.sub(lambda match: match[1] + instead, text)
    return text


def shows_in_address(text: str) -> bool:
    """Whether a text is an address with a user, a password or a key in it."""
    return "://" in text and hide_in_addresses(text, "") != text


def is_key(name: str) -> bool:
    """Whether what stands in the place of a variable's name looks like the key itself."""
    return bool(_KEY.match(name)) or any(_is_random(word) for word in name.split("_"))


def _is_random(word: str) -> bool:
    """Long, with digits among its letters or capitals at random: no word that a person would write."""
    kinds = [kind for kind, _ in groupby("d" if c.isdigit() else "u" if c.isupper() else "l" for c in word)]
    return len(word) >= _LONG_WORD and (
        2 * len(kinds) > len(word) or (kinds.count("d") >= _LEAST_DIGITS and len(kinds) > _LEAST_DIGITS)
    )
