"""Reads of one version of an index table: by vector, by words, by id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embeddings_orch.errors import FilterError, StoreError
from embeddings_orch.models.rows.notes import is_data
from embeddings_orch.models.words import NAMES, compose_words, decompose_words
from embeddings_orch.store.base import short, store_errors, text

if TYPE_CHECKING:
    from lancedb.query import FullTextQuery

_LONGEST = 1000
"""Characters of a filter that an error repeats; with its values it may have megabytes."""

ROW = "_rowid"
"""The column by which `IndexReader.take` finds a row again."""


class IndexReader:
    """Searches one version, opened once; for any number of threads.

    Args:
        table: a LanceDB table that is checked out.
    """

    def __init__(self, table: Any) -> None:
        self._table = table

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the version."""
        return self._table.schema

    @cached_property
    def _rows(self) -> int:
        return int(self._table.count_rows())

    def _at_most(self, limit: int) -> int:
        """A limit that LanceDB can count to: what is above the number of rows is the same."""
        return min(limit, max(self._rows, 1))

    def nearest(
        self,
        vector: Any,
        column: str,
        *,
        metric: str,
        limit: int,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        search: dict[str, int] | None = None,
    ) -> pa.Table:
        """Nearest rows, with ``_distance``, nearest first; rows without a vector are never among them.

        Raises:
            FilterError: the filter is wrong.
            StoreError: the version cannot be read.
        """

        def query() -> Any:
            vector_query = self._table.search(vector, vector_column_name=column, query_type="vector")
            return tune(vector_query.distance_type(metric).limit(self._at_most(limit)), search)

        return self._answer(query, where, columns, "_distance")

    def keyword(
        self,
        words: str,
        full_text: Sequence[str],
        *,
        limit: int,
        where: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows with some of the words, with ``_score``, best first: BM25 of the column that scores highest.

        Letters with accents are the same however they are written, in the texts and in the words.

        Raises:
            FilterError: the filter is wrong.
            StoreError: the version cannot be read.
        """

        def query() -> Any:
            return self._table.search(_match(words, full_text), query_type="fts").limit(self._at_most(limit))

        return self._answer(query, where, columns, "_score")

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows by their ``_rowid``: their columns as plain values, by id."""
        if not rows:
            return {}
        with store_errors(f"index table {self._table.name}"):
            records = self._table.take_row_ids(list(rows)).select(list(columns)).to_arrow().to_pylist()
        return {row["id"]: row for row in records}

    def row(self, item: str, columns: Sequence[str]) -> dict[str, Any] | None:
        """Columns of the row with an id, None where there is none."""
        with store_errors(f"index table {self._table.name}"):
            query = self._table.search().where(f"id = {text(item)}").select(list(columns)).limit(1)
            rows: list[dict[str, Any]] = query.to_arrow().to_pylist()
        return rows[0] if rows else None

    def _answer(
        self, make: Callable[[], Any], where: str | None, columns: Sequence[str] | None, measure: str
    ) -> pa.Table:
        try:
            query = self._select(make(), columns, measure)
            return (query.where(where, prefilter=True) if where else query).to_arrow()
        except (ValueError, RuntimeError, OSError) as error:
            kind = FilterError if where and self._answers(self._select(make(), columns, measure)) else StoreError
            raise kind(f"search failed{self._filter_hint(where)}: {short(error)}") from error

    def _select(self, query: Any, columns: Sequence[str] | None, measure: str) -> Any:
        if columns is not None:
            # The measure has to be asked for, the row's place has a switch of its own.
            query = query.select([*(name for name in columns if name != ROW), measure])
            query = query.with_row_id(True) if ROW in columns else query
        return query

    def _answers(self, query: Any) -> bool:
        """Whether a query without a filter goes well: LanceDB has no error of its own for filters."""
        try:
            query.to_arrow()
        except (ValueError, RuntimeError, OSError):
            return False
        return True

    def _filter_hint(self, where: str | None) -> str:
        if not where:
            return ""
        names = list(filter(is_data, self.schema.names))
        told = where if len(where) <= _LONGEST else f"{where[:_LONGEST]} ..."
        return f" (filter: {told}; columns: {', '.join(names)})"


def _match(words: str, full_text: Sequence[str]) -> FullTextQuery:
    from lancedb.query import BooleanQuery, MultiMatchQuery, Occur

    composed, apart = compose_words(words), decompose_words(words)
    # Query objects, so that no character of the words is read as syntax.
    match = MultiMatchQuery(composed, list(full_text))
    names = [name for name in full_text if name in NAMES]
    if not names or apart == composed:
        return match
    return BooleanQuery([(Occur.SHOULD, match), (Occur.SHOULD, MultiMatchQuery(apart, names))])


def tune(query: Any, search: dict[str, int] | None) -> Any:
    """A vector query with the parameters of approximate search."""
    if not search:
        return query
    # No most: a filter that leaves few rows makes the search go on until it has found enough.
    return query.minimum_nprobes(search["nprobes"]).maximum_nprobes(0).refine_factor(search["refine_factor"])
