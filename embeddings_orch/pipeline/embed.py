"""The embeddings step: embed the contents that have no vector, and remember what failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from embeddings_orch import plugins
from embeddings_orch.embed_step import EmbedStep, Failure, Outcome, Usage
from embeddings_orch.embedder import EmbedderConfig, Item
from embeddings_orch.errors import TerminalError
from embeddings_orch.media.scan import read_content
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.delta import EmbeddingDelta, covered_digest, embedding_delta
from embeddings_orch.pipeline.progress import Listener, Meter
from embeddings_orch.runners import Content, Runner
from embeddings_orch.runners.base import Read
from embeddings_orch.store.states import EmbeddingState


@dataclass(frozen=True)
class EmbedReport:
    """What an embeddings step did; counts are of distinct contents.

    Attributes:
        embedded: vectors made in this run.
        failed: wanted contents without a vector, whenever they failed.
        digest: hash over the contents covered.
        dimensions: of the vectors, None where there are none.
        seconds: the whole step took.
        cost_usd: by the tokens counted and the configured price.
    """

    asset: str
    fingerprint: str
    delta: EmbeddingDelta
    embedded: int
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
        """Contents that had a vector before."""
        return self.delta.unchanged

    @property
    def items_per_second(self) -> float | None:
        """Contents embedded a second, None where nothing was."""
        return self.embedded / self.seconds if self.embedded and self.seconds > 0 else None


def embed(
    pipeline: Pipeline,
    name: str,
    *,
    retry_failed: bool = False,
    listener: Listener | None = None,
    runner: Runner | None = None,
    step: EmbedStep | None = None,
) -> EmbedReport:
    """Embed what the stored catalog holds and the vectors lack.

    Raises:
        TerminalError: the model or provider cannot work; what it embedded before is kept.
        StoreError: there is no catalog, or the store cannot be used.
    """
    spec = pipeline.spec.embeddings[name]
    config: EmbedderConfig = spec.config
    catalog_version = pipeline.store.catalog(pipeline.spec.name).version()
    delta = embedding_delta(pipeline, name, pipeline.catalog(), retry_failed=retry_failed)
    vectors = pipeline.store.vectors(delta.fingerprint)
    meter = Meter(pipeline.embedding_key(name), "items", total=delta.todo.num_rows, listener=listener)
    usage, failures, embedded = Usage(), [], 0  # type: Usage, list[Failure], int
    lock = threading.Lock()

    def commit(outcome: Outcome) -> None:
        nonlocal embedded
        with lock:
            # Weights replaced on disk since the plan would put another model's vectors into this table.
            if config.fingerprint() != delta.fingerprint:
                raise TerminalError(f"{meter.step}: the model's files changed during the run; run again")
            mended = [key for key in outcome.keys if key in delta.failures]
            if mended or outcome.failures:
                # Before the vectors: a failure that is forgotten too early costs a try, one kept too long is a lie.
                pipeline.store.failures.replace(delta.fingerprint, mended, outcome.failures)
            vectors.append(outcome.keys, outcome.vectors)
            usage.add(outcome.usage)
            failures.extend(outcome.failures)
            embedded += len(outcome.keys)

    if delta.todo.num_rows:
        step = step or EmbedStep(config)
        runner = runner or plugins.load("runners", "local")()
        try:
            runner.run(step, _contents(delta.todo), _reader(pipeline, spec.input), commit, meter.add)
        finally:
            step.close()
    meter.finish()

    has_vector = vectors.keys() if embedded else delta.has_vector
    rate = embedded / meter.seconds if embedded else None
    report = EmbedReport(
        asset=pipeline.embedding_key(name),
        fingerprint=delta.fingerprint,
        delta=delta,
        embedded=embedded,
        failures=failures,
        failed=delta.failed + len(failures),
        total=delta.wanted.num_rows,
        digest=covered_digest(delta.wanted, has_vector),
        dimensions=vectors.dimensions(),
        usage=usage,
        seconds=meter.seconds,
        cost_usd=usage.tokens * config.price_per_million_tokens / 1e6,
    )
    before = delta.state
    state = EmbeddingState(
        fingerprint=delta.fingerprint,
        input=spec.input,
        settings=config.declared_identity(),
        catalog_version=catalog_version or 0,
        digest=report.digest,
        items_per_second=rate
        or (before.items_per_second if before and before.fingerprint == delta.fingerprint else None),
    )
    pipeline.store.states.put(pipeline.spec.name, name, state)
    return report


def _contents(todo: pa.Table) -> Iterator[Content]:
    for batch in todo.select(["key", "modality", "uri", "text"]).to_batches(max_chunksize=8192):
        for row in batch.to_pylist():
            yield Content(**row)


def _reader(pipeline: Pipeline, used: str) -> Read:
    def read(content: Content) -> Item:
        # The vector is stored under the hash that the scan saw; other bytes must never get there.
        row = {
            "uri": content.uri,
            "modality": content.modality,
            "text": content.text,
            "content_hash": content.key.partition(":")[0],
        }
        return Item(content.key, content.modality, read_content(pipeline.source, row, used), content.uri)

    return read
