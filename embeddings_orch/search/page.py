"""The asked page of hits: of one ranking, or of several fused."""

from __future__ import annotations

from embeddings_orch.embedder import Vectors
from embeddings_orch.search.candidates import Candidate, Candidates
from embeddings_orch.search.fusion import Ranking, by_reciprocal_rank, by_relative_score
from embeddings_orch.search.request import Request
from embeddings_orch.store.generations import IndexedModel


def page(asked: Request, queries: list[tuple[IndexedModel, Vectors]], candidates: Candidates) -> list[Candidate]:
    """The hits from ``offset`` on, ``limit`` at most, after the fusion."""
    single = len(queries) + asked.by_words == 1
    count = asked.offset + asked.limit if single else asked.window()
    rankings = {model.column: candidates.nearest(vector, model.column, count) for model, vector in queries}
    by_words = candidates.keyword(asked.words or "", count) if asked.by_words else []
    places = slice(asked.offset, asked.offset + asked.limit)
    if single:
        return [*(one for ranking in rankings.values() for one in ranking), *by_words][places]
    shares, share_of_words = asked.shares(list(rankings))
    weighted = [(shares[column], ranking) for column, ranking in rankings.items()]
    if asked.by_words:
        weighted.append((share_of_words, by_words))
    fuse = by_relative_score if asked.relative else by_reciprocal_rank
    scores = fuse([Ranking({one.id: one.score for one in ranking}, share) for share, ranking in weighted])
    # Those found by words come first, so that a distance is kept where there is one.
    found = {one.id: one for ranking in (by_words, *rankings.values()) for one in ranking}
    alone = len(rankings) == 1
    return [
        Candidate(item, found[item].row, score, found[item].distance if alone else None)
        for item, score in list(scores.items())[places]
    ]
