"""Which settings make a vector a different vector, and the hash over them.

The fingerprint is sha256 over the canonical JSON (UTF-8, keys sorted by code point, no spaces, integral numbers as
integers, others as Python's ``repr``) of the provider's name, its ``vector_version`` and the identity fields of its
config.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

Role = Literal["identity", "operational"]
_ROLE = "embeddings_orch_role"


def identity(default: Any = ..., *, description: str, **constraints: Any) -> Any:
    """A pydantic field whose change makes different vectors."""
    return Field(default, description=description, json_schema_extra={_ROLE: "identity"}, **constraints)


def operational(default: Any = ..., *, description: str, **constraints: Any) -> Any:
    """A pydantic field whose change never re-embeds (device, batch size, timeouts, prices, ...)."""
    return Field(default, description=description, json_schema_extra={_ROLE: "operational"}, **constraints)


def role_of(field: Any) -> Role | None:
    """The role that a pydantic ``FieldInfo`` was declared with, or None."""
    extra = field.json_schema_extra
    return extra.get(_ROLE) if isinstance(extra, Mapping) else None


def canonical_json(value: Any) -> str:
    """The one JSON text of a plain value: sorted keys, no spaces, UTF-8, integral floats as integers.

    Raises:
        TypeError: for anything but dict, list, tuple, str, int, float, bool and None.
        ValueError: for NaN and infinities, which JSON cannot say.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, int, bool):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} has no canonical JSON form")
        # 1.0 and 1 are the same setting, whichever way YAML spelled it.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(
        f"an identity field holds {type(value).__name__}; only plain values "
        "(text, numbers, true, false, null, lists and mappings of them) can be fingerprinted"
    )


def digest(value: Any) -> str:
    """sha256 (64 hex digits) over the canonical JSON of a plain value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def fingerprint(provider: str, vector_version: int, identity_fields: Mapping[str, Any]) -> str:
    """The fingerprint of one embedding model: 64 hex digits."""
    return digest({"provider": provider, "vector_version": vector_version, "identity": dict(identity_fields)})
