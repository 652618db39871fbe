"""An index table: the catalog's columns, a vector column per model, and the indexes over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.models.analysis import Analysis
from embeddings_orch.models.content import Vectors
from embeddings_orch.models.rows.notes import DIGEST_COLUMN
from embeddings_orch.models.rows.sums import sum_digests
from embeddings_orch.store.base import MERGED_COLUMNS, TableOf, guard, in_list, merge, store_errors
from embeddings_orch.store.boxes import dense
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.prune import settle
from embeddings_orch.store.tables.index_reader import IndexReader, tune

if TYPE_CHECKING:
    from lancedb.index import FTS

EXACT_UP_TO = 20_000
"""Rows up to which search is exact: an approximate index would not be faster."""

MOST_SEGMENTS = 8
"""Segments of an approximate index: a query asks each, and takes three times as long of thirty as of one."""

_DELETED_AT_ONCE = 5000
_DEFAULT = Analysis.of_options({})


class IndexTable(TableOf):
    """Reads, writes and searches one index table."""

    @guard
    def digests(self, version: int | None = None) -> dict[str, bytes]:
        """``{id: digest}`` of the rows, empty where the table or version is not there."""
        rows = self.database.read(self.name, columns=["id", DIGEST_COLUMN], version=version)
        if rows is None:
            return {}
        return dict(zip(rows["id"].to_pylist(), rows[DIGEST_COLUMN].to_pylist(), strict=True))

    @guard
    def digest(self, version: int) -> tuple[int, bytes]:
        """How many rows a version has, and the sum of their digests: other rows have another count or sum.

        Raises:
            StoreError: the version is gone.
        """
        rows = self.database.read(self.name, columns=[DIGEST_COLUMN], version=version)
        if rows is None:
            raise self._gone(version)
        return rows.num_rows, sum_digests(rows[DIGEST_COLUMN])

    def latest(self) -> int | None:
        """The latest version, or None where there is none."""
        table = self.at()
        return None if table is None else int(table.version)

    @guard
    def write(self, chunks: Iterator[pa.Table], schema: pa.Schema, deleted: Sequence[str]) -> None:
        """Upsert rows by id, and delete others; readers of an earlier version see none of it."""
        self.database.create(self.name, schema, primary_key="id")
        remaining = list(deleted)
        for rows in chunks:
            upserted, dropped = rows.cast(schema), remaining[:_DELETED_AT_ONCE]
            if len(schema) > MERGED_COLUMNS:
                self._replace(upserted, dropped)
            else:
                retry_conflicts(partial(self._merge, upserted, dropped))
            remaining = remaining[_DELETED_AT_ONCE:]
        self.delete(remaining)

    def _replace(self, rows: pa.Table, deleted: Sequence[str]) -> None:
        # Two commits: whoever builds a generation compares what is there with what it wanted.
        if self.total():
            self.delete([*rows["id"].to_pylist(), *deleted])
        retry_conflicts(lambda: self._latest().add(dense(rows), on_bad_vectors="null"))

    def _merge(self, rows: pa.Table, deleted: Sequence[str]) -> None:
        merge(self._latest(), rows, deleted)

    def _latest(self) -> Any:
        table = self.at()
        assert table is not None, f"table {self.name} was removed"
        return table

    @guard
    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by id."""
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            where = in_list("id", ids[start : start + _DELETED_AT_ONCE])
            retry_conflicts(partial(self._delete, where))

    def _delete(self, where: str) -> None:
        self._latest().delete(where)

    @guard
    def repeated_ids(self, version: int) -> list[str]:
        """Ids that several rows of a version have."""
        rows = self.database.read(self.name, columns=["id"], version=version)
        if rows is None:
            raise self._gone(version)
        counts = pc.value_counts(rows["id"].combine_chunks())
        return [str(item["values"]) for item in counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist()]

    @guard
    def build_indexes(
        self, vectors: Sequence[str], metric: str, full_text: Sequence[str], analysis: Analysis = _DEFAULT
    ) -> None:
        """Make the indexes that are missing, and bring the others up to date."""
        retry_conflicts(lambda: self._build_indexes(vectors, metric, full_text, analysis))

    def _build_indexes(self, vectors: Sequence[str], metric: str, full_text: Sequence[str], analysis: Analysis) -> None:
        from lancedb.index import IvfRq

        table = self.at()
        assert table is not None
        there = {_column(index): index.name for index in table.list_indices()}
        for column in full_text:
            if column not in there:
                table.create_index(column, config=_full_text_config(analysis))
        for column in vectors:
            if column in there:
                # Anew, beside the files that earlier versions have: LanceDB adds a segment for what is new and never
                # joins segments, nor fragments that different segments cover.
                wanted = table.index_stats(there[column]).num_indices >= MOST_SEGMENTS
            else:
                wanted = table.count_rows(_has(column)) > EXACT_UP_TO
            if wanted:
                table.create_index(column, config=IvfRq(distance_type=metric))
        # Wholly, so that a clean-up later has nothing to compact and makes no version that is no generation.
        settle(self.at)

    def approximate(self, column: str, version: int) -> bool:
        """Whether a vector column has an approximate index at a version."""
        return any(_column(index) == column for index in self._require(version).list_indices())

    def reader(self, version: int) -> IndexReader:
        """Searches one version.

        Raises:
            StoreError: the version is gone.
        """
        return IndexReader(self._require(version))

    @guard
    def nearest_distances(
        self, vectors: Vectors, column: str, *, version: int, metric: str, limit: int, search: dict[str, int]
    ) -> list[list[float]]:
        """For each of several vectors, shape (n, dimensions), the distances that `nearest` finds."""
        if len(vectors) == 1:
            # LanceDB numbers the queries only where there are several.
            vectors = np.concatenate([vectors, vectors])
            return self.nearest_distances(vectors, column, version=version, metric=metric, limit=limit, search=search)[
                :1
            ]
        query = self._require(version).search(list(vectors), vector_column_name=column, query_type="vector")
        query = tune(query.distance_type(metric).limit(limit), search).select(["id", "_distance"])
        # One call takes a fortieth of the time that as many calls do.
        rows = query.to_arrow()
        distances: list[list[float]] = [[] for _ in vectors]
        for number, distance in zip(rows["query_index"].to_pylist(), rows["_distance"].to_pylist(), strict=True):
            distances[number].append(distance)
        return distances

    def schema(self, version: int) -> pa.Schema:
        """The schema of a version."""
        return self._require(version).schema

    def columns(self, version: int) -> list[str]:
        """The column names of a version."""
        return list(self._require(version).schema.names)

    def scan(
        self, version: int, columns: Sequence[str], batch_rows: int = 8192, where: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """All rows of a version, or those that match, in batches."""
        query = self._require(version).search().select(list(columns))
        with store_errors(f"index table {self.name}"):
            yield from (query.where(where) if where else query).to_batches(batch_rows)

    @guard
    def count(self, version: int, column: str | None = None) -> int:
        """Rows of a version, or those that have a value in a column."""
        return int(self._require(version).count_rows(_has(column) if column else None))

    def sample(self, version: int, column: str, count: int) -> pa.Table:
        """Up to ``count`` rows that have a vector, spread evenly over the table: ``id`` and the column."""
        picked: list[pa.Table] = []
        total = self.count(version, column)
        step = max(1, total // max(1, count))
        seen = 0
        for batch in self.scan(version, ["id", column], where=_has(column)):
            rows = pa.table(batch)
            picked.append(rows.take(pa.array([i for i in range(rows.num_rows) if (seen + i) % step == 0], pa.int64())))
            seen += rows.num_rows
        if not picked:
            schema = self.schema(version)
            return pa.schema([schema.field("id"), schema.field(column)]).empty_table()
        return pa.concat_tables(picked).slice(0, count)

    def _require(self, version: int) -> Any:
        table = self.at(version)
        if table is None:
            raise self._gone(version)
        return table

    def _gone(self, version: int) -> StoreError:
        return StoreError(f"version {version} of index table {self.name} is gone; build the index again")


def _full_text_config(analysis: Analysis) -> FTS:
    from lancedb.index import FTS

    stop_words = analysis.stop_words
    return FTS(
        with_position=True,
        # The type that LanceDB declares has not all that it takes.
        base_tokenizer=analysis.tokenizer,
        language=analysis.language,
        max_token_length=analysis.max_token_length,
        lower_case=analysis.lower_case,
        stem=analysis.stem,
        remove_stop_words=stop_words is not False,
        custom_stop_words=list(stop_words) if isinstance(stop_words, tuple) else None,
        ascii_folding=analysis.ascii_folding,
        ngram_min_length=analysis.ngram_min_length,
        ngram_max_length=analysis.ngram_max_length,
    )


def _column(index: Any) -> str:
    """The column of an index; LanceDB quotes those that SQL would not read as they are."""
    name: str = index.columns[0]
    return name[1:-1] if name.startswith("`") else name


def _has(column: str) -> str:
    return f"`{column}` IS NOT NULL"
