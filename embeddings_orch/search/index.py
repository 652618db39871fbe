"""Queries against a published index; a query is embedded by the model that made the index, never by another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

from embeddings_orch.embedding.pool.model import PooledModel
from embeddings_orch.embedding.pool.pool import ModelPool
from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.media.roots import absolute_uri
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Modality, Vectors
from embeddings_orch.models.rows.notes import is_data
from embeddings_orch.search.arguments import takes
from embeddings_orch.search.filters import bind
from embeddings_orch.search.models import QueryModels, check_vector, read_vectors
from embeddings_orch.search.opening import find_index
from embeddings_orch.search.pictures import picture_bytes
from embeddings_orch.search.ranking import Candidate, Candidates, page
from embeddings_orch.search.readers import Readers
from embeddings_orch.search.request import Request
from embeddings_orch.search.results import Hit, Results
from embeddings_orch.store import Store
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.index_reader import IndexReader


class Index:
    """A published index, for any number of threads. It follows the pointer: a publish is seen by the next query.

    Args:
        store: where the index is.
        pipeline: the pipeline's name.
        name: the index's name.
        configs: declared embedder configs; one with the fingerprint of a model of the index is used for queries
            instead of the settings that were kept when the index was built.
        root: the folder that the media are in, by which relative uris go; default what the last scan noted.
        pool: keeps the models, which are then not released with this index; default the process's, which all share.

    Example:
        >>> Index.open("emoji_search").search("dog", limit=3)  # doctest: +SKIP
    """

    def __init__(
        self,
        store: Store,
        pipeline: str,
        name: str,
        configs: Iterable[EmbedderConfig] = (),
        *,
        root: str | None = None,
        pool: ModelPool | None = None,
    ) -> None:
        self.store = store
        self.pipeline = pipeline
        self.name = name
        self._models = QueryModels(name, configs, pool)
        self._readers = Readers(store)
        self._root = root
        self._noted_root: tuple[str, str] | None = None  # with the generation that it was read for

    @classmethod
    def open(
        cls,
        name: str,
        *,
        file: str | Path | None = None,
        pipeline: str | None = None,
        store: Store | str | Path | None = None,
        deployment: str | None = None,
    ) -> Self:
        """Open an index by name, as the command line does, without Dagster.

        Args:
            name: the index's name.
            file: the pipeline's YAML; default all of the project around the current folder.
            pipeline: the pipeline's name, where several have an index of that name.
            store: where the index is; without ``file`` no YAML is read, and models get the settings that the index
                kept.
            deployment: whose published generation; default what is declared, else what the environment says.

        Raises:
            SpecError: there is no such index, or there are several; a YAML is wrong.
            StoreError: the store cannot be used, or nothing of that name is published there.
        """
        location = find_index(name, file=file, pipeline=pipeline, store=store, deployment=deployment)
        return cls(location.store, location.pipeline, name, location.configs, root=location.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the query models that nobody else in the process uses; a later search loads them again."""
        self._models.close()

    def model(self, indexed: IndexedModel) -> PooledModel:
        """The model of a vector column, as it embeds queries; it is loaded when it is first needed.

        Raises:
            EmbeddingsOrchError: it is not the one that made the index, or its weights cannot be read.
        """
        return self._models.model(indexed)

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

    def root(self, generation: Generation) -> str:
        """The folder that relative uris of a generation's rows are in, or empty.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._root is not None:
            return self._root
        noted = self._noted_root
        if noted is None or noted[0] != generation.id:
            noted = self._noted_root = generation.id, self.store.catalog(self.pipeline).root()
        return noted[1]

    @takes(Request)
    def search(self, request: Request) -> Results:
        """Find the nearest items to a text, a picture, a vector or another item; by keywords; or by several at once.

        The arguments are those of `embeddings_orch.search.request.Request`, which explains them: the text may come
        first, all others are given by name.

        Raises:
            EmbeddingsOrchError: arguments that do not go together, an unreadable picture, a wrong filter, no such item,
                nothing published.
        """
        return self._search(request)

    @takes(Request)
    async def asearch(self, request: Request) -> Results:
        """`search` in a thread of the event loop's default pool, so that the loop goes on meanwhile.

        A search whose task is cancelled ends in its thread, and its answer is dropped.
        """
        return await asyncio.to_thread(self._search, request)

    def _search(self, request: Request) -> Results:
        if request.rerank is None or request.words is None:
            return self._rank(request)
        offset, limit = request.offset, request.limit
        first = self._rank(replace(request, offset=0, limit=request.rerank.window(offset + limit)))
        reranked = request.rerank.order(request.words, first)
        return replace(reranked, hits=reranked.hits[offset : offset + limit])

    def _rank(self, request: Request) -> Results:
        generation = request.generation or self.generation()
        if request.by_words and not generation.full_text:
            raise EmbeddingsOrchError(
                f"index {self.name!r} has no full text to search for words; declare its columns: full_text: [caption]"
            )
        reader = self._readers.of(generation)
        where = bind(request.where, request.params, reader.schema)
        try:
            queries = self._queries(request, generation, reader) if request.by_vectors else []
            ranked = page(request, queries, Candidates(reader, generation, where, request.id))
            return self._results(generation, reader, ranked)
        except StoreError:
            self._readers.forget(generation)
            raise

    def _queries(
        self, request: Request, generation: Generation, reader: IndexReader
    ) -> list[tuple[IndexedModel, Vectors]]:
        """The embeddings to search, each with the query's vector."""
        if request.id is not None:
            models = self._models.choose(generation, request.asked_embeddings, None, every=True)
            named = request.asked_embeddings is not None
            return read_vectors(reader, models, request.id, every=request.all_columns, named=named)
        if request.vector is not None:
            models = self._models.choose(generation, request.asked_embeddings, None, every=False)
            if len(models) > 1:
                raise EmbeddingsOrchError("a vector is of one model; name one embedding")
            return [(models[0], check_vector(request.vector, models[0], generation.metric))]
        modality: Modality = "text" if request.text is not None else "image"
        models = self._models.choose(generation, request.asked_embeddings, modality, every=request.all_columns)
        content: str | bytes | None = request.text
        if content is None:
            assert request.image is not None
            content = picture_bytes(request.image, allow_urls=request.allow_urls)
        return [(model, self._models.embed(model, modality, content)) for model in models]

    def _results(self, generation: Generation, reader: IndexReader, ranked: list[Candidate]) -> Results:
        schema = reader.schema
        vectors = {model.column for model in generation.models}
        names = [name for name in schema.names if name not in vectors and is_data(name)]
        rows = reader.take([candidate.row for candidate in ranked], names)
        hits, root = [], self.root(generation)
        for candidate in ranked:
            row = rows[candidate.id]
            uri = absolute_uri(root, row.pop("uri"))
            hits.append(Hit(row.pop("id"), uri, candidate.score, candidate.distance, row))
        metadata = [schema.field(name) for name in names if name not in ("id", "uri")]
        return Results(self.name, generation.id, hits, tuple(metadata))
