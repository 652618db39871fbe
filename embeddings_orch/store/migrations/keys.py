"""Keys of contents: of the older formats, texts of a hash and a part; of format 3, digests that have the modality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.store.migrations.layout import DIGEST

READY = "vector"
"""Stands in the place of the modality where the content is a ready-made vector."""

_FORM = r"\A[0-9a-f]{64}:(0|ready)\z"
_HEX = 64
_ROWS = 1 << 16
"""Hashes that are in memory as Python's texts at once, which take a multiple of their bytes."""


class OldKeys(NamedTuple):
    """Keys of the older formats, taken apart.

    Attributes:
        hashes: of the contents, ``binary(32)``; null where a key is none that the package made.
        ready: whether it is of a ready-made vector.
    """

    hashes: pa.Array
    ready: pa.Array


def parse_keys(keys: pa.Array | pa.ChunkedArray) -> OldKeys:
    """Take keys apart: ``hash:0`` and ``hash:ready``."""
    keys = _flat(keys)
    well = pc.fill_null(pc.match_substring_regex(keys, _FORM), False)
    hashes = parse_hashes(pc.if_else(well, pc.utf8_slice_codeunits(keys, 0, _HEX), pa.scalar(None, keys.type)))
    return OldKeys(hashes, pc.fill_null(pc.ends_with(keys, ":ready"), False))


def parse_hashes(hashes: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Hashes of 64 hex digits as ``binary(32)``, null for null and for what is none."""
    hashes = _flat(hashes)
    parts = [_parse_some(hashes.slice(start, _ROWS)) for start in range(0, len(hashes), _ROWS)]
    return pa.concat_arrays(parts) if parts else pa.array([], DIGEST)


def _parse_some(hashes: pa.Array) -> pa.Array:
    well = pc.fill_null(pc.match_substring_regex(hashes, r"\A[0-9a-f]{64}\z"), False)
    # At once: a call for each takes a multiple of the time.
    digits = "".join(hashes.filter(well).to_pylist())
    parsed = pa.Array.from_buffers(DIGEST, len(digits) // _HEX, [None, pa.py_buffer(bytes.fromhex(digits))])
    there = well.to_numpy(zero_copy_only=False)
    return parsed.take(pa.array(np.cumsum(there) - 1, mask=~there))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece, which may have more than the 2 GiB of one array of plain strings."""
    column = column.cast(pa.large_string())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
