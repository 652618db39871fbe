"""Several rankings of the same items made into one.

By reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009): an item's score is the sum over the rankings of
``weight / (60 + rank)``, rank 1 being the best. It needs no scores that compare, only orders.

By relative score, as Weaviate's ``relativeScoreFusion``: each ranking's scores are spread over 0 to 1,
``(score - lowest) / (highest - lowest)``, and an item's score is the weighted mean of its own. In either, a ranking
that lacks an item adds nothing to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Fusion = Literal["rrf", "relative"]

K = 60
"""Cormack's constant: how little the first ranks differ."""


@dataclass(frozen=True)
class Ranking:
    """One way to order the items.

    Attributes:
        scores: by id, higher is better; the best first, ties by id.
        weight: its share, relative to the other rankings'.
    """

    scores: dict[str, float]
    weight: float = 1.0


def by_reciprocal_rank(rankings: Sequence[Ranking], *, k: int = K) -> dict[str, float]:
    """Fuse by rank; the best first, ties by id."""
    return _fuse(
        rankings,
        lambda ranking: {item: ranking.weight / (k + rank) for rank, item in enumerate(ranking.scores, start=1)},
    )


def by_relative_score(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Fuse by score, each from 0 to 1; the best first, ties by id. Scores that are all the same count as 1."""
    total = sum(ranking.weight for ranking in rankings)

    def spread(ranking: Ranking) -> dict[str, float]:
        low, high = min(ranking.scores.values(), default=0.0), max(ranking.scores.values(), default=0.0)
        share = ranking.weight / total
        return {
            item: share * (1.0 if high == low else (score - low) / (high - low))
            for item, score in ranking.scores.items()
        }

    return _fuse(rankings, spread)


def _fuse(rankings: Sequence[Ranking], gives: Callable[[Ranking], dict[str, float]]) -> dict[str, float]:
    parts: dict[str, list[float]] = {}
    for ranking in rankings:
        for item, score in gives(ranking).items():
            parts.setdefault(item, []).append(score)
    # Rounded once, so that a tie is one whichever ranking came first.
    return in_order({item: math.fsum(scores) for item, scores in parts.items()})


def in_order(scores: dict[str, float]) -> dict[str, float]:
    """The best first; of the same score, by id."""
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
