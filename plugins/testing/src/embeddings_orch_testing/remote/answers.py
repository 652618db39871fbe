"""Promises: an answer that cannot be used gives no vector, or the right ones after another try."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import SkipTest

from embeddings_orch.embedding.outcome import Outcome, StoppedError
from embeddings_orch.errors import ProviderError, TerminalError
from embeddings_orch.models.content import Item
from embeddings_orch_testing.remote.base import RemoteBase, compare, embed, right
from embeddings_orch_testing.servers import Fault

_ITEMS = 4
_UNEXPLAINED = re.compile(r"(no request succeeded[^:]*: )?(Key|Index|Type|Attribute|Assertion|UnboundLocal)Error: ")
"""What is left where nobody looked at the answer: an exception of the code that took it apart."""
_BY_ITEM = re.compile("not finite|zeros")
_COUNTS = ("total_tokens", "totalTokenCount", "inputTextTokenCount", "promptTokenCount", "tokenCount", "prompt_tokens")
"""What providers call the tokens that they counted; the first that an answer has is taken."""


class AnswerPromises(RemoteBase):
    """Wrong, reordered and right answers."""

    def tokens_in(self, body: Any) -> int:
        """The tokens that one answer reports; by default as the known providers write them, 0 where there are none."""
        for name in _COUNTS:
            if counts := list(_values(body, name)):
                return sum(counts)
        return 0

    def test_a_malformed_answer_is_asked_for_again(self) -> None:
        """And gives the right vectors then."""
        items = self.sample(_ITEMS)
        expected = right(self, items)
        with self.fresh() as step:
            embed(step, items)
            for name, fault in self._malformed():
                self.meets(fault)
                try:
                    outcome = embed(step, items)
                except TerminalError as error:
                    # Vectors of another length may also be a model that was exchanged: then the run has to stop.
                    if "dimension" in name and "dimension" in str(error):
                        continue
                    raise AssertionError(f"{name}: it is not retried: {error}") from error
                compare(self, outcome, expected, f"after {name}")
                missing = [failure for failure in outcome.failures if not _BY_ITEM.search(failure.reason)]
                assert not missing, f"after {name}: {missing[0].reason}"
                assert len(outcome.keys) + len(outcome.failures) == len(items), f"after {name}: an item is lost"

    def test_an_answer_that_stays_malformed_is_an_error_that_says_so(self) -> None:
        """Never a shifted, a missing or an invented vector."""
        items = self.sample(_ITEMS)
        expected = right(self, items)
        for name, fault in self._malformed():
            self.always_meets(fault)
            with self.fresh(retry={"max_retries": 2}) as step:
                reasons, outcome = _end(step, items)
            compare(self, outcome, expected, f"with {name}")
            missing = {item.key for item in items} - set(outcome.keys)
            assert missing, f"with {name}: all vectors came out as if nothing were wrong; is the fault one?"
            assert reasons, f"with {name}: items have no vector, and nothing says why"
            for words in reasons:
                assert words.strip(), f"with {name}: the error says nothing"
                assert not _UNEXPLAINED.match(words), f"with {name}: the error says {words!r}, not what is wrong"

    def test_vectors_in_another_order_go_to_their_items(self) -> None:
        """By the indexes that the answer has."""
        fault = self.reordered()
        if fault is None:
            raise SkipTest("the protocol has no indexes: override reordered where it has")
        items = self.sample(_ITEMS)
        expected = right(self, items)
        self.always_meets(fault)
        with self.fresh() as step:
            outcome = embed(step, items)
        assert len(outcome.keys) == len(items), f"reordered: {outcome.failures[0].reason}"
        compare(self, outcome, expected, "reordered")

    def test_usage_has_the_tokens_that_the_server_counted(self) -> None:
        """Not our own estimate."""
        items = self.texts(7)
        answers: list[Any] = []

        def seen(body: Any) -> Any:
            answers.append(body)
            return body

        self.always_meets(Fault.change_answer(seen))
        with self.fresh() as step:
            usage = embed(step, items).usage
        counted = sum(self.tokens_in(body) for body in answers)
        assert answers, "no request for vectors was seen; does counted() fit?"
        assert usage.tokens == counted, f"usage has {usage.tokens} tokens, the server counted {counted}"
        assert usage.requests == len(answers), f"usage has {usage.requests} requests, the server saw {len(answers)}"

    def _malformed(self) -> list[tuple[str, Fault]]:
        if not (faults := self.malformed()):
            raise SkipTest("there are no malformed answers: override malformed")
        return list(faults.items())


def _end(step: Any, items: Sequence[Item]) -> tuple[list[str], Outcome]:
    try:
        outcome = embed(step, items)
    except StoppedError as error:
        return [str(error), *(failure.reason for failure in error.outcome.failures)], error.outcome
    except ProviderError as error:
        return [str(error)], Outcome()
    return [failure.reason for failure in outcome.failures], outcome


def _values(body: Any, name: str) -> Iterator[int]:
    if isinstance(body, dict):
        if isinstance(body.get(name), int | float):
            yield int(body[name])
        for value in body.values():
            if isinstance(value, dict | list):
                yield from _values(value, name)
    elif isinstance(body, list):
        for value in body:
            if not isinstance(value, dict | list):
                break  # a vector
            yield from _values(value, name)
