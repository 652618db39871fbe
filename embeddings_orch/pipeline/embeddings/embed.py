"""The embeddings step: embed the contents that have no vector, and remember what failed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch import plugins
from embeddings_orch.embedding.outcome import Outcome, Usage
from embeddings_orch.embedding.runners import Content, Runner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import EmbedderConfig, embedder_for
from embeddings_orch.models.content import ContentId, Failure
from embeddings_orch.models.rows.sums import sum_digests
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.checkpoints import Checkpoints
from embeddings_orch.pipeline.embeddings.delta import EmbeddingDelta, embedding_delta, unchanged_delta
from embeddings_orch.pipeline.embeddings.portions import Portions
from embeddings_orch.pipeline.embeddings.reader import ContentReader
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.progress import Meter
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.tables.states import EmbeddingState
from embeddings_orch.store.tables.vectors import VectorsTable


@dataclass(frozen=True)
class EmbedReport:
    """What an embeddings step did; counts are of distinct contents.

    Attributes:
        embedded: vectors made in this run.
        elsewhere: contents that were to do and that another run embedded meanwhile.
        failed: wanted contents without a vector, whenever they failed.
        digest: the sum of the keys covered, 64 hex digits.
        dimensions: of the vectors, None where there are none.
        seconds: the whole step took.
        cost_usd: by the tokens counted and the configured price.
    """

    asset: AssetKey
    fingerprint: str
    delta: EmbeddingDelta
    embedded: int
    elsewhere: int
    failures: list[Failure]
    failed: int
    total: int
    digest: str
    dimensions: int | None
    usage: Usage
    seconds: float
    cost_usd: float

    @property
    def reused(self) -> int:
        """Contents that had a vector before (all ready-made ones), or have one of another run by now."""
        return self.elsewhere + (self.delta.covered if self.delta.ready else self.delta.unchanged)

    @property
    def items_per_second(self) -> float | None:
        """Contents embedded a second, None where nothing was."""
        return self.embedded / self.seconds if self.embedded and self.seconds > 0 else None


def embed(
    pipeline: Pipeline,
    name: str,
    *,
    retry_failed: bool = False,
    listener: EventListener | None = None,
    runner: Runner | None = None,
    step: EmbedStep | None = None,
) -> EmbedReport:
    """Embed what the stored catalog holds and the vectors lack.

    Runs that do so at the same time share the contents out; each ends when all of its contents are done.

    Raises:
        TerminalError: the model or provider cannot work; what it embedded before is kept.
        StoreError: there is no catalog, or the store cannot be used.
        DiskFullError: the store has no room; what was bought is in the store or in a file that the error names.
    """
    spec = pipeline.spec.embeddings[name]
    config: EmbedderConfig = spec.config
    versions, delta = _compare(pipeline, name, retry_failed=retry_failed)
    checkpoints = Checkpoints(pipeline.store, delta.fingerprint)
    if checkpoints.put_back():
        versions, delta = _compare(pipeline, name, retry_failed=retry_failed)
    vectors = pipeline.store.vectors(delta.fingerprint)
    meter = Meter(pipeline.embedding_key(name), "contents", total=delta.todo.num_rows, listener=listener)
    grace = pipeline.spec.store.gc_grace
    usage, failures, embedded = Usage(), [], set()  # type: Usage, list[Failure], set[bytes]
    asked: dict[bytes, ContentId] = {}
    lock = threading.Lock()

    def commit(outcome: Outcome) -> None:
        with lock:
            # Weights replaced on disk since the plan would put another model's vectors into this table.
            if config.fingerprint() != delta.fingerprint:
                raise TerminalError(f"{meter.step}: the model's files changed during the run; run again")
            checkpoints.commit(
                [asked[key] for key in outcome.keys],
                outcome.vectors,
                mended=[key for key in outcome.keys if key in delta.failures],
                failures=outcome.failures,
            )
            vectors.compact_between(grace)
            portions.wrote(len(outcome.keys))
            usage.add(outcome.usage)
            failures.extend(outcome.failures)
            embedded.update(outcome.keys)
            for key in (*outcome.keys, *(failure.key for failure in outcome.failures)):
                asked.pop(key, None)

    if delta.todo.num_rows:
        checkpoints.check_room(delta.todo.num_rows, _dimensions(config, vectors))
        step = step or EmbedStep(config, outlasts=True)
        runner = runner or plugins.load("runners", pipeline.spec.runner_of(name))()
        read = ContentReader(pipeline.spec.media.config)
        with Claims(pipeline.store) as claims:
            portions = Portions(
                pipeline.store,
                claims,
                delta.fingerprint,
                least=2 * config.batch_size * config.concurrency,
                known=delta.failures,
                rows=delta.rows,
            )
            try:
                for shares in portions.rounds(delta.todo, lambda: [*embedded, *(failure.key for failure in failures)]):
                    runner.run(step, _contents(shares, asked), read, commit, progress=meter.add)
            finally:
                step.close()
    has, elsewhere = delta.has, 0
    if delta.todo.num_rows:
        if embedded:
            vectors.compact(grace)
        # Before what it holds is read: a later version is looked at again.
        versions = versions._replace(vectors=vectors.version())
        has_vector = vectors.keys()
        has = pc.is_in(delta.wanted["key"], has_vector)
        elsewhere = (pc.sum(pc.is_in(delta.todo["key"], has_vector)).as_py() or 0) - len(embedded)
        meter.add(elsewhere)
    meter.finish()

    report = EmbedReport(
        asset=pipeline.embedding_key(name),
        fingerprint=delta.fingerprint,
        delta=delta,
        embedded=len(embedded),
        elsewhere=elsewhere,
        failures=failures,
        failed=delta.failed + delta.todo.num_rows - len(embedded) - elsewhere,
        total=delta.total,
        digest=_sum_covered(delta, has),
        dimensions=delta.vectors.dimensions(),
        usage=usage,
        seconds=meter.seconds,
        cost_usd=config.prices.cost(usage.tokens, usage.images),
    )
    _keep_state(pipeline, name, report, versions)
    return report


def _dimensions(config: EmbedderConfig, vectors: VectorsTable) -> int | None:
    """The length of the vectors, None where a model that costs nothing would have to be loaded to know it."""
    known = vectors.dimensions()
    return embedder_for(config).dimensions() if known is None and config.costs_money() else known


class _Versions(NamedTuple):
    """The versions of the tables that a step is made from, None where there is none."""

    catalog: int | None
    vectors: int | None


def _compare(pipeline: Pipeline, name: str, *, retry_failed: bool) -> tuple[_Versions, EmbeddingDelta]:
    """What there is to do, and the versions, which are read first: what comes later is looked at the next time."""
    # What is noted at the end names versions that are read here, which a migration numbers anew.
    pipeline.store.prepare_write()
    catalog_version = pipeline.store.catalog(pipeline.spec.name).version()
    delta = unchanged_delta(pipeline, name, catalog_version)
    if delta is None:
        catalog = pipeline.contents_catalog(pipeline.spec.embeddings[name].inputs)
        delta = embedding_delta(pipeline, name, catalog, retry_failed=retry_failed)
    if delta.ready:
        _remember(pipeline, delta)
    elif delta.too_large:
        pipeline.store.failures.replace(delta.fingerprint, [], delta.too_large)
    return _Versions(catalog_version, delta.vectors_version), delta


def _sum_covered(delta: EmbeddingDelta, has: pa.ChunkedArray) -> str:
    if delta.unread and delta.state is not None:
        return delta.state.digest
    return sum_digests(delta.wanted["key"].filter(has)).hex()


def _keep_state(pipeline: Pipeline, name: str, report: EmbedReport, versions: _Versions) -> None:
    """Note what was covered, and the rate of the last time that something was embedded."""
    spec, before = pipeline.spec.embeddings[name], report.delta.state
    rate_before = before.items_per_second if before and before.fingerprint == report.fingerprint else None
    state = EmbeddingState(
        fingerprint=report.fingerprint,
        inputs=spec.inputs,
        settings=spec.config.declared_identity(),
        catalog_version=versions.catalog or 0,
        digest=report.digest,
        items_per_second=report.items_per_second or rate_before,
        vectors_version=versions.vectors,
        contents=report.total,
        covered=report.total - report.failed,
        failed=report.failed,
    )
    if not _newer(pipeline.store.states.get(pipeline.spec.name, name), state, pipeline):
        pipeline.store.states.put(pipeline.spec.name, name, state)


def _newer(stored: EmbeddingState | None, state: EmbeddingState, pipeline: Pipeline) -> bool:
    """Whether another run has covered a newer catalog with the same model meanwhile."""
    if stored is None or (stored.fingerprint, stored.inputs) != (state.fingerprint, state.inputs):
        return False
    latest = pipeline.store.catalog(pipeline.spec.name).version() or 0
    return state.catalog_version < stored.catalog_version <= latest


def _contents(portions: Iterable[pa.Table], asked: dict[bytes, ContentId]) -> Iterator[Content]:
    """The contents to embed; what the vectors table says of each is noted under its key until its vector comes."""
    names = [field.name for field in fields(Content)]
    for portion in portions:
        for batch in portion.select(names).to_batches(max_chunksize=8192):
            for row in batch.to_pylist():
                content = Content(**row)
                asked[content.key] = ContentId(content.modality, content.content_hash)
                yield content


def _remember(pipeline: Pipeline, delta: EmbeddingDelta) -> None:
    """Keep why ready-made vectors do not fit, and forget it of those that do by now."""
    fit = delta.vectors.keys().to_pylist()
    pipeline.store.failures.replace(delta.fingerprint, fit, list(delta.failures.values()))
