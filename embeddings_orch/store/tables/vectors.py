"""Vectors of one model: immutable, keyed by content, appended only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.models.content import ContentId, Vectors
from embeddings_orch.models.keys import KEY, no_keys
from embeddings_orch.store.base import Database, TableOf, guard, store_errors
from embeddings_orch.store.conflicts import is_conflict
from embeddings_orch.store.prune import prune, removable
from embeddings_orch.store.room import is_full
from embeddings_orch.store.tidy import count_fragments, should_look, used_since

MOST_FRAGMENTS = 100
"""A table of more is slow to read: of 500, keys take 8 and vectors 3 times as long as of one."""

_MOST_OLD = 100
"""Versions that nobody reads and that stay; removing them takes a compaction."""

_NEVER = timedelta(days=36_500)


class VectorsTable(TableOf):
    """``key`` with what it was made of, and ``vector``; a key that two writers wrote counts once.

    Args:
        database: the store.
        name: of the table.
        begin: called before the table is made, perhaps anew: what is noted of another one's versions is void.
    """

    def __init__(self, database: Database, name: str, begin: Callable[[], None] = lambda: None) -> None:
        super().__init__(database, name)
        self._begin = begin

    def at(self, version: int | None = None) -> Any | None:
        """See `TableOf.at`.

        Raises:
            StoreError: the table's data are there and its versions are lost: embedding all anew could cost a lot.
        """
        table = super().at(version)
        # The table is made empty, before its first data; so this is no run that was killed.
        if table is None and version is None and self.database.has_data(self.name):
            raise StoreError(
                f"table {self.name} is damaged: it has data files and no version that can be read. "
                "Restore its _versions folder from a backup, or delete the table to embed everything again"
            )
        return table

    @guard
    def keys(self) -> pa.Array:
        """The distinct keys that have a vector."""
        return pc.unique(self._keys())

    def _keys(self) -> pa.ChunkedArray:
        """The key of every row, in the table's order."""
        table = self.database.read(self.name, columns=["key"])
        if table is None:
            self.at()  # says where the table is damaged
            return pa.chunked_array([no_keys()])
        return table["key"]

    def version(self) -> int | None:
        """The latest version, or None where there is none."""
        table = self.at()
        return None if table is None else int(table.version)

    def dimensions(self) -> int | None:
        """The length of the vectors, or None where there are none yet."""
        table = self.at()
        return None if table is None else int(table.schema.field("vector").type.list_size)

    @guard
    def append(self, contents: Sequence[ContentId], vectors: Sequence[Vectors] | Vectors) -> None:
        """Commit vectors of contents, shape (len(contents), dimensions), float32."""
        if contents:
            self.append_rows(vector_rows(contents, vectors))

    @guard
    def append_rows(self, rows: pa.Table) -> None:
        """Commit rows that `vector_rows` made."""
        if self.at() is None:
            self._begin()
        self.database.create(self.name, rows.schema).add(rows)

    @guard
    def compact_between(self, grace: float = 0.0, *, most: int = MOST_FRAGMENTS) -> bool:
        """Join the fragments that a run's checkpoints left so far, where that is worth it; else nothing is done.

        It is where those beside the largest have half its rows: so all compactions of a run together write no more
        than three times what the last one does, and a table has a few hundred fragments at the most.

        Args:
            grace: as of `compact`.
            most: fragments that are left as they are.

        Returns:
            Whether it did.
        """
        table = self.at()
        stats = {} if table is None else table.stats()
        if table is None or stats["fragment_stats"]["num_fragments"] <= most:
            return False
        largest = stats["fragment_stats"]["lengths"]["max"]
        return 2 * (stats["num_rows"] - largest) >= largest and self._compact(table, grace)

    @guard
    def compact(self, grace: float = 0.0, *, most: int = MOST_FRAGMENTS) -> bool:
        """Join the fragments that checkpoints left, where there are many, and remove versions that nobody reads.

        Args:
            grace: seconds that a version stays after a later one came; never less than `store.tidy.GRACE`.
            most: fragments that are left as they are.

        Returns:
            Whether it did. Others may append meanwhile; where another run compacts too, one of the two is enough.
        """
        table = self.at()
        if table is None:
            return False
        if count_fragments(table) > most:
            return self._compact(table, grace)
        if should_look(table) and len(removable(self.history(), (), used_since(grace))) > _MOST_OLD:
            return self._compact(table, grace)
        return False

    def _compact(self, table: Any, grace: float) -> bool:
        try:
            table.optimize(cleanup_older_than=_NEVER)
        except (OSError, RuntimeError, ValueError) as error:
            # What is to be joined is there already, and stays.
            if not is_conflict(error) and not is_full(error):
                raise
            return False
        with suppress(StoreError):  # another run's clean-up: one of the two is enough
            prune(self, (), used_since(grace))
        return True

    def scan(self, keys: pa.Array | None = None, batch_rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """All rows in batches, duplicates included; or those of some keys."""
        table = self.at()
        if table is None:
            return
        with store_errors(f"table {self.name} of the store"):
            # Looked up once: each batch on its own would make the lookup anew.
            wanted = None if keys is None else pc.is_in(_keys_of(table), keys)
            start = 0
            for batch in table.search().select(["key", "vector"]).to_batches(batch_rows):
                yield batch if wanted is None else batch.filter(wanted.slice(start, batch.num_rows))
                start += batch.num_rows

    @guard
    def take(self, keys: pa.Array) -> pa.Array:
        """The vectors of some keys, in their order; null where a key or its vector is missing.

        It reads only the key column and the rows asked for; memory is the result's, (len(keys), dimensions) float32.
        """
        return next(self.chunks(keys, max(1, len(keys))))

    def chunks(self, keys: pa.Array, count: int) -> Iterator[pa.Array]:
        """What `take` returns, so many keys at a time: they are looked up once, and all are read of one version.

        Args:
            keys: whose vectors; of none, there is one empty chunk.
            count: of keys in a chunk.
        """
        table = self.at()
        with store_errors(f"table {self.name} of the store"):
            rows = pa.nulls(len(keys), pa.int32()) if table is None else pc.index_in(keys, _keys_of(table))
            for start in range(0, max(1, len(keys)), count):
                yield _take_rows(table, rows.slice(start, count))


def _keys_of(table: Any) -> pa.Array:
    """The key of every row, in the order in which all reads of one version return them."""
    return table.search().select(["key"]).to_arrow()["key"].combine_chunks()


def _take_rows(table: Any | None, rows: pa.Array) -> pa.Array:
    """The vectors of some rows, null for null."""
    dimensions = 1 if table is None else int(table.schema.field("vector").type.list_size)
    there = rows.is_valid().to_numpy(zero_copy_only=False)
    distinct, places = np.unique(rows.drop_null().to_numpy(), return_inverse=True)
    result = np.zeros((len(rows), dimensions), dtype=np.float32)
    if table is not None and len(distinct):
        # LanceDB gives rows in the table's order, which is that of the sorted offsets.
        taken = table.take_offsets(distinct.tolist()).select(["vector"]).to_arrow()
        result[there] = matrix_of(taken["vector"])[places]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(result.ravel()), dimensions)
    return flat if there.all() else pc.if_else(pa.array(there), flat, pa.scalar(None, flat.type))


def vector_rows(contents: Sequence[ContentId], vectors: Sequence[Vectors] | Vectors) -> pa.Table:
    """Rows of a table of vectors: of at least one content, and vectors, shape (len(contents), dimensions), float32."""
    matrix = np.ascontiguousarray(np.stack(list(vectors)) if isinstance(vectors, Sequence) else vectors, np.float32)
    columns = [
        pa.array([content.key for content in contents], KEY),
        pa.array([content.modality for content in contents]),
        pa.array([bytes.fromhex(content.sha256) for content in contents], KEY),
        pa.array([content.part or None for content in contents], pa.string()),
        pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1]),
    ]
    return pa.table(columns, schema=vectors_schema(matrix.shape[1]))


def vectors_schema(dimensions: int) -> pa.Schema:
    """The columns of a table of vectors of some length."""
    return pa.schema(
        [
            pa.field("key", KEY, nullable=False),
            pa.field("modality", pa.string(), nullable=False),
            pa.field("content_hash", KEY, nullable=False),
            pa.field("part", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


def matrix_of(column: pa.Array | pa.ChunkedArray) -> Vectors:
    """A fixed-size-list column without nulls as an array of shape (rows, dimensions), float32."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # no chunks at all
            return np.zeros((0, column.type.list_size), dtype=np.float32)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(-1, column.type.list_size)
