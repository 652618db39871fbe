"""Digests of a catalog: of each row, and of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.rows.notes import DIGEST_COLUMN, is_data
from embeddings_orch.models.rows.sums import DIGEST_FIELD, WIDTH, sum_digests
from embeddings_orch.models.rows.tags import tag_cells

_FRAME = "row/1\n"
"""What every row that is hashed begins with; another one for another way to write rows down."""

_HASHED_ROWS, _HASHED_BYTES = 100_000, 1 << 26
"""How much is put together for hashing at once, by the average row."""


def row_digests(table: pa.Table) -> pa.Array:
    """sha256 of each row over all its data and the names of their columns, ``binary(32)``.

    The order of columns and the width of a type (int32, int64; string, large_string) do not count, and a null
    counts as no column at all; so a column that is added changes only the rows that have a value in it.
    """
    names = sorted(filter(is_data, table.column_names))
    digests: list[bytes] = []
    for batch in _batches(table.select(names)):
        columns = [tag_cells(name, batch[name]) for name in names]
        frame, nothing = (pa.scalar(text, pa.large_string()) for text in (_FRAME, ""))
        joined = pc.binary_join_element_wise(frame, *columns, nothing)
        digests += [hashlib.sha256(row).digest() for row in joined.cast(pa.large_binary()).to_pylist()]
    return pa.array(digests, pa.binary(WIDTH))


def known_digests(table: pa.Table) -> pa.Array:
    """The digests of rows, those that the table has noted or else as `row_digests`."""
    known = DIGEST_COLUMN in table.column_names
    return table[DIGEST_COLUMN].combine_chunks() if known else row_digests(table)


def add_digests(table: pa.Table, previous: pa.Table | None, fresh: Collection[str]) -> pa.Table:
    """A catalog with `DIGEST_COLUMN`, in its place before the stat; of rows that stayed the last catalog's are taken.

    Args:
        table: a catalog without it.
        previous: the last catalog.
        fresh: ids of the rows that are new or that changed.
    """
    if previous is None or DIGEST_COLUMN not in previous.column_names:
        digests = row_digests(table)
    else:
        picked = pc.is_in(table["id"], pa.array(fresh, pa.string())).combine_chunks()
        places = pc.index_in(table["id"].combine_chunks(), previous["id"].combine_chunks())
        kept = previous[DIGEST_COLUMN].combine_chunks().take(places)
        digests = pc.replace_with_mask(kept, picked, row_digests(table.filter(picked)))
    return table.add_column(table.num_columns - 1, DIGEST_FIELD, digests)


def hash_rows(columns: Sequence[pa.Array]) -> pa.Array:
    """sha256 of each row of some columns of bytes or texts, ``binary(32)``; a null is no empty value."""
    digests = []
    for row in zip(*(column.cast(pa.large_binary()).to_pylist() for column in columns), strict=True):
        hasher = hashlib.sha256()
        for value in row:
            hasher.update(b"-" if value is None else b"%d:%b" % (len(value), value))
        digests.append(hasher.digest())
    return pa.array(digests, pa.binary(WIDTH))


def hash_texts(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """sha256 of each text's UTF-8 in hex, as `embeddings_orch.models.content.content_hash`; null for null."""
    sha256 = hashlib.sha256
    hashes = [None if data is None else sha256(data).hexdigest() for data in texts.cast(pa.large_binary()).to_pylist()]
    return pa.array(hashes, pa.string())


def catalog_digest(table: pa.Table) -> str:
    """The digest of all rows, in whatever order they stand, 64 hex digits; see `embeddings_orch.models.rows.sums`."""
    return sum_digests(known_digests(table)).hex()


def _batches(table: pa.Table) -> Iterator[pa.Table]:
    # In pieces, because the rows are in memory once more, and as Python's bytes.
    rows = max(1, min(_HASHED_ROWS, _HASHED_BYTES * table.num_rows // max(1, table.nbytes)))
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows).combine_chunks()
