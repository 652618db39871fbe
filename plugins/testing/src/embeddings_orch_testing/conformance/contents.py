"""Promises: what is embedded, and what fails alone."""

from __future__ import annotations

import unittest
from typing import get_args

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.content import Failure, Item, Modality, Side
from embeddings_orch_testing.conformance.base import ConformanceBase, good, vectors_of
from embeddings_orch_testing.conformance.samples import LONG_TEXT, UNICODE_TEXTS, item_of


class ContentPromises(ConformanceBase):
    """What goes into the model."""

    def test_text_of_any_script_is_embedded(self) -> None:
        """Accents, other scripts, emoji, control characters."""
        self.texts(1)
        for text in UNICODE_TEXTS:
            outcome = self.step([good(self.step.prepare(item_of("text", text)))])
            assert outcome.keys, f"no vector for {text[:40]!r}: {outcome.failures[0].reason}"

    def test_an_over_long_text_is_embedded_or_fails_alone(self) -> None:
        """Cut by the model, or refused with a reason; the texts around it have their vectors."""
        before, after = self.texts(2)
        long = item_of("text", LONG_TEXT)
        prepared = [self.step.prepare(item) for item in (before, long, after)]
        outcome = self.step([content for content in prepared if isinstance(content, Prepared)])
        failures = [*(content for content in prepared if isinstance(content, Failure)), *outcome.failures]
        assert {before.key, after.key} <= set(outcome.keys), f"beside a long text: {failures}"
        if long.key not in outcome.keys:
            assert [failure.key for failure in failures] == [long.key], f"the long text is lost: {failures}"
            assert failures[0].kind == "item", f"a text that is too long is not {failures[0].kind}"
            assert failures[0].reason.strip(), "the failure of a long text has no reason"

    def test_an_empty_content_is_a_failure_and_no_exception(self) -> None:
        """Of every modality that the embedder reads."""
        for modality in sorted(self.step.embedder.modalities):
            content: str | bytes = "" if modality == "text" else b""
            answer = self.step.prepare(item_of(modality, content))
            assert isinstance(answer, Failure), f"empty {modality} was prepared: {answer}"
            assert answer.reason, f"the failure of empty {modality} has no reason"

    def test_a_modality_it_does_not_read_is_a_failure_and_no_exception(self) -> None:
        """With the modalities that it reads in the reason."""
        for modality in get_args(Modality):
            if modality in self.step.embedder.modalities:
                continue
            answer = self.step.prepare(Item(b"key", modality, b"some bytes"))
            assert isinstance(answer, Failure), f"{modality} was prepared"
            assert modality in answer.reason, answer.reason

    def test_a_bad_item_fails_alone(self) -> None:
        """The good ones around it have their vectors."""
        if not (bad := self.make_bad_items()):
            raise unittest.SkipTest("there are no bad items: override make_bad_items")
        fine = self.one_modality(4, bad[0].modality)
        items = [*fine[:2], *bad, *fine[2:]]
        prepared = [self.step.prepare(item) for item in items]
        outcome = self.step([content for content in prepared if isinstance(content, Prepared)])
        failures = [*(content for content in prepared if isinstance(content, Failure)), *outcome.failures]
        assert outcome.keys == [item.key for item in fine], "a good item has no vector, or a bad one has"
        assert {failure.key for failure in failures} == {item.key for item in bad}, "a bad item is no failure"
        for failure in failures:
            assert failure.kind == "item", f"{failure.reason}: a bad item is not {failure.kind}"
            assert failure.reason.strip(), "a failure has no reason"

    def test_documents_and_queries_have_vectors_of_one_space(self) -> None:
        """Of one length; equal only where the model does not tell the sides apart."""
        items = self.texts(3)
        sides: tuple[Side, Side] = ("document", "query")
        shapes = set()
        for side in sides:
            step = EmbedStep(self.step.config, side=side)
            step._embedder = self.step.embedder  # loaded already
            shapes.add(vectors_of(step, items).shape)
        assert len(shapes) == 1, f"documents and queries differ in shape: {shapes}"
