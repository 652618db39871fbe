"""Queries against a published index; a query is embedded by the model that made the index, never by another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embeddings_orch.embed_step import EmbedStep, content_hash, content_key
from embeddings_orch.embedder import EmbedderConfig, Item, Modality, Vectors, config_from
from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.outcome import Failure
from embeddings_orch.plugins import suggestion
from embeddings_orch.store import Store
from embeddings_orch.store.generations import Generation, IndexedModel


@dataclass(frozen=True)
class Hit:
    """One found item.

    Attributes:
        score: similarity, higher is better: 1 - distance for cosine and dot, 1 / (1 + distance) for l2.
        distance: as LanceDB returns it for the index's metric.
        metadata: the item's other columns.
    """

    id: str
    uri: str
    score: float
    distance: float
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """The answer to one query, wholly of one generation."""

    index: str
    generation: str
    hits: list[Hit]

    def to_json(self) -> dict[str, Any]:
        """The object that ``search --json`` prints."""
        return {
            "index": self.index,
            "generation": self.generation,
            "hits": [asdict(hit) for hit in self.hits],
        }


class Index:
    """A published index. It follows the pointer: a publish is seen by the next query.

    Args:
        store: where the index is.
        pipeline: the pipeline's name.
        name: the index's name.
        configs: declared embedder configs; one with the fingerprint of a model of the index is used for queries
            instead of the settings that were kept when the index was built.

    Example:
        >>> Index(Store(".embeddings_orch"), "emoji", "emoji_search").search(text="dog", limit=3)
    """

    def __init__(self, store: Store, pipeline: str, name: str, configs: Iterable[EmbedderConfig] = ()) -> None:
        self.store = store
        self.pipeline = pipeline
        self.name = name
        self._configs = tuple(configs)
        self._steps: dict[str, EmbedStep] = {}

    def generation(self) -> Generation:
        """The generation that is published now.

        Raises:
            StoreError: nothing is published.
        """
        published = self.store.published.get(self.pipeline, self.name).generation if self.store.exists else None
        generation = self.store.generations.get(published) if published else None
        if generation is None:
            raise StoreError(
                f"index {self.name!r} of pipeline {self.pipeline!r} is not published in {self.store.uri}; "
                "run the pipeline first: embeddings-orch run"
            )
        return generation

    def search(
        self,
        text: str | None = None,
        *,
        image: str | Path | bytes | None = None,
        vector: Sequence[float] | Vectors | None = None,
        limit: int = 10,
        where: str | None = None,
        column: str | None = None,
        generation: Generation | None = None,
    ) -> Results:
        """Find the nearest items to a text, a picture or a vector.

        Args:
            text: words.
            image: a picture's path or encoded bytes.
            vector: shape (dimensions,), of the same model.
            limit: the most hits to return.
            where: an SQL filter over the catalog's columns, applied before the search.
            column: the embedding to search, where the index has several; default the first that can read the query.
            generation: the generation to search, by its own models; default the published one.

        Raises:
            EmbeddingsOrchError: not exactly one query, an unreadable picture, a wrong filter, nothing published.
        """
        given = [query for query in (text, image, vector) if query is not None]
        if len(given) != 1:
            raise EmbeddingsOrchError("give exactly one of text, image and vector")
        if limit < 1:
            raise EmbeddingsOrchError(f"limit must be at least 1, not {limit}")
        generation = generation or self.generation()
        if vector is not None:
            model = self._model(generation, column)
            query = np.asarray(vector, dtype=np.float32)
            if query.shape != (model.dimensions,):
                raise EmbeddingsOrchError(
                    f"the vector has shape {query.shape}; {model.column} has {model.dimensions} dimensions"
                )
            # LanceDB would answer either with no hits.
            if not np.isfinite(query).all():
                raise EmbeddingsOrchError("the vector holds NaN or infinity")
            if generation.metric == "cosine" and not query.any():
                raise EmbeddingsOrchError("the vector is all zeros, which is near to nothing by cosine")
        else:
            modality: Modality = "text" if text is not None else "image"
            model = self._model(generation, column, modality)
            query = self._embed(model, modality, text if text is not None else _image_bytes(image))
        return self._nearest(generation, model, query, limit, where)

    def close(self) -> None:
        """Release the query models."""
        for step in self._steps.values():
            step.close()
        self._steps.clear()

    def _model(self, generation: Generation, column: str | None, modality: Modality | None = None) -> IndexedModel:
        names = [model.column for model in generation.models]
        if column is not None and column not in names:
            raise EmbeddingsOrchError(f"index {self.name!r} has no embedding {column!r}{suggestion(column, names)}")
        for model in generation.models:
            if column in (None, model.column) and (
                modality is None or modality in self._step(model).embedder.modalities
            ):
                return model
        raise EmbeddingsOrchError(f"none of the models of index {self.name!r} reads {modality} ({', '.join(names)})")

    def _step(self, model: IndexedModel) -> EmbedStep:
        if model.fingerprint not in self._steps:
            config = self._config(model)
            if config.fingerprint() != model.fingerprint:
                raise EmbeddingsOrchError(
                    f"the model {model.column!r} ({model.provider}) on this machine is not the one that made index "
                    f"{self.name!r}: its fingerprint differs. Bring back its weights or plugin, or run the pipeline"
                )
            self._steps[model.fingerprint] = EmbedStep(config, side="query")
        return self._steps[model.fingerprint]

    def _config(self, model: IndexedModel) -> EmbedderConfig:
        """The declared config of the same model, whose device or path may be newer than what the index kept."""
        for config in self._configs:
            with suppress(EmbeddingsOrchError):  # another model's weights may be missing
                if config.fingerprint() == model.fingerprint:
                    return config
        return config_from(model.provider, model.settings)

    def _embed(self, model: IndexedModel, modality: Modality, content: str | bytes) -> Vectors:
        step = self._step(model)
        prepared = step.prepare(Item(content_key(content_hash(content)), modality, content, f"the query {modality}"))
        if isinstance(prepared, Failure):
            raise EmbeddingsOrchError(f"the query {modality} cannot be embedded: {prepared.reason}")
        outcome = step([prepared])
        if outcome.failures:
            raise EmbeddingsOrchError(f"the query {modality} cannot be embedded: {outcome.failures[0].reason}")
        return outcome.vectors[0]

    def _nearest(
        self, generation: Generation, model: IndexedModel, query: Vectors, limit: int, where: str | None
    ) -> Results:
        table = self.store.index(generation.table)
        vectors = {indexed.column for indexed in generation.models}
        columns = [
            name for name in table.columns(generation.version) if name not in vectors and not name.startswith("_")
        ]
        rows = table.nearest(
            query,
            model.column,
            version=generation.version,
            metric=generation.metric,
            limit=limit,
            where=where,
            columns=columns,
            search=generation.search,
        )
        hits = []
        for row in rows.to_pylist():
            distance = float(row.pop("_distance"))
            score = 1 / (1 + distance) if generation.metric == "l2" else 1 - distance
            hits.append(Hit(row.pop("id"), row.pop("uri"), score, distance, row))
        return Results(self.name, generation.id, hits)


def _image_bytes(image: str | Path | bytes | None) -> bytes:
    if isinstance(image, bytes):
        return image
    path = Path(str(image)).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        raise EmbeddingsOrchError(f"the query picture {path} cannot be read: {error.strerror or error}") from error
