"""The index step: join the catalog with vectors into a table beside the published one, as a new generation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.embedder import embedder_for
from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.fingerprint import digest
from embeddings_orch.index_spec import IndexSpec
from embeddings_orch.media.catalog import input_keys, row_digests
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.progress import Listener, Meter
from embeddings_orch.pipeline.recall import tune
from embeddings_orch.plugins import suggestion
from embeddings_orch.source import STAT_COLUMN
from embeddings_orch.store.generations import Generation, IndexedModel
from embeddings_orch.store.index_table import DIGEST_COLUMN

_CHUNK_ROWS = 50_000
"""Rows joined at a time: it bounds the memory of a build."""


@dataclass(frozen=True)
class IndexDelta:
    """The difference between an index and what it should hold; ids of rows."""

    table: str
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


@dataclass(frozen=True)
class IndexReport:
    """What an index step did; counts are of rows."""

    asset: str
    generation: Generation
    new: int
    changed: int
    unchanged: int
    deleted: int
    without_vector: int
    seconds: float
    built: bool


def table_name(pipeline: Pipeline, index: str, catalog: pa.Table) -> str:
    """The table of an index: another one for other models, inputs, metric, text columns or catalog columns."""
    columns = [[field.name, str(field.type)] for field in catalog.schema if field.name != STAT_COLUMN]
    # With the names, because a generation's id is made of this hash and has to be one of its own in the store.
    version = digest([pipeline.spec.name, index, pipeline.spec.index_version(index), columns])
    return f"index.{pipeline.spec.name}.{index}.{version[:12]}"


def _generation_id(table: str, version: int) -> str:
    return f"{table.rsplit('.', 1)[1]}-{version}"


def current_generation(pipeline: Pipeline, index: str) -> Generation | None:
    """The newest generation of the declaration as it stands, or None."""
    table = table_name(pipeline, index, pipeline.catalog())
    found = [g for g in pipeline.store.generations.of(pipeline.spec.name, index) if g.table == table]
    return max(found, key=lambda generation: generation.version) if found else None


def index_delta(pipeline: Pipeline, index: str, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> IndexDelta:
    """Compare an index table with the rows it should hold.

    Args:
        pipeline: the pipeline.
        index: the index.
        catalog: its rows.
        has_vector: for each embedding the keys that have a vector (or will have one).

    Raises:
        SpecError: a column of the declaration is not in the catalog, or is there twice.
    """
    spec = pipeline.spec.indexes[index]
    _check_columns(pipeline, index, spec, catalog)
    digests = _digests(pipeline, spec, catalog, has_vector)
    table = table_name(pipeline, index, catalog)
    stored = pipeline.store.index(table).digests()
    before, reason = stored, ""
    missing = pipeline.store.index(table).latest() is None
    if missing and (generations := pipeline.store.generations.of(pipeline.spec.name, index)):
        last = generations[-1]
        before = dict.fromkeys(pipeline.store.index(last.table).digests(last.version), "")
        reason = "its models, columns or settings changed: a new table"
    ids = catalog["id"].to_pylist()
    wanted = dict(zip(ids, digests.to_pylist(), strict=True))
    new = [item for item in ids if item not in before]
    changed = [item for item in ids if item in before and stored.get(item) != wanted[item]]
    deleted = [item for item in before if item not in wanted]
    if not reason:
        reason = "rows differ" if new or changed or deleted else "up to date"
        reason = reason if before or not ids else "never built"
    return IndexDelta(table, digests, new, changed, len(ids) - len(new) - len(changed), deleted, reason, stored)


def build_index(pipeline: Pipeline, index: str, *, listener: Listener | None = None) -> IndexReport:
    """Bring an index table up to date and record it as a generation; the published one is not touched.

    Raises:
        StoreError: there is no catalog, or the store cannot be used.
        EmbeddingsOrchError: none of an embedding's contents has a vector.
    """
    spec = pipeline.spec.indexes[index]
    catalog = pipeline.catalog()
    has_vector = {
        name: pipeline.store.vectors(pipeline.spec.embeddings[name].config.fingerprint()).keys()
        for name in spec.vectors
    }
    delta = index_delta(pipeline, index, catalog, has_vector)
    table = pipeline.store.index(delta.table)
    models = tuple(_indexed_model(pipeline, name, catalog) for name in spec.vectors)
    to_write = pa.array([*delta.new, *delta.changed], pa.string())
    meter = Meter(pipeline.index_key(index), "rows", total=len(to_write), listener=listener)
    latest = table.latest()
    if delta.writes or latest is None:
        rows = catalog.drop_columns([STAT_COLUMN]).append_column(DIGEST_COLUMN, delta.digests)
        picked = rows.filter(pc.is_in(rows["id"], to_write))
        schema = _schema(rows.schema, models)
        # A new table holds nothing that could be deleted.
        deleted = [item for item in delta.deleted if item in delta.stored]
        table.write(_joined(pipeline, picked, models, schema, meter), schema, deleted)
        latest = None
    generation = None if latest is None else pipeline.store.generations.get(_generation_id(delta.table, latest))
    built = generation is None
    if generation is None:
        # Here and not where rows are written: a run that was killed in between left rows without indexes.
        table.build_indexes(spec.vectors, spec.metric, spec.full_text)
        latest = table.latest()
        assert latest is not None
        generation = Generation(
            id=_generation_id(delta.table, latest),
            pipeline=pipeline.spec.name,
            index=index,
            table=delta.table,
            version=latest,
            rows=table.count(latest),
            models=models,
            metric=spec.metric,
            full_text=spec.full_text,
        )
        generation = tune(table, generation, spec.checks.min_recall)
        pipeline.store.generations.put(generation)
    elif generation.search and _recall(generation) < spec.checks.min_recall:
        # More recall is wanted than when it was built; a wider search of the same rows may reach it.
        generation, before = tune(table, generation, spec.checks.min_recall), generation
        if generation != before:
            pipeline.store.generations.put(generation)
    meter.finish()
    missing = sum(catalog.num_rows - _covered(pipeline, name, catalog, has_vector[name]) for name in spec.vectors)
    return IndexReport(
        asset=pipeline.index_key(index),
        generation=generation,
        new=len(delta.new),
        changed=len(delta.changed),
        unchanged=delta.unchanged,
        deleted=len(delta.deleted),
        without_vector=missing,
        seconds=meter.seconds,
        built=built,
    )


def _recall(generation: Generation) -> float:
    """The recall that the generation's checks measured; 1 where they have not run."""
    measured = [check.metadata.get("recall", 1.0) for check in generation.checks if check.name == "recall_at_10"]
    return min(measured, default=1.0)


def _check_columns(pipeline: Pipeline, index: str, spec: IndexSpec, catalog: pa.Table) -> None:
    asset = pipeline.index_key(index)
    texts = [field.name for field in catalog.schema if field.type == pa.string() and field.name != STAT_COLUMN]
    for column in spec.full_text:
        if column not in texts:
            raise SpecError(f"{asset}: full_text names {column!r}, which is no text column{suggestion(column, texts)}")
    for name in spec.vectors:
        if name in catalog.schema.names:
            raise SpecError(f"{asset}: the embedding {name!r} has the name of a media column; rename one of them")


def _digests(pipeline: Pipeline, spec: IndexSpec, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> pa.Array:
    parts = [row_digests(catalog)]
    for name in spec.vectors:
        keys = input_keys(catalog, pipeline.spec.embeddings[name].input)
        parts.append(pc.if_else(pc.is_in(keys, has_vector[name]), keys, ""))
    columns = [
        pa.array(part, pa.string()).to_pylist() if isinstance(part, list) else part.to_pylist() for part in parts
    ]
    return pa.array(
        [
            hashlib.sha256("\n".join(text or "" for text in row).encode()).hexdigest()
            for row in zip(*columns, strict=True)
        ],
        pa.string(),
    )


def _covered(pipeline: Pipeline, name: str, catalog: pa.Table, has_vector: pa.Array) -> int:
    keys = input_keys(catalog, pipeline.spec.embeddings[name].input)
    return int(pc.sum(pc.is_in(keys.drop_null(), has_vector)).as_py() or 0)


def _indexed_model(pipeline: Pipeline, name: str, catalog: pa.Table) -> IndexedModel:
    spec = pipeline.spec.embeddings[name]
    fingerprint = spec.config.fingerprint()
    dimensions = pipeline.store.vectors(fingerprint).dimensions() or embedder_for(spec.config).dimensions()
    if dimensions is None:
        raise EmbeddingsOrchError(
            f"{pipeline.embedding_key(name)} has no vector for any of {catalog.num_rows} items, so there is nothing to "
            "index; materialize it, and look at its failures"
        )
    return IndexedModel(name, spec.provider, fingerprint, spec.input, dimensions, spec.config.settings())


def _schema(rows: pa.Schema, models: tuple[IndexedModel, ...]) -> pa.Schema:
    for model in models:
        rows = rows.append(pa.field(model.column, pa.list_(pa.float32(), model.dimensions)))
    return rows


def _joined(
    pipeline: Pipeline, rows: pa.Table, models: tuple[IndexedModel, ...], schema: pa.Schema, meter: Meter
) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, _CHUNK_ROWS):
        chunk = rows.slice(start, _CHUNK_ROWS)
        for model in models:
            keys = input_keys(chunk, model.input)
            column = pipeline.store.vectors(model.fingerprint).take(keys)
            type_ = schema.field(model.column).type
            if column.type != type_:  # no vector at all was there to tell the dimensions
                column = pa.nulls(chunk.num_rows, type_)
            chunk = chunk.append_column(model.column, column)
        yield chunk
        meter.add(chunk.num_rows)
