"""The difference between an index and the rows that it should hold."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SpecError, StoreError
from embeddings_orch.media.base import STAT_COLUMN
from embeddings_orch.media.catalog.diff import hash_texts, row_digests
from embeddings_orch.media.catalog.reading import item_keys
from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.index import IndexSpec
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.generations import Generation


@dataclass(frozen=True)
class IndexDelta:
    """The difference between an index and what it should hold; ids of rows."""

    table: TableName
    digests: pa.Array
    new: list[str]
    changed: list[str]
    unchanged: int
    deleted: list[str]
    reason: str
    stored: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether the table has to change."""
        return bool(self.new or self.changed or self.deleted)


def table_name(pipeline: Pipeline, index: str, catalog: pa.Schema) -> TableName:
    """The table of an index: another one for other models, inputs, metric, text columns or catalog columns."""
    columns = [[name, str(catalog.field(name).type)] for name in index_columns(pipeline, catalog.names)]
    # With the names, because a generation's id is made of this hash and has to be one of its own in the store.
    version = digest([pipeline.spec.name, index, pipeline.spec.index_version(index), columns])
    return TableName.of_index(pipeline.spec.name, index, version[:12])


def index_columns(pipeline: Pipeline, names: Iterable[str]) -> list[str]:
    """The catalog's columns that an index holds: not those of ready-made vectors, which are in its vector columns."""
    left_out = {spec.inputs.vectors for spec in pipeline.spec.embeddings.values()}
    return [name for name in names if name != STAT_COLUMN and name not in left_out]


def current_table(pipeline: Pipeline, index: str) -> TableName:
    """The table of an index by the stored catalog, of which only the columns are read.

    Raises:
        StoreError: there is no catalog.
    """
    return table_name(pipeline, index, pipeline.catalog_schema())


def current_generation(pipeline: Pipeline, index: str) -> Generation | None:
    """The newest generation of the declaration as it stands, or None."""
    table = current_table(pipeline, index)
    generations = [g for g in pipeline.store.generations.of(pipeline.spec.name, index) if g.table == table]
    return max(generations, key=lambda generation: generation.version) if generations else None


def index_delta(
    pipeline: Pipeline, index: str, catalog: pa.Table, has_vector: dict[str, pa.Array], *, version: int | None = None
) -> IndexDelta:
    """Compare an index table with the rows it should hold.

    Args:
        pipeline: the pipeline.
        index: the index.
        catalog: its rows.
        has_vector: for each embedding the keys that have a vector (or will have one).
        version: of the index table; default the latest.

    Raises:
        SpecError: a column of the declaration is not in the catalog, or is there twice.
    """
    spec = pipeline.spec.indexes[index]
    _check_columns(pipeline, index, spec, catalog)
    digests = _digests(pipeline, spec, catalog, has_vector)
    table = table_name(pipeline, index, catalog.schema)
    stored = pipeline.store.index(table).digests(version)
    before, reason = stored, ""
    missing = pipeline.store.index(table).latest() is None
    if missing and (generations := pipeline.store.generations.of(pipeline.spec.name, index)):
        last = generations[-1]
        # Only for the counts: a former table that is lost or damaged must not stop the next one.
        with suppress(StoreError):
            before = dict.fromkeys(pipeline.store.index(last.table).digests(last.version), "")
        reason = "its models, columns or settings changed: a new table"
    ids = catalog["id"].to_pylist()
    digest_of = dict(zip(ids, digests.to_pylist(), strict=True))
    new = [item for item in ids if item not in before]
    changed = [item for item in ids if item in before and stored.get(item) != digest_of[item]]
    deleted = [item for item in before if item not in digest_of]
    if not reason:
        reason = "rows differ" if new or changed or deleted else "up to date"
        reason = reason if before or not ids else "never built"
    return IndexDelta(table, digests, new, changed, len(ids) - len(new) - len(changed), deleted, reason, stored)


def _check_columns(pipeline: Pipeline, index: str, spec: IndexSpec, catalog: pa.Table) -> None:
    asset = pipeline.index_key(index)
    columns = index_columns(pipeline, catalog.schema.names)
    texts = [name for name in columns if catalog.schema.field(name).type == pa.string()]
    for column in spec.full_text:
        if column not in texts:
            raise SpecError(f"{asset}: full_text names {column!r}, which is no text column{suggestion(column, texts)}")
    for name in spec.vectors:
        if name in columns:
            raise SpecError(f"{asset}: the embedding {name!r} has the name of a media column; rename one of them")


def _digests(pipeline: Pipeline, spec: IndexSpec, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> pa.Array:
    parts = [row_digests(catalog.select(index_columns(pipeline, catalog.column_names)))]
    for name in spec.vectors:
        for keys in item_keys(catalog, pipeline.spec.embeddings[name].inputs):
            parts.append(pc.if_else(pc.is_in(keys, has_vector[name]), keys, ""))
    rows = pa.table([pc.fill_null(part, "") for part in parts], [str(number) for number in range(len(parts))])
    # In pieces, because the joined rows of a large catalog would outgrow one string array (2 GiB).
    joined = [pc.binary_join_element_wise(*batch.columns, "\n") for batch in rows.to_batches(max_chunksize=100_000)]
    return pa.concat_arrays([pa.array([], pa.string()), *map(hash_texts, joined)])
