"""The models behind the registry functions: one for all equal functions that LanceDB makes, however many."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cachetools import FIFOCache

from embeddings_orch.embedding.contents import vectors_by_place
from embeddings_orch.embedding.pool.model import PooledModel, vector_or_raise
from embeddings_orch.embedding.pool.pool import shared_pool
from embeddings_orch.errors import EmbeddingsOrchError, TerminalError
from embeddings_orch.lancedb.sources import SourceValue
from embeddings_orch.models.base import EmbedderConfig, embedder_for
from embeddings_orch.models.content import Failure, Modality, Vectors
from embeddings_orch.models.identity import digest

MOST_FAILURES = 10_000
"""Failures that a model remembers; the oldest are forgotten."""

_models: dict[str, FunctionModel] = {}
_lock = threading.Lock()


class FunctionModel:
    """One model as LanceDB's functions use it, for documents and for queries; for any number of threads.

    Attributes:
        config: of the embedder.
        stopped: what ended the last embedding of documents, None where it went to its end.
    """

    def __init__(self, config: EmbedderConfig) -> None:
        self.config = config
        self.stopped: Exception | None = None
        self._lock = threading.Lock()
        self._lease = shared_pool().lease()
        self._fingerprint = ""
        self._dimensions: int | None = None
        self._failures: FIFOCache[bytes, Failure] = FIFOCache(MOST_FAILURES)

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it reads."""
        try:
            with self._model() as model:
                return model.modalities
        except TerminalError:  # its weights, which make its fingerprint, may be on other machines alone
            return embedder_for(self.config).modalities

    @property
    def dimensions(self) -> int:
        """The length of the vectors; a model that does not tell it is asked for one.

        Raises:
            EmbeddingsOrchError: it cannot be had.
        """
        try:
            with self._model() as model:
                known = self._dimensions or model.dimensions
        except TerminalError:  # as above
            known = embedder_for(self.config).dimensions()
        return known or len(self.query("text", "dimensions"))

    @property
    def failures(self) -> list[Failure]:
        """The contents that had no vector when they were embedded last; ``key`` is the sha256 of the source value."""
        with self._lock:
            return list(self._failures.values())

    def forget_failures(self) -> None:
        """Begin with none."""
        with self._lock:
            self._failures.clear()

    def check(self, fingerprint: str | None) -> None:
        """See that this is the model that made a table's vectors.

        Raises:
            EmbeddingsOrchError: it is not.
        """
        with self._lock:
            if fingerprint is None or self._fingerprint == fingerprint:
                return
            self._fingerprint = self.config.fingerprint()
            if self._fingerprint != fingerprint:
                named = f"{self.config.provider}, {name}" if (name := _name(self.config)) else self.config.provider
                raise EmbeddingsOrchError(
                    f"the model ({named}) on this machine is not the one that made the table's vectors: its "
                    "fingerprint differs. Bring back its weights or plugin, or embed the rows anew in another table"
                )

    def documents(self, modality: Modality, sources: Iterable[SourceValue | Failure]) -> list[Vectors | None]:
        """The vectors of source values, in order, shape (dimensions,) each; None for those that are among `failures`.

        Raises:
            TerminalError: the model cannot be had, or the provider refuses.
        """
        places: list[list[int]] = []
        keys: list[bytes] = []
        failed: dict[bytes, Failure] = {}
        count = 0

        def contents() -> Iterator[tuple[str | bytes, str]]:
            nonlocal count
            first: dict[bytes, int] = {}
            for place, source in enumerate(sources):
                count = place + 1
                if isinstance(source, Failure):
                    failed[source.key] = source
                elif source.key in first:
                    places[first[source.key]].append(place)  # paid for once
                else:
                    first[source.key] = len(places)
                    places.append([place])
                    keys.append(source.key)
                    yield source.content, source.name

        self.stopped = None
        try:
            with self._model() as model, model.bulk() as step:
                vectors, failures = vectors_by_place(step, modality, contents())
        except Exception as error:
            self.stopped = error
            raise
        failed.update((keys[int(failure.key)], replace(failure, key=keys[int(failure.key)])) for failure in failures)
        self._remember(keys, failed)
        row_vectors: list[Vectors | None] = [None] * count
        for number, vector in vectors.items():
            self._dimensions = len(vector)
            for place in places[number]:
                row_vectors[place] = vector
        return row_vectors

    def query(self, modality: Modality, content: str | bytes) -> Vectors:
        """The vector of a query, shape (dimensions,).

        Raises:
            EmbeddingsOrchError: it cannot be embedded; the message says why.
        """
        called = f"the query {modality}"
        with self._model() as model:
            prepared = model.prepare(modality, [content], "query", [called])
            vector = vector_or_raise(model.embed(prepared)[0], called)
        self._dimensions = len(vector)
        return vector

    def close(self) -> None:
        """Release the model where nobody else in the process has it; what comes later loads it again."""
        with self._lock:
            self._fingerprint = ""
        self._lease.close()

    @contextmanager
    def _model(self) -> Iterator[PooledModel]:
        with self._lease.holding(self.config, self._fingerprint or None) as model:
            self._fingerprint = model.fingerprint
            yield model

    def _remember(self, embedded: list[bytes], failed: dict[bytes, Failure]) -> None:
        with self._lock:
            for key in embedded:
                self._failures.pop(key, None)
            self._failures.update(failed)


def model_of(config: EmbedderConfig) -> FunctionModel:
    """The model with these settings, the same one in the whole process."""
    key = digest({"provider": config.provider, "settings": config.settings()})
    with _lock:
        return _models.setdefault(key, FunctionModel(config))


def release() -> None:
    """Release the models that LanceDB's functions alone use in this process; a later query loads them again."""
    with _lock:
        models = list(_models.values())
    for model in models:
        model.close()


def _name(config: EmbedderConfig) -> str:
    return str(getattr(config, "name", ""))
