"""The index step: join the catalog with vectors into a table beside the published one, as a new generation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.models.rows.notes import DIGEST_COLUMN
from embeddings_orch.models.rows.sums import DIGEST_FIELD, sum_digests
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.vectors import describe_model
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.indexes.delta import index_columns
from embeddings_orch.pipeline.indexes.join import check_lengths, join_rows, join_schema
from embeddings_orch.pipeline.indexes.recall import tune
from embeddings_orch.pipeline.indexes.versions import (
    MadeFrom,
    find_unchanged,
    keep_state,
)
from embeddings_orch.pipeline.indexes.work import Work, describe_sources, find_work, read_versions
from embeddings_orch.pipeline.maps.keep import MapReport, keep_maps
from embeddings_orch.pipeline.progress import Meter
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.claims import alone
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.generations import Generation

_TRIES = 10
"""Builds that may find, one after another, that another writer's rows are among theirs."""


@dataclass(frozen=True)
class IndexReport:
    """What an index step did; counts are of rows.

    Attributes:
        without_vector: that have something to embed for an embedding, and lack its vector.
        cancelled: of these, those whose inputs' vectors cancel each other out.
        nothing_to_embed: that have nothing to embed for an embedding: no failure.
    """

    asset: AssetKey
    generation: Generation
    new: int
    changed: int
    unchanged: int
    deleted: int
    without_vector: int
    cancelled: int
    nothing_to_embed: int
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
    meter = Meter(pipeline.index_key(index), "rows", listener=listener)
    # What is noted at the end names versions that are read here, which a migration numbers anew.
    pipeline.store.prepare_write()
    catalog_version = pipeline.store.catalog(pipeline.spec.name).version()
    if unchanged := find_unchanged(pipeline, index, catalog_version):
        made_from = MadeFrom.of(unchanged)
        assert made_from is not None
        generation = _reach_recall(pipeline, index, unchanged)
        return _report(pipeline, index, meter, _Result(generation, made_from, unchanged=generation.rows))
    result = _bring_up_to_date(pipeline, index, meter)
    keep_state(pipeline, index, result.generation, result.made_from)
    return _report(pipeline, index, meter, result)


class _Result(NamedTuple):
    """What an index step ended with, and the difference to what it began with."""

    generation: Generation
    made_from: MadeFrom
    unchanged: int
    new: int = 0
    changed: int = 0
    deleted: int = 0
    built: bool = False


def _report(pipeline: Pipeline, index: str, meter: Meter, result: _Result) -> IndexReport:
    meter.finish()
    return IndexReport(
        asset=pipeline.index_key(index),
        generation=result.generation,
        new=result.new,
        changed=result.changed,
        unchanged=result.unchanged,
        deleted=result.deleted,
        without_vector=result.made_from.without_vector,
        cancelled=result.made_from.cancelled,
        nothing_to_embed=result.made_from.nothing_to_embed,
        seconds=meter.seconds,
        built=result.built,
        maps=keep_maps(pipeline, index, result.generation, anew=result.built),
    )


def _bring_up_to_date(pipeline: Pipeline, index: str, meter: Meter) -> _Result:
    work = find_work(pipeline, index)
    meter.total = len(work.to_write)
    generation, built = _find_recorded(pipeline, work), False
    if generation is None:
        with alone(pipeline.store, f"index/{work.delta.table}"):
            for number in range(_TRIES):
                if number or work.versions != read_versions(pipeline, index, work.delta.table):
                    work = find_work(pipeline, index)
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
    else:
        generation = _reach_recall(pipeline, index, generation)
    delta, made_from = work.delta, describe_sources(pipeline, index, work, version=generation.version)
    if MadeFrom.of(generation) is None:
        # Of an earlier version of this package: from now on the versions alone tell that there is nothing to do.
        generation = replace(generation, made_from=made_from.to_json())
        pipeline.store.generations.put(generation)
    return _Result(
        generation,
        made_from,
        unchanged=delta.unchanged,
        new=len(delta.new),
        changed=len(delta.changed),
        deleted=len(delta.deleted),
        built=built,
    )


def _reach_recall(pipeline: Pipeline, index: str, generation: Generation) -> Generation:
    """The generation, searched wider where more recall is wanted than when it was built."""
    wanted = pipeline.spec.indexes[index].checks.min_recall
    if not generation.search or _recall(generation) >= wanted:
        return generation
    tuned = tune(pipeline.store.index(generation.table), generation, wanted)
    if tuned != generation:
        pipeline.store.generations.put(tuned)
    return tuned


def _find_recorded(pipeline: Pipeline, work: Work) -> Generation | None:
    """The generation that already holds what is wanted, which is the deployment's from now on; or None."""
    if work.delta.version is None:
        return None
    generation = _generation_id(work.delta.table, work.delta.version)
    generations = pipeline.store.generations
    return generations.get(generation) if generations.adopt(generation) else None


def _make_generation(pipeline: Pipeline, index: str, work: Work, meter: Meter) -> Generation | None:
    """Write the rows that differ and record the version; None where another writer's rows are among them."""
    spec, delta, catalog = pipeline.spec.indexes[index], work.delta, work.catalog
    table = pipeline.store.index(delta.table)
    models = tuple(describe_model(pipeline, name, work.vectors[name]) for name in spec.vectors)
    if delta.latest is not None:
        check_lengths(pipeline.index_key(index), table.schema(delta.latest), models)
    if delta.writes:
        columns = index_columns(pipeline, catalog.column_names)
        rows = catalog.drop_columns(DIGEST_COLUMN).append_column(DIGEST_FIELD, delta.digests)
        picked = rows.filter(pc.is_in(rows["id"], work.to_write))
        schema = join_schema(rows.schema, [*columns, DIGEST_COLUMN], models)
        chunks = join_rows(
            picked,
            models,
            vectors=work.vectors,
            has_vector=work.has_vector,
            schema=schema,
            full_text=spec.text_columns,
            done=meter.add,
        )
        table.write(chunks, schema, delta.to_delete)
    # Here and not where rows are written: a run that was killed in between left rows without indexes.
    table.build_indexes(spec.vectors, spec.metric, spec.text_columns, spec.analysis)
    version = table.latest()
    assert version is not None
    if table.digest(version) != (catalog.num_rows, sum_digests(delta.digests)):
        # The next try writes them anew.
        table.delete(table.repeated_ids(version))
        return None
    known = _generation_id(delta.table, version)
    if pipeline.store.generations.adopt(known):  # of a run that came beside this one, and may have checked it already
        return pipeline.store.generations.get(known)
    generation = Generation(
        id=_generation_id(delta.table, version),
        pipeline=pipeline.spec.name,
        index=index,
        table=delta.table,
        version=version,
        rows=catalog.num_rows,
        models=models,
        metric=spec.metric,
        full_text=spec.text_columns,
        analysis=spec.analysis,
        digest=sum_digests(delta.digests),
        made_from=describe_sources(pipeline, index, work, version=version).to_json(),
    )
    generation = tune(table, generation, spec.checks.min_recall)
    pipeline.store.generations.put(generation)
    return generation


def _recall(generation: Generation) -> float:
    """The recall that the generation's checks measured; 1 where they have not run."""
    measured = [check.metadata.get("recall", 1.0) for check in generation.checks if check.name == "recall_at_10"]
    return min(measured, default=1.0)
