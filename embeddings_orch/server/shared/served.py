"""What a server serves: the indexes of some pipelines, with what reads their media."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any, Self

from embeddings_orch.embedding.pool.batching import BATCH_WAIT
from embeddings_orch.embedding.pool.pool import ModelPool
from embeddings_orch.embedding.pool.report import BatchListener, BatchReport
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.base import Source
from embeddings_orch.media.scan import root_of, source_for
from embeddings_orch.plugins import suggestion
from embeddings_orch.search.index import Index
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.caches import FreshCache
from embeddings_orch.spec.deployment import open_store
from embeddings_orch.spec.pipeline import EmbeddingSpec, PipelineSpec
from embeddings_orch.spec.project import Declared
from embeddings_orch.store.names import QualifiedName
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.published import Pointer

FRESH = 0.2
"""Seconds for which what was read of the store counts as present."""

_KNOWN = 100


class ServedIndex:
    """One index and where its media are, for any number of threads.

    Args:
        spec: the pipeline's.
        index: what is searched.
        clock: seconds, monotonic.
    """

    def __init__(self, spec: PipelineSpec, index: Index, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.index = index
        self._pointer: FreshCache[None, Pointer] = FreshCache(1, FRESH, clock)
        self._known: FreshCache[str, Generation | None] = FreshCache(_KNOWN, FRESH, clock)

    @property
    def key(self) -> QualifiedName:
        """``pipeline/index``."""
        return QualifiedName.of(self.index.pipeline, self.index.name)

    @cached_property
    def source(self) -> Source[Any]:
        """Reads an item's file by the URI that its row has.

        Raises:
            PluginError: the source's plugin is missing or broken.
        """
        return source_for(self.spec.media.config)

    def pointer(self) -> Pointer:
        """What is published, as it was at most `FRESH` seconds ago.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._pointer.get_or_read(None, self._read_pointer)

    def generation(self, generation: str | None = None) -> Generation:
        """A generation of this index by id, or the published one.

        Raises:
            HttpProblem: 404 there is no such one, 409 nothing is published.
            StoreError: the store cannot be read.
        """
        name = generation if generation is not None else self.pointer().generation
        if name is None:
            raise HttpProblem(
                409,
                f"index {self.index.name!r} of pipeline {self.index.pipeline!r} is not published yet; "
                f"run the pipeline: {self.publish_command}",
            )
        known = self._known.get_or_read(name, lambda: self._read(name))
        if known is None:
            raise HttpProblem(404, f"index {self.key} has no generation {name!r}", param="generation")
        return known

    @property
    def publish_command(self) -> str:
        """What makes and publishes the index."""
        return f"embeddings-orch run --pipeline {self.index.pipeline}"

    def identity(self, generation: Generation) -> tuple[str, str, str]:
        """What tells a generation from all others: an index that is dropped and built again may have the same ids."""
        return self.key, generation.id, generation.created_at.isoformat()

    def _read_pointer(self) -> Pointer:
        store = self.index.store
        return store.published.get(self.index.pipeline, self.index.name) if store.exists else Pointer(None)

    def _read(self, name: str) -> Generation | None:
        store = self.index.store
        generation = store.generations.get(name) if store.exists else None
        if generation is None or (generation.pipeline, generation.index) != (self.index.pipeline, self.index.name):
            return None
        return generation


class Served:
    """The indexes and models of some pipelines, for any number of threads.

    Args:
        pipelines: what is declared; published or not.
        batch_wait: seconds that a query waits for others to share its model call.

    Attributes:
        pool: the models.
        listeners: are told of each batch of a model.
    """

    def __init__(self, pipelines: Iterable[PipelineSpec], batch_wait: float = BATCH_WAIT) -> None:
        self.pipelines = tuple(pipelines)
        self.listeners: list[BatchListener] = []
        self.pool = ModelPool(batch_wait=batch_wait, listener=self._report_batch)
        self.indexes = [served_index for spec in self.pipelines for served_index in _indexes(spec, self.pool)]
        self._names: dict[str, str] = {}

    @classmethod
    def of(cls, declared: Iterable[Declared], batch_wait: float = BATCH_WAIT) -> Self:
        """All indexes of declared pipelines."""
        return cls((declaration.spec for declaration in declared), batch_wait)

    def index(self, name: str | None = None, pipeline: str | None = None) -> ServedIndex:
        """The index of a name (``index`` or ``pipeline/index``), or the only one.

        Raises:
            HttpProblem: 404 there is no such index, 400 there are several.
        """
        if name is not None and "/" in name and pipeline is None:
            qualified = QualifiedName(name)
            pipeline, name = qualified.pipeline, qualified.name
        matching = [
            served_index
            for served_index in self.indexes
            if (name is None or served_index.index.name == name)
            and (pipeline is None or served_index.index.pipeline == pipeline)
        ]
        keys = [served_index.key for served_index in self.indexes]
        if not matching:
            full_name = "/".join(part for part in (pipeline, name) if part)
            raise HttpProblem(404, f"there is no index {full_name!r}{suggestion(full_name, keys)}", param="index")
        if len(matching) > 1:
            raise HttpProblem(
                400,
                f"choose one of several indexes: {', '.join(served_index.key for served_index in matching)}",
                param="index",
            )
        return matching[0]

    def embeddings(self) -> dict[QualifiedName, EmbeddingSpec]:
        """The declared embeddings by ``pipeline/embedding``."""
        return {
            QualifiedName.of(spec.name, name): embedding
            for spec in self.pipelines
            for name, embedding in spec.embeddings.items()
        }

    def model_name(self, fingerprint: str) -> str:
        """What a model is called in metrics: ``pipeline/embedding`` where it is declared, else its fingerprint."""
        if fingerprint not in self._names:
            self._names[fingerprint] = fingerprint[:12]
            for name, embedding in self.embeddings().items():
                with suppress(EmbeddingsOrchError):  # another model's weights may be missing
                    if embedding.config.fingerprint() == fingerprint:
                        self._names[fingerprint] = name
                        break
        return self._names[fingerprint]

    def close(self) -> None:
        """Release the models."""
        self.pool.close()

    def _report_batch(self, report: BatchReport) -> None:
        for listener in self.listeners:
            listener(report)


def _indexes(spec: PipelineSpec, pool: ModelPool) -> list[ServedIndex]:
    store = open_store(spec.store)
    configs = [embedding.config for embedding in spec.embeddings.values()]
    root = root_of(spec.media.config)
    return [ServedIndex(spec, Index(store, spec.name, name, configs, root=root, pool=pool)) for name in spec.indexes]
