"""What the tests of search share."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from embeddings_orch.search import Index
from embeddings_orch.store import Store
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

WORDS = ("red", "green", "fruit", "car", "dog", "house", "tree", "boat")


def far(query, vector, metric):
    """The distance of two vectors, in double precision."""
    query, vector = np.asarray(query, np.float64), np.asarray(vector, np.float64)
    if metric == "l2":
        return float(((query - vector) ** 2).sum())
    if metric == "cosine":
        query, vector = query / np.linalg.norm(query), vector / np.linalg.norm(vector)
    return float(1 - query @ vector)


class Brute:
    """The right answers, from the stored rows and nothing of the search."""

    def __init__(self, rows, metric="cosine"):
        self.rows, self.metric = rows, metric

    def near(self, query, column, keep=lambda row: True):
        """Scores by id, the best first."""
        scores = {}
        for item, row in self.rows.items():
            if row[column] is not None and keep(row):
                distance = far(query, row[column], self.metric)
                scores[item] = 1 / (1 + distance) if self.metric == "l2" else 1 - distance
        return dict(sorted(scores.items(), key=lambda one: (-round(one[1], 6), one[0])))


def rrf(*rankings, weights=None):
    """Cormack's formula, over whole rankings."""
    weights = weights or [1] * len(rankings)
    items = {item for ranking in rankings for item in ranking}
    scores = {
        item: sum(
            weight / (60 + list(ranking).index(item) + 1)
            for ranking, weight in zip(rankings, weights, strict=True)
            if item in ranking
        )
        for item in items
    }
    return dict(sorted(scores.items(), key=lambda one: (-round(one[1], 9), one[0])))


def relative(*rankings, weights):
    """Weaviate's formula, over whole rankings; the weights have the sum 1."""
    scores = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        low, high = min(ranking.values()), max(ranking.values())
        for item, score in ranking.items():
            scores[item] = scores.get(item, 0) + weight * ((score - low) / (high - low) if high > low else 1)
    return dict(sorted(scores.items(), key=lambda one: (-round(one[1], 6), one[0])))


def vector_of(content, **settings):
    """What the counting model makes of a content."""
    return CountingEmbedder(CountingConfig(**{"name": "toy", **settings}))._vector(content)


def opened(gallery, index="found"):
    return Index(Store(gallery.pipeline().spec.store.uri), gallery.attributes["name"], index)


@pytest.fixture
def right():
    """How the right answers are made."""
    return SimpleNamespace(Brute=Brute, rrf=rrf, relative=relative, vector_of=vector_of, opened=opened, words=WORDS)


def with_words(gallery, metric="cosine", full_text=("caption",)):
    """Gives a gallery captions of words and an embedding of them, and runs it."""
    numbers = np.random.default_rng(7)
    for place, name in enumerate(sorted(gallery.captions)):
        caption = " ".join(numbers.choice(WORDS, size=int(numbers.integers(1, 6))))
        gallery.captions[name] = {
            "caption": caption,
            "title": str(numbers.choice(WORDS)),
            "shelf": str(place % 5),
        }
    gallery.write_captions()
    gallery.model(normalize=False)
    gallery.model("words", input="caption", name="words", dim=6, normalize=False)
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "metric": metric, "full_text": list(full_text)}})
    gallery.run()
    return gallery


@pytest.fixture
def words_gallery(once):
    """60 pictures whose captions are words, with an embedding of the picture and one of the caption."""

    def make(metric="cosine", pictures=60, full_text=("caption",)):
        return once(partial(with_words, metric=metric, full_text=full_text), pictures)

    return make


@pytest.fixture(scope="session")
def words(shared_gallery):
    """A `words_gallery` that many tests read and none changes."""
    return with_words(shared_gallery(pictures=60))
