"""Which items have no vector of an embedding, and why: what every count and every list of them goes by.

What is embedded is a content, which many items can share; what a user has is items. A content that failed is told once
for each item that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embeddings_orch.media.catalog.diff import MEDIA
from embeddings_orch.media.catalog.reading import filled_rows, is_there, item_keys
from embeddings_orch.models.content import FailureKind
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.models.keys import key_array, no_keys
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import unchanged_delta, without_vector
from embeddings_orch.pipeline.embeddings.vectors import vectors_of
from embeddings_orch.store.tables.failures import Remembered

RowMask = NDArray[np.bool_]

_FIRST: tuple[FailureKind, ...] = ("item", "limit", "transient")
"""Of several kinds the one that is told: what takes most to be tried again."""


@dataclass(frozen=True)
class ItemCounts:
    """The items of a catalog by what they have of an embedding.

    Attributes:
        items: all.
        with_vector: have one, of all their inputs or of some.
        failed: have a content that failed.
        partial: of the failed ones, those that have a vector nevertheless: that of their other inputs.
        not_embedded: have something to embed, of which nothing was embedded and nothing failed.
        nothing_to_embed: have none of the inputs, as no caption; that is no failure.
        failed_contents: distinct contents of the failed items; it is these that are tried again.
    """

    items: int
    with_vector: int
    failed: int = 0
    partial: int = 0
    not_embedded: int = 0
    nothing_to_embed: int = 0
    failed_contents: int = 0

    @property
    def without_vector(self) -> int:
        """Items that have something to embed and no vector."""
        return self.items - self.with_vector - self.nothing_to_embed


@dataclass(frozen=True)
class FailedItem:
    """An item with a content that failed.

    Attributes:
        keys: of its contents that failed.
        kind: ``item`` where a run does not try one of them again by itself, ``limit`` where one is too large, else
            ``transient``.
        reason: of several inputs each with its name.
        at: when the last of them failed.
        has_vector: whether its other inputs gave it one.
    """

    embedding: str
    id: str
    uri: str
    kind: FailureKind
    reason: str
    at: datetime
    keys: tuple[bytes, ...]
    has_vector: bool


@dataclass(frozen=True)
class EmbeddingItems:
    """The items of a pipeline's stored catalog, as `find_items` counts and names them."""

    counts: ItemCounts
    failed: list[FailedItem]


@dataclass(frozen=True)
class ItemCoverage:
    """What some rows of a catalog have of an embedding: masks with a place for each row.

    Attributes:
        keys: for each input those of the rows' contents, null where a row has none.
        embedded: for each input whether the row has a vector of it.
        filled: has something to embed.
        has: has a vector of at least one input.
        failing: has a content that failed.
    """

    keys: list[pa.Array]
    embedded: list[RowMask]
    filled: RowMask
    has: RowMask
    failing: RowMask

    @classmethod
    def of(cls, rows: pa.Table, inputs: Inputs, have: pa.Array, failed: pa.Array | None = None) -> ItemCoverage:
        """Look at some rows.

        Args:
            rows: with the columns that the inputs are read from.
            inputs: of the embedding.
            have: keys of the contents that have a vector.
            failed: keys of those that failed, none of them in ``have``.

        Raises:
            SourceError: the rows have no such column.
        """
        failed = no_keys() if failed is None else failed
        nothing = np.zeros(rows.num_rows, dtype=bool)
        if not len(have) and not len(failed):  # no need to hash what the rows have
            return cls([], [], _mask(filled_rows(rows, inputs)), nothing, nothing)
        keys = item_keys(rows, inputs)
        embedded = [_mask(pc.is_in(input_keys, have)) for input_keys in keys]
        filled = np.logical_or.reduce([_mask(pc.is_valid(input_keys)) for input_keys in keys])
        failing = nothing
        if len(failed):
            failing = np.logical_or.reduce([_mask(pc.is_in(input_keys, failed)) for input_keys in keys])
        return cls(keys, embedded, filled, np.logical_or.reduce(embedded), failing)

    @property
    def lacking(self) -> RowMask:
        """Has something to embed and no vector."""
        return self.filled & ~self.has

    def count(self, failed: pa.Array | None = None) -> ItemCounts:
        """How many rows have what; ``failed`` as for `of`."""
        contents = 0
        if failed is not None and self.failing.any():
            keys = pc.unique(pa.concat_arrays(self.keys))
            contents = pc.sum(pc.is_in(keys, failed)).as_py() or 0
        return ItemCounts(
            items=len(self.has),
            with_vector=int(self.has.sum()),
            failed=int(self.failing.sum()),
            partial=int((self.failing & self.has).sum()),
            not_embedded=int((self.lacking & ~self.failing).sum()),
            nothing_to_embed=int((~self.filled).sum()),
            failed_contents=contents,
        )


def _mask(values: pa.Array) -> RowMask:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=bool)


def find_items(pipeline: Pipeline, name: str, *, most: int | None = None) -> EmbeddingItems | None:
    """Count the items of the stored catalog by what they have of an embedding, and name those that failed.

    Where nothing was written since all contents had vectors, at most the columns that the inputs are read from are
    read, and nothing is hashed.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        most: that are named, in the order of the catalog; default all.

    Returns:
        None where there is no catalog yet, or where it lacks an input.

    Raises:
        EmbeddingsOrchError: the model's identity cannot be read (a local weights file is missing).
    """
    inputs = pipeline.spec.embeddings[name].inputs
    stored = pipeline.store.catalog(pipeline.spec.name)
    schema = stored.schema()
    # A column that the declaration names and the catalog has not yet had is for the next run to report.
    if schema is None or not is_there(inputs, schema.names):
        return None
    complete = _is_complete(pipeline, name, stored.version())
    if complete and MEDIA in inputs.names:  # which no item lacks
        items = stored.total()
        return EmbeddingItems(ItemCounts(items, items), [])
    catalog = pipeline.contents_catalog(inputs)
    if complete:
        filled = pc.sum(filled_rows(catalog, inputs)).as_py() or 0
        return EmbeddingItems(ItemCounts(catalog.num_rows, filled, nothing_to_embed=catalog.num_rows - filled), [])
    have = vectors_of(pipeline, name, catalog).keys()
    remembered = pipeline.store.failures.read(pipeline.spec.embeddings[name].config.fingerprint())
    failures = without_vector({key: record.failure for key, record in remembered.items()}, have)
    failed = key_array(failures)
    coverage = ItemCoverage.of(catalog, inputs, have, failed)
    known = {key: remembered[key] for key in failures}
    return EmbeddingItems(coverage.count(failed), _name_failed(name, inputs, catalog, coverage, known=known, most=most))


def _is_complete(pipeline: Pipeline, name: str, catalog_version: int | None) -> bool:
    """Whether the versions alone tell that every content has a vector."""
    spec = pipeline.spec.embeddings[name]
    if not spec.inputs.vectors:
        return unchanged_delta(pipeline, name, catalog_version) is not None
    state = pipeline.store.states.get(pipeline.spec.name, name)
    if state is None or state.failed != 0:
        return False
    covered = (state.fingerprint, state.inputs, state.catalog_version)
    return covered == (spec.config.fingerprint(), spec.inputs, catalog_version)


def _name_failed(
    name: str,
    inputs: Inputs,
    catalog: pa.Table,
    coverage: ItemCoverage,
    *,
    known: Mapping[bytes, Remembered],
    most: int | None,
) -> list[FailedItem]:
    """The failed items of a catalog; ``known`` has their contents' failures by key."""
    places = np.flatnonzero(coverage.failing)[:most]
    if not len(places):
        return []
    rows = catalog.select(["id", "uri"]).take(pa.array(places)).to_pylist()
    keys = zip(*(input_keys.take(pa.array(places)).to_pylist() for input_keys in coverage.keys), strict=True)
    embedded = np.stack([mask[places] for mask in coverage.embedded], axis=1).tolist()
    items: list[FailedItem] = []
    for row, row_keys, row_embedded in zip(rows, keys, embedded, strict=True):
        records = {place: known[key] for place, key in enumerate(row_keys) if key in known}
        kinds = {record.failure.kind for record in records.values()}
        reasons = {inputs.columns[place]: record.failure.reason for place, record in records.items()}
        items.append(
            FailedItem(
                embedding=name,
                id=row["id"],
                uri=row["uri"],
                kind=next(kind for kind in _FIRST if kind in kinds),
                reason=_explain(reasons, inputs, row_embedded),
                at=max(record.at for record in records.values()),
                keys=tuple(record.failure.key for record in records.values()),
                has_vector=any(row_embedded),
            )
        )
    return items


def _explain(reasons: Mapping[str, str], inputs: Inputs, embedded: Sequence[bool]) -> str:
    """The reason of an item, by input those of its contents; ``embedded`` are the inputs that have a vector."""
    if len(inputs.columns) == 1:
        return "; ".join(reasons.values())
    parts = [f"{name}: {reason}" for name, reason in reasons.items()]
    if others := [name for name, has in zip(inputs.columns, embedded, strict=True) if has]:
        parts.append(f"its vector is that of {' and '.join(others)} alone")
    return "; ".join(parts)
