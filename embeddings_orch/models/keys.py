"""Keys of contents as Arrow columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.content import key_frame

KEY = pa.binary(32)
"""The type of a column of keys."""


def key_array(keys: Iterable[bytes | None]) -> pa.Array:
    """Some keys as a column, None as null."""
    return pa.array(list(keys), KEY)


def no_keys() -> pa.Array:
    """A column of no key."""
    return pa.array([], KEY)


def content_keys(modalities: pa.Array, hashes: pa.Array) -> pa.Array:
    """The keys of whole contents, as `embeddings_orch.models.content.content_key` makes each.

    Args:
        modalities: of each what it is given to a model as.
        hashes: of each the sha256 of its bytes or text, 64 hex digits; null where there is no content.

    Returns:
        ``binary(32)``, null for null.
    """
    kinds = pc.dictionary_encode(modalities)
    frames = [key_frame(kind) for kind in kinds.dictionary.to_pylist()]
    if len(frames) == 1:
        return pa.array(_hash_all(hashes, *frames[0]), KEY)
    keys: list[bytes | None] = [None] * len(hashes)
    for kind, (before, after) in enumerate(frames):
        rows = pc.indices_nonzero(pc.equal(kinds.indices, kind))
        for row, key in zip(rows.to_pylist(), _hash_all(hashes.take(rows), before, after), strict=True):
            keys[row] = key
    return pa.array(keys, KEY)


def make_keys(modality: str, digests: pa.Array) -> pa.Array:
    """The keys of whole contents of one modality, by the sha256 of each, ``binary(32)`` without nulls."""
    before, after = key_frame(modality)
    return pa.array([hashlib.sha256(before + digest + after).digest() for digest in digests.to_pylist()], KEY)


def _hash_all(hashes: pa.Array, before: bytes, after: bytes) -> list[bytes | None]:
    sha256, unhex = hashlib.sha256, bytes.fromhex
    return [
        None if digits is None else sha256(before + unhex(digits) + after).digest() for digits in hashes.to_pylist()
    ]
