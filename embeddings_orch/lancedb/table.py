"""A published generation as a LanceDB table whose metadata says how its queries are embedded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Self

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.query import (
    FullTextQuery,
    LanceHybridQueryBuilder,
    LanceQueryBuilder,
    LanceTakeQueryBuilder,
    LanceVectorQueryBuilder,
)
from lancedb.table import LanceTable

from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.lancedb.function import NAME
from embeddings_orch.lancedb.rows import TakenRows, absolute_reader
from embeddings_orch.lancedb.words import compose_query
from embeddings_orch.media.roots import absolute_uris
from embeddings_orch.models.content import Modality
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.search import Index
from embeddings_orch.search.counts import whole
from embeddings_orch.search.filters import bind
from embeddings_orch.store import Store
from embeddings_orch.store.base import short
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.index_reader import tune

READING = frozenset(
    [
        *(
            "blob_columns",
            "count_rows",
            "current_branch",
            "embedding_functions",
            "fetch_blob_files",
            "fetch_blob_ranges",
        ),
        *(
            "fetch_blobs",
            "from_inner",
            "head",
            "id",
            "index_stats",
            "infer_tokenizer_configs",
            "initial_storage_options",
        ),
        *("latest_storage_options", "list_indices", "list_versions", "name", "namespace", "open", "prewarm_data"),
        *("prewarm_index", "schema", "search", "stats", "take_offsets", "take_row_ids", "to_arrow", "to_batches"),
        *("to_pandas", "to_polars", "tokenize", "uri", "uses_v2_manifest_paths", "version", "wait_for_index"),
    ]
)
"""What a published table takes over of LanceDB's: nothing that writes, removes versions, or gives a table that does."""


def open_table(
    uri: Store | str | Path, index: str, *, pipeline: str | None = None, deployment: str | None = None
) -> PublishedTable:
    """Open the published generation of an index as a LanceDB table, whose own API then embeds the queries.

    The table stays at that generation; one that is opened later has what is published then. Nothing is written.

    Args:
        uri: the store: a folder, or ``s3://bucket/prefix``.
        index: the index's name.
        pipeline: the pipeline's name, where several have published an index of that name.
        deployment: whose published generation; default what the environment says.

    Raises:
        StoreError: the store cannot be used, or nothing of that name is published there.

    Example:
        >>> table = open_table(".embeddings_orch", "emoji_search")  # doctest: +SKIP
        >>> table.search("dog").limit(3).to_list()  # doctest: +SKIP
    """
    opened = Index.open(index, pipeline=pipeline, store=uri, deployment=deployment)
    generation = opened.generation()
    return PublishedTable.at(opened.store, generation, opened.root(generation))


class PublishedTable(LanceTable):  # type: ignore[misc]
    """One generation, read-only. It differs from LanceDB's own table in five things.

    Its ``schema`` has the metadata by which LanceDB embeds queries; they are not on disk, where LanceDB would embed
    what the pipeline writes. A search has the index's metric, the tuned parameters of approximate search, and, of
    several embeddings, the first that reads the query, unless it says others. The column ``uri`` of what is read is
    absolute; a filter sees it as it is stored, relative to the media's folder. What a filter compares with a column is
    read as the column's type, as `Index.search` does, and the words of a full text query are composed, as the texts
    are. Writing is refused.
    """

    generation: Generation
    root: str

    @classmethod
    def at(cls, store: Store, generation: Generation, root: str = "") -> Self:
        """Open a generation of a store.

        Args:
            store: the store.
            generation: the generation.
            root: the folder that relative uris are in.

        Raises:
            StoreError: it is gone, or cannot be read.
        """
        try:
            table: Self = cls.open(lancedb.connect(store.uri), generation.table)
            super(PublishedTable, table).checkout(generation.version)
        except (ValueError, RuntimeError, OSError) as error:
            what = f"version {generation.version} of index table {generation.table} cannot be opened"
            raise StoreError(f"{what}: {short(error)}") from error
        table.generation, table.root = generation, root
        return table

    @property
    def schema(self) -> pa.Schema:
        """The generation's schema, with ``embedding_functions`` among its metadata."""
        schema: pa.Schema = super().schema
        functions = [
            {
                "name": NAME,
                "source_column": _source_column(model.inputs, schema),
                "vector_column": model.column,
                "model": {**model.settings, "provider": model.provider, "fingerprint": model.fingerprint},
            }
            for model in self.generation.models
        ]
        return schema.with_metadata({**(schema.metadata or {}), "embedding_functions": json.dumps(functions)})

    def search(
        self,
        query: Any = None,
        vector_column_name: str | None = None,
        query_type: str = "auto",
        **options: Any,
    ) -> LanceQueryBuilder:
        """LanceDB's search, with the generation's settings as defaults; its builder changes them.

        Raises:
            EmbeddingsOrchError: the query cannot be embedded, or a model is not the one that made the generation.
        """
        needs_no_model = query is None or isinstance(query, list | np.ndarray | FullTextQuery)
        if vector_column_name is None and not needs_no_model and query_type != "fts":
            vector_column_name = self._column_for("text" if isinstance(query, str) else "image")
        builder = super().search(query, vector_column_name, query_type, **options)
        if isinstance(builder, LanceVectorQueryBuilder | LanceHybridQueryBuilder):
            builder = tune(builder.distance_type(self.generation.metric), self.generation.search)
        return _with_counts(builder)

    def count_rows(self, filter: str | None = None) -> int:
        """The rows that fulfil a filter, else all."""
        return int(super().count_rows(bind(filter, schema=super().schema)))

    def head(self, n: int = 5) -> pa.Table:
        """The first rows."""
        return absolute_uris(self.root, super().head(n))

    def to_arrow(self) -> pa.Table:
        """All rows."""
        return absolute_uris(self.root, super().to_arrow())

    def take_offsets(self, offsets: list[int]) -> LanceTakeQueryBuilder:
        """Rows by their places."""
        return TakenRows(self._table.take_offsets(offsets), self.root)

    def take_row_ids(self, row_ids: list[int]) -> LanceTakeQueryBuilder:
        """Rows by LanceDB's ids of them."""
        return TakenRows(self._table.take_row_ids(row_ids), self.root)

    def _execute_query(self, query: Any, **options: Any) -> pa.RecordBatchReader:
        # What every search of LanceDB's, and its adapters, read rows by.
        changed: dict[str, Any] = {}
        if isinstance(query.filter, str):
            changed["filter"] = bind(query.filter, schema=super().schema)
        for name in ("limit", "offset"):
            if (count := getattr(query, name)) is not None:
                # LanceDB cannot count further than 64 bits, and there are no more rows.
                changed[name] = min(count, max(super().count_rows(), 1))
        query = compose_query(query.model_copy(update=changed))
        return absolute_reader(self.root, super()._execute_query(query, **options))

    def close(self) -> None:
        """Release the models that embed the queries and that nobody else uses; a later search loads them again."""
        for configured in self.embedding_functions.values():
            configured.function.close()

    def _column_for(self, modality: Modality) -> str:
        """The first embedding that reads a query."""
        for model in self.generation.models:
            if modality in self.embedding_functions[model.column].function.reads:
                return model.column
        names = ", ".join(model.column for model in self.generation.models)
        raise EmbeddingsOrchError(f"none of the models of index {self.generation.index!r} reads {modality} ({names})")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise StoreError(
            f"the table is generation {self.generation.id} of index {self.generation.index!r} and read-only: change "
            "the media and run the pipeline, then open the table again"
        )


def _with_counts(builder: LanceQueryBuilder) -> LanceQueryBuilder:
    """A builder whose ``limit`` and ``offset`` say what is wrong with them; below 1 is no limit, as LanceDB has it."""

    def checked(set_count: Callable[[int | None], LanceQueryBuilder], name: str) -> Callable[..., LanceQueryBuilder]:
        return lambda count: set_count(None if count is None else max(whole(count, name, -sys.maxsize), 0))

    for name in ("limit", "offset"):
        setattr(builder, name, checked(getattr(builder, name), name))
    return builder


def _source_column(inputs: Inputs, schema: pa.Schema) -> str:
    """A column that LanceDB takes for what was embedded; nothing reads it, as the rows have their vectors."""
    column = inputs.names[0] if len(inputs.names) == 1 else ""
    return column if column in schema.names else "uri"


def _refuse_all_but_reading() -> None:
    """Put a refusal in the place of whatever LanceDB's table can do, of this release and of later ones."""
    for name in dir(LanceTable):
        if not name.startswith("_") and name not in READING and name not in vars(PublishedTable):
            offered = getattr(LanceTable, name)
            refusal = property(PublishedTable._refuse) if isinstance(offered, property) else PublishedTable._refuse
            setattr(PublishedTable, name, refusal)


_refuse_all_but_reading()
