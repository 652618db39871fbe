"""The digest of a set: the sum of its members' digests, so that it changes by what comes and goes alone.

A hash over the sorted members would need all of them, sorted, for each change.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from embeddings_orch.models.rows.notes import DIGEST_COLUMN

WIDTH = 32
"""Bytes of a digest and of a sum: one big-endian number modulo 2**256."""

DIGEST_FIELD = pa.field(DIGEST_COLUMN, pa.binary(WIDTH), nullable=False)
"""The column in which a table keeps the digest of each row."""

EMPTY = bytes(WIDTH)
"""The sum of nothing."""

_MODULUS = 1 << 8 * WIDTH
_LIMBS, _LIMB_BITS = 8, 32
_ROWS = 1 << 20
"""Digests added up at once: of fewer than 2**32, a sum of limbs fits 64 bits."""


def sum_digests(digests: pa.Array | pa.ChunkedArray) -> bytes:
    """The sum of digests, 32 bytes; of none, zeros.

    Args:
        digests: ``binary(32)``, without nulls, in any order; each counts as often as it is there.

    Raises:
        TypeError: they are something else.
    """
    if digests.type != pa.binary(WIDTH) or digests.null_count:
        raise TypeError(f"digests are binary({WIDTH}) without nulls, not {digests.type}, {digests.null_count} null")
    chunks = digests.chunks if isinstance(digests, pa.ChunkedArray) else [digests]
    parts = (chunk.slice(start, _ROWS) for chunk in chunks for start in range(0, len(chunk), _ROWS))
    return _to_bytes(sum(_sum_rows(part) for part in parts))


def _sum_rows(digests: pa.Array) -> int:
    """The sum of one array's digests, not reduced."""
    limbs = np.frombuffer(
        digests.buffers()[1], dtype=">u4", count=len(digests) * _LIMBS, offset=digests.offset * WIDTH
    ).reshape(-1, _LIMBS)
    total = 0
    for limb in limbs.sum(axis=0, dtype=np.uint64).tolist():
        total = (total << _LIMB_BITS) + limb
    return total


def _to_bytes(number: int) -> bytes:
    return (number % _MODULUS).to_bytes(WIDTH, "big")
