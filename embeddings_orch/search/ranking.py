"""The asked page of hits: of one ranking, or of several fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embeddings_orch.models.content import Vectors
from embeddings_orch.search.fusion import Ranking, by_reciprocal_rank, by_relative_score
from embeddings_orch.search.request import Request
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.index_reader import ROW, IndexReader

_MOST_MORE = 10_000
"""Items beyond the wanted ones that are looked at for ties: copies of one picture all have one distance."""


@dataclass(frozen=True)
class Candidate:
    """An item of one ranking.

    Attributes:
        row: where the index table has it.
        score: higher is better.
        distance: None where it was found by words.
    """

    id: str
    row: int
    score: float
    distance: float | None


@dataclass(frozen=True)
class Candidates:
    """Asks one version of an index.

    Attributes:
        where: a filter that every item fulfils.
        without: the id of an item that is left out.
    """

    reader: IndexReader
    generation: Generation
    where: str | None = None
    without: str | None = None

    def nearest(self, vector: Vectors, column: str, count: int) -> list[Candidate]:
        """The nearest items to a vector."""

        def fetch(limit: int) -> pa.Table:
            return self.reader.nearest(
                vector,
                column,
                metric=self.generation.metric,
                limit=limit,
                where=self.where,
                columns=["id", ROW],
                search=self.generation.search,
            )

        rows = self._first(fetch, "_distance", count)
        metric = self.generation.metric
        ordered = sorted(rows, key=lambda row: (row["_distance"], row["id"]))
        return [
            Candidate(row["id"], row[ROW], similarity(row["_distance"], metric), row["_distance"])
            for row in ordered[:count]
        ]

    def keyword(self, words: str, count: int) -> list[Candidate]:
        """The items with some of the words, by BM25."""

        def fetch(limit: int) -> pa.Table:
            return self.reader.keyword(
                words, self.generation.full_text, limit=limit, where=self.where, columns=["id", ROW]
            )

        rows = self._first(fetch, "_score", count)
        ordered = sorted(rows, key=lambda row: (-row["_score"], row["id"]))
        return [Candidate(row["id"], row[ROW], row["_score"], None) for row in ordered[:count]]

    def _first(self, fetch: Callable[[int], pa.Table], measure: str, count: int) -> list[dict[str, Any]]:
        """At least so many rows, and all that tie with the last of them."""
        needed = count + (self.without is not None)
        # No more than it takes to see a tie: approximate search reads the vectors of many times as many.
        more = 1
        rows = fetch(needed + more)
        # What comes after the last place wins it, where the two are the same and the store's order is by chance.
        while (
            len(rows) >= needed + more
            and more < _MOST_MORE
            and rows[measure][needed - 1].as_py() == rows[measure][-1].as_py()
        ):
            more = min(more * 16, _MOST_MORE)
            rows = fetch(needed + more)
        items: list[dict[str, Any]] = rows.to_pylist()
        return [row for row in items if row["id"] != self.without]


def similarity(distance: float, metric: str) -> float:
    """A score, higher is better: 1 - distance for cosine and dot, 1 / (1 + distance) for l2."""
    return 1 / (1 + distance) if metric == "l2" else 1 - distance


def page(request: Request, queries: list[tuple[IndexedModel, Vectors]], candidates: Candidates) -> list[Candidate]:
    """The hits from ``offset`` on, ``limit`` at most, after the fusion."""
    single = len(queries) + request.by_words == 1
    count = request.offset + request.limit if single else request.window()
    rankings = {model.column: candidates.nearest(vector, model.column, count) for model, vector in queries}
    by_words = candidates.keyword(request.words or "", count) if request.by_words else []
    places = slice(request.offset, request.offset + request.limit)
    if single:
        return [*(candidate for ranking in rankings.values() for candidate in ranking), *by_words][places]
    shares, share_of_words = request.shares(list(rankings))
    weighted = [(shares[column], ranking) for column, ranking in rankings.items()]
    if request.by_words:
        weighted.append((share_of_words, by_words))
    fuse = by_relative_score if request.relative else by_reciprocal_rank
    scores = fuse(
        [Ranking({candidate.id: candidate.score for candidate in ranking}, share) for share, ranking in weighted]
    )
    # Those found by words come first, so that a distance is kept where there is one.
    by_id = {candidate.id: candidate for ranking in (by_words, *rankings.values()) for candidate in ranking}
    alone = len(rankings) == 1
    return [
        Candidate(item, by_id[item].row, score, by_id[item].distance if alone else None)
        for item, score in list(scores.items())[places]
    ]
