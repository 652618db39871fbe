"""Vectors of one model: which rows of its old table become which of the new one, and the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embeddings_orch.models.keys import make_keys
from embeddings_orch.store.migrations.keys import READY, parse_keys
from embeddings_orch.store.migrations.layout import DIGEST, embeddings_schema


@dataclass(frozen=True)
class NewRows:
    """Rows of the new table, in the order of the old one; an old row has one for each modality of its content.

    Attributes:
        old: of each the number of its row in the old table.
        keys: ``binary(32)``, distinct.
        modalities: strings.
        hashes: ``binary(32)``.
    """

    old: NDArray[np.int64]
    keys: pa.Array
    modalities: pa.Array
    hashes: pa.Array

    def __len__(self) -> int:
        return len(self.old)

    def without(self, keys: pa.Array) -> NewRows:
        """Those rows whose keys are not among some others."""
        if not len(keys) or not len(self):
            return self
        rows = pc.invert(pc.is_in(self.keys, keys))
        old = self.old[rows.to_numpy(zero_copy_only=False)]
        return NewRows(old, self.keys.filter(rows), self.modalities.filter(rows), self.hashes.filter(rows))


def new_rows(keys: pa.Array | pa.ChunkedArray, modalities: Mapping[str, pa.Array]) -> NewRows:
    """The rows that an old table's keys become; what has no key that the package made becomes none.

    Args:
        keys: of all rows, in the table's order; of one that is there twice the first counts.
        modalities: the hashes of each modality's contents, of which all of the keys' are some.
    """
    hashes, ready = parse_keys(keys)
    distinct = _distinguish(hashes, ready)
    firsts = pc.index_in(distinct, distinct)
    usable = pc.and_(hashes.is_valid(), pc.equal(firsts, pa.array(np.arange(len(hashes)), firsts.type)))
    parts = [_rows_of(READY, hashes, pc.and_(usable, ready))]
    whole = pc.and_(usable, pc.invert(ready))
    parts += [
        _rows_of(modality, hashes, pc.and_(whole, pc.is_in(hashes, members)))
        for modality, members in sorted(modalities.items())
    ]
    old = np.concatenate([part.old for part in parts])
    order = np.argsort(old, kind="stable")
    columns = [
        pa.concat_arrays([getattr(part, name) for part in parts]).take(pa.array(order))
        for name in ("keys", "modalities", "hashes")
    ]
    return NewRows(old[order], *columns)


def convert_vectors(batches: Iterator[pa.RecordBatch], rows: NewRows, dimensions: int) -> Iterator[pa.RecordBatch]:
    """The new table's rows, a batch for each of the old one's batches that has some.

    Args:
        batches: of the old table's column ``vector``, in the order in which its keys were read.
        rows: which to make.
        dimensions: of the vectors.
    """
    schema, seen = embeddings_schema(dimensions), 0
    for batch in batches:
        first, last = np.searchsorted(rows.old, [seen, seen + batch.num_rows])
        if count := int(last - first):
            places = pa.array(rows.old[first:last] - seen)
            start = int(first)
            columns = [
                rows.keys.slice(start, count),
                rows.modalities.slice(start, count),
                rows.hashes.slice(start, count),
                pa.nulls(count, pa.string()),
                batch["vector"].take(places).cast(schema.field("vector").type),
            ]
            yield pa.record_batch(columns, schema=schema)
        seen += batch.num_rows


def _distinguish(hashes: pa.Array, ready: pa.Array) -> pa.Array:
    """What is equal where hash and kind are."""
    large = pa.large_binary()
    kinds = pc.if_else(ready, pa.scalar(b"r", large), pa.scalar(b"c", large))
    return pc.binary_join_element_wise(hashes.cast(large), kinds, pa.scalar(b"", large), null_handling="emit_null")


def _rows_of(modality: str, hashes: pa.Array, rows: pa.Array) -> NewRows:
    old = np.flatnonzero(rows.to_numpy(zero_copy_only=False)).astype(np.int64)
    mine = hashes.take(pa.array(old)) if len(old) else pa.array([], DIGEST)
    return NewRows(old, make_keys(modality, mine), pa.repeat(modality, len(old)), mine)
