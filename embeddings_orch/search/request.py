"""What is asked of a search: which query, of which rankings, how they are fused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, get_args

from embeddings_orch.embedding.contents import Picture
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.content import Vectors
from embeddings_orch.search.fusion import Fusion
from embeddings_orch.search.rerank import Rerank
from embeddings_orch.store.tables.generations import Generation

CANDIDATES = 200
"""Items of each ranking that are fused."""

HYBRID_ALPHA = 0.5


class SearchOptions(TypedDict, total=False):
    """The keyword arguments of `Index.search`, which explains them."""

    image: Picture | None
    vector: Sequence[float] | Vectors | None
    id: str | None
    keyword: str | None
    hybrid: bool
    alpha: float | None
    weights: Mapping[str, float] | None
    fusion: Fusion | None
    column: str | None
    columns: Sequence[str] | None
    where: str | None
    params: Mapping[str, Any] | None
    limit: int
    offset: int
    candidates: int
    rerank: Rerank | None
    allow_urls: bool
    generation: Generation | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of a search, checked together; see `Index.search`.

    Raises:
        EmbeddingsOrchError: they do not go together.
    """

    text: str | None = None
    image: Picture | None = None
    vector: Sequence[float] | Vectors | None = None
    id: str | None = None
    keyword: str | None = None
    hybrid: bool = False
    alpha: float | None = None
    weights: Mapping[str, float] | None = None
    fusion: Fusion | None = None
    columns: tuple[str, ...] | None = None
    limit: int = 10
    offset: int = 0
    candidates: int = CANDIDATES

    def __post_init__(self) -> None:
        queries = [query for query in (self.text, self.image, self.vector, self.id) if query is not None]
        if len(queries) > 1 or not (queries or self.keyword is not None):
            raise EmbeddingsOrchError("give exactly one of text, image, vector and id, or keyword alone")
        for name, least in (("limit", 1), ("offset", 0), ("candidates", 1)):
            if getattr(self, name) < least:
                raise EmbeddingsOrchError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.keyword is not None and not self.keyword.strip():
            raise EmbeddingsOrchError("the keywords are empty")
        if (self.hybrid or self.alpha is not None) and self.words is None:
            raise EmbeddingsOrchError("a hybrid search needs words: give a text, or keyword beside the other query")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise EmbeddingsOrchError(f"alpha is from 0, keywords only, to 1, vectors only, not {self.alpha}")
        if self.fusion not in (None, *get_args(Fusion)):
            raise EmbeddingsOrchError(f"fusion is one of {', '.join(get_args(Fusion))}, not {self.fusion!r}")
        self._check_columns()

    def _check_columns(self) -> None:
        weights = self.weights
        if self.columns is not None and not self.columns:
            raise EmbeddingsOrchError("columns names no embedding")
        if twice := [name for name, times in Counter(self.columns or ()).items() if times > 1]:
            raise EmbeddingsOrchError(f"columns names {twice[0]!r} more than once; weights say how much each counts")
        if weights is None:
            return
        if (
            not weights
            or not all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
            or not self._weight_names
        ):
            raise EmbeddingsOrchError("weights are numbers from 0, at least one of them above it")
        if self.columns is not None and set(weights) != set(self.columns):
            raise EmbeddingsOrchError("weights and columns name different embeddings; weights alone will do")

    @property
    def _weight_names(self) -> list[str]:
        return [name for name, weight in (self.weights or {}).items() if weight > 0]

    @property
    def query(self) -> bool:
        """Whether there is anything but keywords."""
        return any(query is not None for query in (self.text, self.image, self.vector, self.id))

    @property
    def words(self) -> str | None:
        """What the full text can be searched for."""
        return self.keyword if self.keyword is not None else self.text

    @property
    def by_words(self) -> bool:
        """Whether the full text is searched."""
        full_text = self.hybrid or self.alpha is not None or self.keyword is not None
        return full_text and (self.alpha is None or self.alpha < 1 or not self.query)

    @property
    def by_vectors(self) -> bool:
        """Whether embeddings are searched."""
        return self.query and (self.alpha is None or self.alpha > 0)

    @property
    def asked_embeddings(self) -> tuple[str, ...] | None:
        """The embeddings that are asked for by name; those of no weight need no query."""
        return tuple(self._weight_names) if self.weights is not None else self.columns

    @property
    def all_columns(self) -> bool:
        """Whether every embedding that can read the query is searched, where none is named."""
        return self.hybrid or self.alpha is not None or self.keyword is not None or self.weights is not None

    @property
    def relative(self) -> bool:
        """Whether scores are fused, and not ranks."""
        if self.fusion is not None:
            return self.fusion == "relative"
        return self.alpha is not None or self.weights is not None

    def shares(self, columns: Sequence[str]) -> tuple[dict[str, float], float]:
        """The weight of each embedding, and that of the keywords.

        Where neither ``alpha`` nor ``weights`` is given every ranking counts the same. Else the keywords have
        1 - alpha, and the embeddings share alpha by their weights.
        """
        if self.alpha is None and self.weights is None:
            return dict.fromkeys(columns, 1.0), 1.0
        alpha = HYBRID_ALPHA if self.alpha is None else self.alpha
        if not self.by_words:
            alpha = 1.0
        weights = {name: (self.weights or {}).get(name, 0.0 if self.weights else 1.0) for name in columns}
        total = math.fsum(weights.values()) or 1.0
        return {name: alpha * weight / total for name, weight in weights.items()}, 1 - alpha

    def window(self) -> int:
        """How many items of each ranking are fused: `candidates`, doubled until the page lies within.

        So pages of one query are of one fused order as long as they lie within the same window.
        """
        window = self.candidates
        while window < self.offset + self.limit:
            window *= 2
        return window
