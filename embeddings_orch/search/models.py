"""The models of an index, as they embed queries: the ones that made it, never others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice

import numpy as np

from embeddings_orch.embedding.pool.model import PooledModel, vector_or_raise
from embeddings_orch.embedding.pool.pool import Lease, ModelPool, shared_pool
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.base import EmbedderConfig, config_from
from embeddings_orch.models.content import Modality, Vectors
from embeddings_orch.plugins import suggestion
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.index_reader import IndexReader


class QueryModels:
    """Loads a model when the first query needs it, and keeps it; for any number of threads.

    Args:
        index: the index's name, for messages.
        configs: declared configs; one with the fingerprint of a model is used instead of the settings that were kept
            when the index was built.
        pool: which keeps the models; default that of the process, which keeps them until `close`.
    """

    def __init__(self, index: str, configs: Iterable[EmbedderConfig] = (), pool: ModelPool | None = None) -> None:
        self._index = index
        self._configs = tuple(configs)
        self._models: ModelPool | Lease = shared_pool().lease() if pool is None else pool
        self._known: dict[str, EmbedderConfig] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def choose(
        self, generation: Generation, named: Iterable[str] | None, modality: Modality | None, *, every: bool
    ) -> list[IndexedModel]:
        """The models of a generation by name; where none is named, those that read a modality, or the first of them.

        Args:
            generation: whose models.
            named: their columns.
            modality: None for a query that needs no model.
            every: all of them; else none beyond the first is loaded to see what it reads.

        Raises:
            EmbeddingsOrchError: there is none, or a named one does not read it.
        """
        by_name = {model.column: model for model in generation.models}
        if named is None:
            reading = (model for model in generation.models if self._reads(model, modality))
            if chosen := list(islice(reading, None if every else 1)):
                return chosen
            raise EmbeddingsOrchError(
                f"none of the models of index {self._index!r} reads {modality} ({', '.join(by_name)})"
            )
        models = []
        for name in named:
            if name not in by_name:
                raise EmbeddingsOrchError(f"index {self._index!r} has no embedding {name!r}{suggestion(name, by_name)}")
            if not self._reads(by_name[name], modality):
                raise EmbeddingsOrchError(f"the model {name!r} of index {self._index!r} does not read {modality}")
            models.append(by_name[name])
        return models

    def embed(self, model: IndexedModel, modality: Modality, content: str | bytes) -> Vectors:
        """The vector of a query, shape (dimensions,).

        Raises:
            EmbeddingsOrchError: it cannot be embedded; the message says why.
        """
        called = f"the query {modality}"
        pooled = self.model(model)
        prepared = pooled.prepare(modality, [content], "query", [called])
        return vector_or_raise(pooled.embed(prepared)[0], called)

    def close(self) -> None:
        """Release the models that nobody else in the process has; a later query loads them again."""
        with self._lock:
            self._known.clear()  # weights that were replaced since are another model
        if isinstance(self._models, Lease):
            self._models.close()

    def _reads(self, model: IndexedModel, modality: Modality | None) -> bool:
        return modality is None or modality in self.model(model).modalities

    def model(self, model: IndexedModel) -> PooledModel:
        """The model of a vector column, as it embeds queries; it is loaded when it is first needed.

        Raises:
            EmbeddingsOrchError: it is not the one that made the index, or its weights cannot be read.
        """
        if (known := self._known.get(model.fingerprint)) is None:
            with self._lock:
                lock = self._locks.setdefault(model.fingerprint, threading.Lock())
            with lock:  # of this model alone: its weights may take long to read
                known = self._known.get(model.fingerprint) or self._config(model)
                self._known[model.fingerprint] = known
        return self._models.model(known, model.fingerprint)

    def _config(self, model: IndexedModel) -> EmbedderConfig:
        """The declared config of the same model, whose device or path may be newer than what the index kept."""
        for config in self._configs:
            with suppress(EmbeddingsOrchError):  # another model's weights may be missing
                if config.fingerprint() == model.fingerprint:
                    return config
        config = config_from(model.provider, model.settings)
        if config.fingerprint() != model.fingerprint:
            raise EmbeddingsOrchError(
                f"the model {model.column!r} ({model.provider}) on this machine is not the one that made index "
                f"{self._index!r}: its fingerprint differs. Bring back its weights or plugin, or run the "
                "pipeline"
            )
        return config


def read_vectors(
    reader: IndexReader, models: list[IndexedModel], item: str, *, every: bool, named: bool
) -> list[tuple[IndexedModel, Vectors]]:
    """The vectors that an item has, of all models or of the first that has one.

    Raises:
        EmbeddingsOrchError: there is no such item, or it has no vector.
    """
    row = reader.row(item, ["id", *(model.column for model in models)])
    if row is None:
        raise EmbeddingsOrchError(f"there is no item {item!r} in the index")
    vectors = [(model, np.asarray(row[model.column], np.float32)) for model in models if row[model.column] is not None]
    if not vectors:
        names = ", ".join(model.column for model in models)
        raise EmbeddingsOrchError(f"the item {item!r} has no vector ({names}), so nothing can be like it")
    return vectors if every or named else vectors[:1]


def check_vector(vector: Sequence[float] | Vectors, model: IndexedModel, metric: str) -> Vectors:
    """A vector that a user gives, as float32, shape (dimensions,).

    Raises:
        EmbeddingsOrchError: it has another shape, or numbers that nothing is near to.
    """
    query = np.asarray(vector, dtype=np.float32)
    if query.shape != (model.dimensions,):
        raise EmbeddingsOrchError(
            f"the vector has shape {query.shape}; {model.column} has {model.dimensions} dimensions"
        )
    # LanceDB would answer either with no hits.
    if not np.isfinite(query).all():
        raise EmbeddingsOrchError("the vector holds NaN or infinity")
    if metric == "cosine" and not query.any():
        raise EmbeddingsOrchError("the vector is all zeros, which is near to nothing by cosine")
    return query
