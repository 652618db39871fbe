"""What is asked of a search: which query, of which rankings, how they are fused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from embeddings_orch.embedding.contents import Picture
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.content import Vectors
from embeddings_orch.search.counts import whole
from embeddings_orch.search.fusion import Fusion
from embeddings_orch.search.rerank import Rerank
from embeddings_orch.store.tables.generations import Generation

CANDIDATES = 200
"""Items of each ranking that are fused."""

HYBRID_ALPHA = 0.5


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of `Index.search`, all of them here and nowhere else; checked together.

    Attributes:
        text: words.
        image: a picture: a path, encoded bytes, a Pillow image, a uint8 array (height, width[, channels]), a URL.
        vector: shape (dimensions,), of the model of ``column``.
        id: an item of the index; found is what is like it, without itself. Its stored vectors are the query.
        keyword: words for the full text: alone, or beside another query, which makes the search hybrid.
        hybrid: search the full text as well, for ``keyword``, else for ``text``.
        alpha: hybrid with this share for the vectors: 0 is keywords only, 1 vectors only.
        weights: the embeddings to search, each with its share among them.
        fusion: ``rrf`` (reciprocal rank) or ``relative`` (relative score); default ``relative`` where ``alpha`` or
            ``weights`` is given, else ``rrf``.
        column: the one embedding to search. Default, where neither ``hybrid``, ``keyword``, ``alpha`` nor ``weights``
            is given, the first that can read the query; else all that can.
        columns: the embeddings to search.
        where: an SQL filter over the catalog's columns, applied before the search; ``:name`` stands for a value of
            ``params``.
        params: the values of the filter: str, bool, int, float, Decimal, None, date, datetime, time, timedelta, bytes,
            scalars of numpy, pandas and pyarrow, or a list of these for ``IN``.
        limit: the most hits to return; a number above that of all items returns all.
        offset: hits to leave out first.
        candidates: items of each ranking that are fused, where several are.
        rerank: a model that reads the first hits' texts together with ``keyword``, else ``text``, and has the last
            word on their scores and order.
        allow_urls: fetch an ``image`` that is an http(s) URL; never from a private address.
        generation: the generation to search, by its own models; default the published one.

    Raises:
        EmbeddingsOrchError: they do not go together.
    """

    text: str | None = field(default=None, kw_only=False)
    image: Picture | None = None
    vector: Sequence[float] | Vectors | None = None
    id: str | None = None
    keyword: str | None = None
    hybrid: bool = False
    alpha: float | None = None
    weights: Mapping[str, float] | None = None
    fusion: Fusion | None = None
    column: str | None = None
    columns: Sequence[str] | None = None
    where: str | None = None
    params: Mapping[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    candidates: int = CANDIDATES
    rerank: Rerank | None = None
    allow_urls: bool = False
    generation: Generation | None = None

    def __post_init__(self) -> None:
        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))  # it is read more than once
        queries = [query for query in (self.text, self.image, self.vector, self.id) if query is not None]
        if len(queries) > 1 or not (queries or self.keyword is not None):
            raise EmbeddingsOrchError("give exactly one of text, image, vector and id, or keyword alone")
        for name, least in (("limit", 1), ("offset", 0), ("candidates", 1)):
            object.__setattr__(self, name, whole(getattr(self, name), name, least))
        if self.keyword is not None and not self.keyword.strip():
            raise EmbeddingsOrchError("the keywords are empty")
        if (self.hybrid or self.alpha is not None) and self.words is None:
            raise EmbeddingsOrchError("a hybrid search needs words: give a text, or keyword beside the other query")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise EmbeddingsOrchError(f"alpha is from 0, keywords only, to 1, vectors only, not {self.alpha}")
        if self.fusion not in (None, *get_args(Fusion)):
            raise EmbeddingsOrchError(f"fusion is one of {', '.join(get_args(Fusion))}, not {self.fusion!r}")
        if self.rerank is not None and self.words is None:
            raise EmbeddingsOrchError("a reranker needs words: give a text, or keyword beside the other query")
        self._check_columns()

    @property
    def chosen_columns(self) -> tuple[str, ...] | None:
        """The embeddings that ``column`` or ``columns`` names."""
        if self.column is not None:
            return (self.column,)
        return None if self.columns is None else tuple(self.columns)

    def _check_columns(self) -> None:
        weights, chosen_columns = self.weights, self.chosen_columns
        if self.column is not None and self.columns is not None:
            raise EmbeddingsOrchError("give column or columns, not both")
        if chosen_columns is not None and not chosen_columns:
            raise EmbeddingsOrchError("columns names no embedding")
        if twice := [name for name, times in Counter(chosen_columns or ()).items() if times > 1]:
            raise EmbeddingsOrchError(f"columns names {twice[0]!r} more than once; weights say how much each counts")
        if weights is None:
            return
        if (
            not weights
            or not all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
            or not self._weight_names
        ):
            raise EmbeddingsOrchError("weights are numbers from 0, at least one of them above it")
        if chosen_columns is not None and set(weights) != set(chosen_columns):
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
        return tuple(self._weight_names) if self.weights is not None else self.chosen_columns

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
