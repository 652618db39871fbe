"""The index step: join the catalog with vectors into a table beside the published one, as a new generation."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.media.catalog.reading import item_keys
from embeddings_orch.media.catalog.ready import ReadyVectors
from embeddings_orch.pipeline.claims import alone
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.vectors import StoredVectors, describe_model, vectors_of
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.indexes.delta import IndexDelta, current_table, index_columns, index_delta
from embeddings_orch.pipeline.indexes.join import check_lengths, join_rows, join_schema, without_vector
from embeddings_orch.pipeline.indexes.recall import tune
from embeddings_orch.pipeline.maps.keep import MapReport, keep_maps
from embeddings_orch.pipeline.progress import Meter
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.index_table import DIGEST_COLUMN
from embeddings_orch.store.tables.states import EmbeddingState

_TRIES = 10
"""Builds that may find, one after another, that another writer's rows are among theirs."""


@dataclass(frozen=True)
class IndexReport:
    """What an index step did; counts are of rows.

    Attributes:
        without_vector: that lack one, for each embedding.
        cancelled: of these, those whose inputs' vectors cancel each other out.
    """

    asset: AssetKey
    generation: Generation
    new: int
    changed: int
    unchanged: int
    deleted: int
    without_vector: int
    cancelled: int
    seconds: float
    built: bool
    maps: MapReport = field(default_factory=MapReport)


def _generation_id(table: TableName, version: int) -> str:
    return f"{table.hash}-{version}"


def build_index(pipeline: Pipeline, index: str, *, listener: EventListener | None = None) -> IndexReport:
    """Bring an index table up to date and record it as a generation; the published one is not touched.

    Runs that build the same table do so one after the other; the later ones find it made.

    Raises:
        StoreError: there is no catalog, or the store cannot be used.
        EmbeddingsOrchError: none of an embedding's contents has a vector.
    """
    spec = pipeline.spec.indexes[index]
    work = _work(pipeline, index)
    meter = Meter(pipeline.index_key(index), "rows", total=len(work.to_write), listener=listener)
    generation, built = _find_recorded(pipeline, work), False
    if generation is None:
        with alone(pipeline.store, f"index/{work.delta.table}"):
            for number in range(_TRIES):
                if number or work.state != _state(pipeline, index, work.delta.table):
                    work = _work(pipeline, index)
                    meter.total = len(work.to_write)
                if generation := _find_recorded(pipeline, work):
                    break
                if generation := _make_generation(pipeline, index, work, meter):
                    built = True
                    break
            else:
                raise StoreError(
                    f"{meter.step}: other writers changed table {work.delta.table} in {_TRIES} tries; run again"
                )
    elif generation.search and _recall(generation) < spec.checks.min_recall:
        # More recall is wanted than when it was built; a wider search of the same rows may reach it.
        table = pipeline.store.index(generation.table)
        generation, before = tune(table, generation, spec.checks.min_recall), generation
        if generation != before:
            pipeline.store.generations.put(generation)
    meter.finish()
    delta = work.delta
    cancelled = sum(_count_cancelled(pipeline, generation, work, name) for name in spec.vectors)
    return IndexReport(
        asset=pipeline.index_key(index),
        generation=generation,
        new=len(delta.new),
        changed=len(delta.changed),
        unchanged=delta.unchanged,
        deleted=len(delta.deleted),
        without_vector=sum(work.without_vector(pipeline, name) for name in spec.vectors) + cancelled,
        cancelled=cancelled,
        seconds=meter.seconds,
        built=built,
        maps=keep_maps(pipeline, index, generation, anew=built),
    )


@dataclass(frozen=True)
class _Work:
    """What a build starts from.

    Attributes:
        state: the versions of all tables that it was read from; others mean that it has to be read again.
        latest: the index table's version, None where there is no table.
    """

    state: tuple[int | None, ...]
    latest: int | None
    catalog: pa.Table
    vectors: dict[str, StoredVectors]
    has_vector: dict[str, pa.Array]
    delta: IndexDelta

    @property
    def to_write(self) -> pa.Array:
        """Ids of the rows that are new or changed."""
        return pa.array([*self.delta.new, *self.delta.changed], pa.string())

    def without_vector(self, pipeline: Pipeline, name: str) -> int:
        """Rows of which no input has a vector of an embedding."""
        return without_vector(self.catalog, pipeline.spec.embeddings[name].inputs, self.has_vector[name])


def _state(pipeline: Pipeline, index: str, table: str) -> tuple[int | None, ...]:
    return (
        pipeline.store.index(table).latest(),
        pipeline.store.catalog(pipeline.spec.name).version(),
        *(
            pipeline.store.vectors(fingerprint).version()
            for fingerprint in _embedded_fingerprints(pipeline, index).values()
        ),
    )


def _embedded_fingerprints(pipeline: Pipeline, index: str) -> dict[str, str]:
    """The fingerprints of an index's embeddings whose vectors are not ready-made: those are the catalog's."""
    used = {name: pipeline.spec.embeddings[name] for name in pipeline.spec.indexes[index].vectors}
    return {name: spec.config.fingerprint() for name, spec in used.items() if not spec.inputs.vectors}


def _work(pipeline: Pipeline, index: str) -> _Work:
    table = current_table(pipeline, index)
    state = _state(pipeline, index, table)
    # Read after the versions, so that what is written in between is seen as a change.
    has_vector = {
        name: pipeline.store.vectors(fingerprint).keys()
        for name, fingerprint in _embedded_fingerprints(pipeline, index).items()
    }
    catalog = _choose_catalog(pipeline, has_vector)
    vectors = {name: vectors_of(pipeline, name, catalog) for name in pipeline.spec.indexes[index].vectors}
    has_vector |= {name: ready.keys() for name, ready in vectors.items() if isinstance(ready, ReadyVectors)}
    delta = index_delta(pipeline, index, catalog, has_vector, version=state[0])
    if delta.table != table:  # another run has just given the catalog other columns
        return _work(pipeline, index)
    return _Work(state, state[0], catalog, vectors, has_vector, delta)


def _choose_catalog(pipeline: Pipeline, has_vector: dict[str, pa.Array]) -> pa.Table:
    """The catalog, or, where another run is about to embed what is new in it, the one that is embedded."""
    catalog = pipeline.catalog()
    versions = [
        state.catalog_version
        for name, keys in has_vector.items()
        if (state := pipeline.store.states.get(pipeline.spec.name, name))
        and _lacks(pipeline, name, state, catalog=catalog, has_vector=keys)
    ]
    before = pipeline.store.catalog(pipeline.spec.name).read(min(versions)) if versions else None
    return before if before is not None and before.schema.equals(catalog.schema) else catalog


def _lacks(pipeline: Pipeline, name: str, state: EmbeddingState, *, catalog: pa.Table, has_vector: pa.Array) -> bool:
    """Whether contents have neither a vector nor a failure, although the model embedded an earlier catalog."""
    spec = pipeline.spec.embeddings[name]
    fingerprint = spec.config.fingerprint()
    if (state.fingerprint, state.inputs) != (fingerprint, spec.inputs):
        return False
    keys = pa.concat_arrays(item_keys(catalog, spec.inputs)).drop_null()
    keys = keys.filter(pc.invert(pc.is_in(keys, has_vector)))
    return len(keys) > 0 and not set(keys.to_pylist()) <= pipeline.store.failures.of(fingerprint).keys()


def _find_recorded(pipeline: Pipeline, work: _Work) -> Generation | None:
    """The generation that already holds what is wanted, or None."""
    if work.delta.writes or work.latest is None:
        return None
    return pipeline.store.generations.get(_generation_id(work.delta.table, work.latest))


def _make_generation(pipeline: Pipeline, index: str, work: _Work, meter: Meter) -> Generation | None:
    """Write the rows that differ and record the version; None where another writer's rows are among them."""
    spec, delta, catalog = pipeline.spec.indexes[index], work.delta, work.catalog
    table = pipeline.store.index(delta.table)
    models = tuple(describe_model(pipeline, name, work.vectors[name]) for name in spec.vectors)
    if work.latest is not None:
        check_lengths(pipeline.index_key(index), table.schema(work.latest), models)
    if delta.writes or work.latest is None:
        rows = catalog.append_column(DIGEST_COLUMN, delta.digests)
        picked = rows.filter(pc.is_in(rows["id"], work.to_write))
        schema = join_schema(rows.schema, index_columns(pipeline, rows.column_names), models)
        # A new table holds nothing that could be deleted.
        deleted = [item for item in delta.deleted if item in delta.stored]
        chunks = join_rows(
            picked, models, vectors=work.vectors, has_vector=work.has_vector, schema=schema, done=meter.add
        )
        table.write(chunks, schema, deleted)
    # Here and not where rows are written: a run that was killed in between left rows without indexes.
    table.build_indexes(spec.vectors, spec.metric, spec.full_text)
    version = table.latest()
    assert version is not None
    if not table.holds(version, dict(zip(catalog["id"].to_pylist(), delta.digests.to_pylist(), strict=True))):
        # The next try writes them anew.
        table.delete(table.repeated_ids(version))
        return None
    known = pipeline.store.generations.get(_generation_id(delta.table, version))
    if known is not None:  # of a run that came beside this one, and may have checked it already
        return known
    generation = Generation(
        id=_generation_id(delta.table, version),
        pipeline=pipeline.spec.name,
        index=index,
        table=delta.table,
        version=version,
        rows=catalog.num_rows,
        models=models,
        metric=spec.metric,
        full_text=spec.full_text,
    )
    generation = tune(table, generation, spec.checks.min_recall)
    pipeline.store.generations.put(generation)
    return generation


def _recall(generation: Generation) -> float:
    """The recall that the generation's checks measured; 1 where they have not run."""
    measured = [check.metadata.get("recall", 1.0) for check in generation.checks if check.name == "recall_at_10"]
    return min(measured, default=1.0)


def _count_cancelled(pipeline: Pipeline, generation: Generation, work: _Work, name: str) -> int:
    """Rows without a vector although one of their inputs has one; there are none where there is one input."""
    if len(pipeline.spec.embeddings[name].inputs.names) < 2:
        return 0
    held = pipeline.store.index(generation.table).count(generation.version, name)
    return max(0, generation.rows - held - work.without_vector(pipeline, name))
