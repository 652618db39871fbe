"""What all promises share: what a plugin gives, the embed step, samples."""

from __future__ import annotations

import unittest
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from embeddings_orch.embedding.outcome import Outcome, Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure, Item, Modality, Vectors
from embeddings_orch_testing.conformance.samples import draw_picture, item_of

_SAMPLED: tuple[Modality, ...] = ("text", "image")


class ConformanceBase:
    """The promises of one embedder; derive a class named ``Test...`` and give `make_config`.

    Attributes:
        tolerance: largest distance, of unit vectors, between an item's vectors made alone and in batches.
        count: items that the order is tried with.
        golden: the fingerprint that `make_fingerprint_config` has to have for ever, where it is known.
        variations: for a field whose other values cannot be guessed from its type, some that are allowed.
        sdks: modules that importing the embedder must not load, besides `SDKS`.
    """

    tolerance: ClassVar[float] = 1e-3
    count: ClassVar[int] = 200
    golden: ClassVar[str | None] = None
    variations: ClassVar[Mapping[str, Sequence[Any]]] = {}
    sdks: ClassVar[tuple[str, ...]] = ()

    _step: ClassVar[EmbedStep | None] = None

    # What a plugin gives

    def make_config(self) -> EmbedderConfig:
        """A config that works on this machine, fast; ``normalize`` as by default."""
        raise NotImplementedError(f"{type(self).__name__} has to say make_config()")

    def make_fingerprint_config(self) -> EmbedderConfig:
        """The config whose fields are varied; it is never embedded with, so its weights need not be here."""
        return self.make_config()

    def make_texts(self, count: int) -> list[str]:
        """Texts that differ from each other."""
        nouns = ("dog", "red car", "birthday cake", "snowy mountain", "clock", "guitar", "whale")
        places = ("on a table", "at night", "in the rain", "seen from above", "in a museum")
        return [
            f"a {nouns[number % len(nouns)]} {places[number % len(places)]}, number {number}" for number in range(count)
        ]

    def make_images(self, count: int) -> list[bytes]:
        """Encoded pictures that differ from each other in size, format and content."""
        return [draw_picture(number) for number in range(count)]

    def make_bad_items(self) -> list[Item]:
        """Items that the model cannot embed; by default broken pictures where it reads pictures."""
        if "image" not in self.step.embedder.modalities:
            return []
        whole = self.make_images(1)[0]
        return [item_of("image", data) for data in (b"this is no picture", whole[: len(whole) // 2])]

    def make_items(self, count: int) -> list[Item]:
        """Items of all modalities for which there are samples, mixed."""
        read: list[Modality] = [kind for kind in _SAMPLED if kind in self.step.embedder.modalities]
        if not read:
            raise unittest.SkipTest("the suite has samples of texts and pictures only: override make_items")
        turns = [read[number * 7 % 5 % len(read)] for number in range(count)]
        contents: dict[Modality, Iterator[str | bytes]] = {
            "text": iter(self.make_texts(turns.count("text"))),
            "image": iter(self.make_images(turns.count("image"))),
        }
        return [item_of(modality, next(contents[modality])) for modality in turns]

    # What the promises share

    @property
    def step(self) -> EmbedStep:
        """The embed step of `make_config`, one for the class, so that a model is loaded once."""
        cls = type(self)
        if "_step" not in cls.__dict__ or cls._step is None:
            cls._step = EmbedStep(self.make_config())
        return cls._step

    @classmethod
    def teardown_class(cls) -> None:
        """Release the model; pytest calls it."""
        if "_step" in cls.__dict__ and cls._step is not None:
            cls._step.close()
            cls._step = None

    def texts(self, count: int) -> list[Item]:
        """Items of texts; the promise is skipped where the embedder reads none."""
        if "text" not in self.step.embedder.modalities:
            raise unittest.SkipTest("the embedder reads no text")
        return [item_of("text", text) for text in self.make_texts(count)]

    def one_modality(self, count: int, modality: Modality | None = None) -> list[Item]:
        """Samples of one modality, by default that of the first sample."""
        items = self.make_items(6 * max(count, 2))
        chosen = modality or items[0].modality
        return [item for item in items if item.modality == chosen][:count]

    def outcome(self) -> Outcome:
        """Of a batch of samples that do not fail."""
        outcome = self.step([good(self.step.prepare(item)) for item in self.one_modality(5)])
        assert not outcome.failures, f"a sample failed: {outcome.failures[0].reason}"
        return outcome


def good(prepared: Prepared | Failure) -> Prepared:
    """What was prepared, where that did not fail."""
    assert isinstance(prepared, Prepared), f"a sample cannot be prepared: {prepared.reason}"
    return prepared


def vectors_of(step: EmbedStep, items: Sequence[Item]) -> Vectors:
    """The vectors of items that do not fail, in order; shape (n, dimensions)."""
    outcome = step([good(step.prepare(item)) for item in items])
    assert not outcome.failures, f"a sample failed: {outcome.failures[0].reason}"
    return np.stack(outcome.vectors)


def unit(vectors: Vectors) -> Vectors:
    """Each row scaled to length 1."""
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
