"""Promises: what no request can change stops at once, and one bad item fails alone."""

from __future__ import annotations

import math
import os
import threading
from typing import Any
from unittest import SkipTest

from embeddings_orch.embedding.outcome import StoppedError
from embeddings_orch.embedding.runners import Content
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError, UnavailableError
from embeddings_orch.models.content import Item
from embeddings_orch.models.http_errors import message_in
from embeddings_orch.policy.secrets import redact
from embeddings_orch_testing.conformance.samples import item_of
from embeddings_orch_testing.remote.base import RemoteBase, compare, embed, right, stop_of
from embeddings_orch_testing.servers import Fault

_WORKERS = 8
_BATCHES = 200
_ITEMS = 100
_ALONE = 16
"""Items in place of a hundred where each has a request to itself, and none is searched for among others."""

_MARK = "conformance-refuse-this"


class RefusalPromises(RemoteBase):
    """Terminal errors, wrong keys, bad items."""

    def test_a_permanent_refusal_stops_after_one_request_with_the_providers_words(self) -> None:
        """Whatever `terminal` names."""
        items = self.sample(2)
        for name, fault in self._terminal():
            self.always_meets(fault)
            with self.fresh() as step:
                error = stop_of(step, items, name)
            self._check_said_once(error, name)
            words = message_in(fault.body) if fault.body else f"scripted fault {fault.status}"
            assert words in str(error), f"{name}: the provider said {words!r}, the error is {str(error)!r}"

    def test_a_permanent_refusal_stops_a_run_within_one_request_a_worker(self) -> None:
        """With eight workers and two hundred batches."""
        faults = list(self._terminal())
        for name, fault in faults[:2]:
            with self.fresh(concurrency=_WORKERS, batch_size=1) as step:
                kind = self.sample(1)[0].modality
                each = min(step.limits(kind).items, 10)
                items = self.sample(_BATCHES) if kind == "image" else self.texts(_BATCHES * each)
                self.always_meets(fault)
                self.server.latency = 0.02
                error = _run(step, items)
            assert isinstance(error, TerminalError), f"{name}: the run ended with {error!r}"
            assert not isinstance(error, UnavailableError), f"{name}: {error}"
            sent = self.count_sent()
            assert sent <= _WORKERS, f"{name}: {sent} requests were sent by {_WORKERS} workers"

    def test_a_wrong_key_stops_after_one_request(self) -> None:
        """With the provider's words, and without the key."""
        if self.key_variable is None:
            raise SkipTest("the provider has no key")
        self.server.key = f"{self.key}-of-somebody-else"
        items = self.sample(2)
        with self.fresh() as step:
            error = stop_of(step, items, "with a wrong key")
        self._check_said_once(error, "with a wrong key")
        assert self.server.refused, "the server does not look at its key"
        words = redact(self.server.refused[0].message)
        assert words in str(error), f"with a wrong key the server said {words!r}, the error is {str(error)!r}"

    def test_a_missing_key_is_named_before_any_request(self) -> None:
        """By the variable that it should be in."""
        if self.key_variable is None:
            raise SkipTest("the provider has no key")
        items = self.sample(2)
        self.calm()
        key = os.environ.pop(self.key_variable)
        try:
            with self.fresh() as step:
                error = stop_of(step, items, f"without {self.key_variable}")
        finally:
            os.environ[self.key_variable] = key
        assert self.key_variable in str(error), f"the error does not name {self.key_variable}: {error}"
        assert not self.count_sent(), f"{self.count_sent()} requests were sent without a key"

    def test_a_bad_item_among_a_hundred_texts_fails_alone(self) -> None:
        """With the provider's words, and with few requests more."""
        self._bad_item("text")

    def test_a_bad_item_among_a_hundred_pictures_fails_alone(self) -> None:
        """With the provider's words, and with few requests more."""
        self._bad_item("image")

    def _bad_item(self, modality: Any) -> None:
        if modality not in self.step.embedder.modalities:
            raise SkipTest(f"the embedder reads no {modality}")
        if (bad := self.make_rejected(modality, _MARK)) is None:
            raise SkipTest(f"no {modality} can be refused by the server")
        count = _ITEMS if self.step.limits(modality).items > 1 else _ALONE
        contents = self.make_texts(count - 1) if modality == "text" else self.make_images(count - 1)
        good = [item_of(modality, content) for content in contents]
        items = [*good[: count * 3 // 8], bad, *good[count * 3 // 8 :]]
        expected = right(self, items)
        without = self.count_sent()
        self.calm()
        self.server.reject = _MARK
        with self.fresh() as step:
            outcome = embed(step, items)
        more, most = self.count_sent() - without, 2 * math.ceil(math.log2(count)) + 1
        compare(self, outcome, expected, "beside a bad item")
        assert outcome.keys == [item.key for item in good], (
            f"{len(outcome.keys)} vectors of {len(good)} good items beside a bad one: {outcome.failures[:2]}"
        )
        assert [failure.key for failure in outcome.failures] == [bad.key], f"the failures are {outcome.failures}"
        failure = outcome.failures[0]
        assert failure.kind == "item", f"a bad item is {failure.kind}: {failure.reason}"
        words = {error.message for error in self.server.refused}
        assert any(message in failure.reason for message in words), (
            f"the server said {sorted(words)}, the failure's reason is {failure.reason!r}"
        )
        assert more <= most, f"a bad item cost {more} requests more, {most} are allowed"

    def _terminal(self) -> list[tuple[str, Fault]]:
        if not (faults := self.terminal()):
            raise SkipTest("there are no permanent refusals: override terminal")
        return list(faults.items())

    def _check_said_once(self, error: TerminalError, what: str) -> None:
        cause = error.error if isinstance(error, StoppedError) else error
        assert not isinstance(cause, UnavailableError), f"{what}: it was taken for an outage: {cause}"
        assert self.count_sent() == 1, f"{what}: {self.count_sent()} requests were sent, not one"
        assert self.key not in str(error), f"{what}: the error shows the key"


def _run(step: EmbedStep, items: list[Item]) -> BaseException | None:
    by_key = {item.key: item for item in items}
    contents = [Content(item.key, item.modality, item.uri, "") for item in items]
    errors: list[BaseException] = []

    def run() -> None:
        try:
            LocalRunner(2).run(step, contents, lambda content: by_key[content.key], lambda _: None)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(120)
    assert not thread.is_alive(), "the run did not end within two minutes"
    return errors[0] if errors else None
