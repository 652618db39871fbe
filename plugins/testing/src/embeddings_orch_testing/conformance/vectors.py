"""Promises: order, number and form of vectors."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item, Vectors
from embeddings_orch_testing.conformance.base import ConformanceBase, good, unit, vectors_of

_THREADS = 4
_ALONE = 40
"""Items that are embedded alone, too."""

_BATCHES = (1, 2, 3, 5, 8, 13, 17)
"""Sizes of batches, in turn: the last of a run is rarely full."""


class VectorPromises(ConformanceBase):
    """What comes out of the model."""

    def test_order_is_kept_in_batches_of_all_sizes_by_several_threads(self) -> None:
        """Every item has one vector, whatever it shares its batch with; a sample is compared with itself alone."""
        items = self.make_items(self.count)
        step = self.step
        with ThreadPoolExecutor(_THREADS) as pool:
            prepared = [good(item) for item in pool.map(step.prepare, items)]
            together = _embed_all(step, pool, prepared)
            # Otherwise shared: the order of an embedder that confuses its items follows its batches.
            again = _embed_all(step, pool, prepared[::-1])
            some = items[:: -(-len(items) // _ALONE)]
            alone = unit(np.stack(list(pool.map(lambda item: vectors_of(step, [item])[0], some))))
        distances = np.linalg.norm(np.stack([together[item.key] for item in some]) - alone, axis=1)
        worst = int(distances.argmax())
        assert distances.max() <= self.tolerance, self._another(
            items.index(some[worst]), some[worst], distances.max(), "a batch than alone"
        )
        for number, item in enumerate(items):
            apart = float(np.linalg.norm(together[item.key] - again[item.key]))
            assert apart <= self.tolerance, self._another(number, item, apart, "one batch than in another")
        others = np.sqrt(np.maximum(2 - 2 * alone @ alone.T, 0)) + np.eye(len(some)) * 4
        assert np.median(others.min(axis=1)) > self.tolerance, (
            "the samples' vectors are too much alike to tell their order: override make_texts or make_images"
        )

    def _another(self, number: int, item: Item, apart: float, where: str) -> str:
        return (
            f"item {number} ({item.modality}) has another vector in {where}: {apart:.2g} apart, "
            f"{self.tolerance:g} is the tolerance"
        )

    def test_the_same_content_has_the_same_vector(self) -> None:
        """Twice in one batch, and in another batch."""
        first, second, *_ = self.one_modality(3)
        vectors = unit(vectors_of(self.step, [first, second, first, first]))
        again = unit(vectors_of(self.step, [second, first]))
        for other in (vectors[2], vectors[3], again[1]):
            assert np.linalg.norm(vectors[0] - other) <= self.tolerance, "equal contents, other vectors"
        assert np.linalg.norm(vectors[0] - vectors[1]) > self.tolerance, "other contents, equal vectors"

    def test_each_item_has_one_vector_of_the_declared_length(self) -> None:
        """Whatever `Embedder.embed` is given."""
        embedder = self.step.embedder
        lengths = set()
        for count in (1, 2, 7):
            items = self.one_modality(count)
            batch = Batch(items[0].modality, [embedder.prepare(item) for item in items])
            vectors = np.asarray(embedder.embed(batch).vectors)
            assert vectors.ndim == 2, f"vectors have {vectors.ndim} axes, not 2"
            assert len(vectors) == count, f"{len(vectors)} vectors for {count} items"
            lengths.add(vectors.shape[1])
        assert len(lengths) == 1, f"vectors of several lengths: {sorted(lengths)}"
        declared = embedder.dimensions()
        assert declared in (None, *lengths), f"dimensions() says {declared}, vectors have {lengths.pop()}"

    def test_vectors_are_finite_float32(self) -> None:
        """As the core hands them on."""
        for vector in self.outcome().vectors:
            assert vector.dtype == np.float32, f"{vector.dtype}, not float32"
            assert np.isfinite(vector).all(), "a vector is not finite"

    def test_vectors_have_unit_length_where_normalize_says_so(self) -> None:
        """To 1e-5."""
        if not self.step.config.normalize:
            raise unittest.SkipTest("the config does not normalize")
        norms = np.linalg.norm(np.stack(self.outcome().vectors), axis=1)
        assert np.abs(norms - 1).max() < 1e-5, f"lengths from {norms.min()} to {norms.max()}"

    def test_tokens_are_counted_as_a_number(self) -> None:
        """Never negative; 0 where the provider counts none."""
        tokens = self.outcome().usage.tokens
        assert isinstance(tokens, int), f"tokens is {type(tokens).__name__}, not int"
        assert tokens >= 0, f"{tokens} tokens"


def _make_batches(prepared: list[Prepared]) -> Iterator[list[Prepared]]:
    for modality in sorted({content.modality for content in prepared}):
        left = [content for content in prepared if content.modality == modality]
        turn = 0
        while left:
            size = _BATCHES[turn % len(_BATCHES)]
            yield left[:size]
            left, turn = left[size:], turn + 1


def _embed_all(step: EmbedStep, pool: ThreadPoolExecutor, prepared: list[Prepared]) -> dict[bytes, Vectors]:
    """Unit vectors by key."""
    batches = list(_make_batches(prepared))
    vectors: dict[bytes, Vectors] = {}
    for batch, outcome in zip(batches, pool.map(step, batches), strict=True):
        assert not outcome.failures, f"a sample failed: {outcome.failures[0]}"
        assert outcome.keys == [content.key for content in batch], "the keys are in another order"
        vectors.update(zip(outcome.keys, unit(np.stack(outcome.vectors)), strict=True))
    return vectors
