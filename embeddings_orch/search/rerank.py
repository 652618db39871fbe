"""The first hits put into another order, by a model that reads the query and each of their texts together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.reranker import Reranker
from embeddings_orch.plugins import suggestion
from embeddings_orch.search.results import Results


@dataclass(frozen=True)
class Rerank:
    """How to rerank.

    Attributes:
        model: the reranker; it is not closed.
        column: the column of the catalog that it reads; an item without a text there counts as an empty one.
        top: so many of the first hits are read, doubled until the page lies within.
    """

    model: Reranker[Any]
    column: str = "caption"
    top: int = 50

    def window(self, page_end: int) -> int:
        """How many hits are read, for a page that ends there."""
        if self.top < 1:
            raise EmbeddingsOrchError(f"top must be at least 1, not {self.top}")
        window = self.top
        while window < page_end:
            window *= 2
        return window

    def order(self, words: str, results: Results) -> Results:
        """The results with the model's scores, the best first, ties by id.

        Raises:
            EmbeddingsOrchError: there is no such column of texts, or the model's scores cannot be used.
        """
        texts = [field.name for field in results.columns if str(field.type) in ("string", "large_string")]
        if self.column not in texts:
            raise EmbeddingsOrchError(f"there is no column {self.column!r} of texts{suggestion(self.column, texts)}")
        if not results.hits:
            return results
        scores = np.asarray(self.model.scores(words, [str(hit.metadata[self.column] or "") for hit in results.hits]))
        if scores.shape != (len(results.hits),) or not np.isfinite(scores).all():
            raise EmbeddingsOrchError(
                f"the reranker gave scores of shape {scores.shape} for {len(results.hits)} texts, or such that are no "
                "numbers"
            )
        hits = [replace(hit, score=float(score)) for hit, score in zip(results.hits, scores, strict=True)]
        return replace(results, hits=sorted(hits, key=lambda hit: (-hit.score, hit.id)))
