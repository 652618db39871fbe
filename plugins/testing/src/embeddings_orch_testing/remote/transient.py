"""Promises: what passes is waited for, and no longer than the policy says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate

from embeddings_orch.embedding.outcome import StoppedError
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError, UnavailableError
from embeddings_orch.models.content import Item
from embeddings_orch_testing.remote.base import Hours, RemoteBase, compare, embed, right, stop_of
from embeddings_orch_testing.servers import Fault

_ITEMS = 3
_TIMEOUT = 0.5
_RETRY_AFTER = 7.0
_DATE = 30.0

_PASSING: Mapping[str, Fault] = {
    "a 500": Fault.status_code(500),
    "a 503": Fault.status_code(503),
    "a 429": Fault.status_code(429),
    "a 429 with Retry-After": Fault.status_code(429, headers={"retry-after": "1"}),
    "a connection reset": Fault.reset(),
    "a reset in the middle of the body": Fault.reset_in_body(),
    "half a body": Fault.truncate(),
    "an HTML page with status 200": Fault.page(),
}
_LASTING: Mapping[str, Fault] = {
    "503": Fault.status_code(503),
    "429": Fault.status_code(429),
    "500": Fault.status_code(500),
    "a connection reset": Fault.reset(),
    "an HTML page with status 200": Fault.page(),
}


class TransientPromises(RemoteBase):
    """Each fault is met by real requests."""

    def test_a_fault_that_passes_changes_no_vector(self) -> None:
        """500, 503, 429, resets, half a body, a proxy's page: tried again, and counted."""
        items = self.sample(_ITEMS)
        expected = right(self, items)
        with self.fresh() as step:
            embed(step, items)
            for name, fault in _PASSING.items():
                self.meets(fault)
                outcome = embed(step, items)
                assert not outcome.failures, f"after {name}: {outcome.failures[0].reason}"
                compare(self, outcome, expected, f"after {name}")
                requests, sent = outcome.usage.requests, self.count_sent()
                assert sent > 1, f"{name}: the server saw {sent} requests for vectors; does counted() fit?"
                assert requests == sent, (
                    f"{name}: {sent} requests reached the server, {requests} are counted: the SDK's own retries "
                    "have to be off"
                )

    def test_retries_are_counted(self) -> None:
        """One for each time that a batch was sent again."""
        items = self.sample(1)
        with self.fresh() as step:
            embed(step, items)
            self.meets(Fault.status_code(429), Fault.reset(), Fault.page())
            usage = embed(step, items).usage
        assert (usage.requests, usage.retries) == (4, 3), f"{usage.requests} requests and {usage.retries} retries"

    def test_an_answer_that_hangs_is_given_up_after_the_timeout(self) -> None:
        """And asked for again."""
        items = self.sample(1)
        expected = right(self, items)
        with self.fresh(timeout=_TIMEOUT) as step:
            embed(step, items)
            self.meets(Fault.hang(8 * _TIMEOUT))
            started = time.monotonic()
            outcome = embed(step, items)
        took = time.monotonic() - started
        assert outcome.keys, f"after an answer that hung: {outcome.failures[0].reason}"
        compare(self, outcome, expected, "after an answer that hung")
        assert took < 6 * _TIMEOUT, f"with timeout {_TIMEOUT} an answer was waited for {took:.1f} s"
        assert outcome.usage.retries >= 1, "an answer that hung is no retry"

    def test_slow_bytes_are_waited_for(self) -> None:
        """As long as the timeout allows."""
        items = self.sample(_ITEMS)
        expected = right(self, items)
        self.meets(Fault.slow(0.3))
        outcome = embed(self.step, items)
        assert len(outcome.keys) == len(items), f"of a slow answer: {outcome.failures[0].reason}"
        compare(self, outcome, expected, "of a slow answer")

    def test_a_request_that_never_succeeds_is_sent_once_and_retried_as_often_as_configured(self) -> None:
        """As the server counts: what an SDK retries by itself shows here. Then the run stops with the reason."""
        items = self.sample(1)
        for name, retries in (("503", 0), *((name, 2) for name in _LASTING), ("503", 7)):
            fault = _LASTING[name]
            self.always_meets(fault)
            with self.fresh(retry={"max_retries": retries}) as step:
                message = self._unavailable(step, items, name)
            sent, most = self.count_sent(), retries + 1
            assert sent <= most, f"{name}, max_retries {retries}: {sent} requests were sent, {most} are allowed"
            assert sent == most, f"{name}, max_retries {retries}: {sent} requests were sent, not {most}"
            assert fault.kind != "status" or f"scripted fault {name}" in message, (
                f"{name}: the provider said 'scripted fault {name}', the error is {message!r}"
            )

    def _unavailable(self, step: EmbedStep, items: Sequence[Item], name: str) -> str:
        try:
            outcome = embed(step, items)
        except TerminalError as error:
            cause = error.error if isinstance(error, StoppedError) else error
            assert isinstance(cause, UnavailableError), f"{name}: {type(cause).__name__}, not UnavailableError: {cause}"
            return str(cause)
        assert not outcome.keys, f"{name}: a vector without an answer"
        assert outcome.failures[0].kind == "transient", f"{name}: remembered for good: {outcome.failures[0].reason}"
        return outcome.failures[0].reason

    def test_retry_after_is_waited_for(self) -> None:
        """In seconds, and as a date."""
        items = self.sample(1)
        for status in (429, 503):
            for form, seconds in (("seconds", _RETRY_AFTER), ("a date", _DATE)):
                hours = Hours()
                with self.fresh(hours) as step:
                    embed(step, items)
                    value = f"{seconds:.0f}" if form == "seconds" else formatdate(time.time() + seconds, usegmt=True)
                    self.meets(Fault.status_code(status, headers={"retry-after": value}))
                    hours.slept.clear()
                    embed(step, items)
                # A date has no fractions of a second, and time passes.
                slept, least = sum(hours.slept), seconds - (2.5 if form == "a date" else 0)
                assert least <= slept <= seconds + 0.5, (
                    f"{status} with Retry-After in {form}: {seconds:.0f} s were asked for, {slept:.2f} s waited"
                )

    def test_a_server_that_is_not_there_is_said_to_be(self) -> None:
        """After all retries, with the provider's name or address in the error."""
        items = self.sample(1)
        self.always_meets(Fault.reset())
        with self.fresh(retry={"max_retries": 1}) as step:
            error = stop_of(step, items, "every connection is reset")
        assert isinstance(error, UnavailableError), f"{type(error).__name__}, not UnavailableError: {error}"
        assert len(str(error)) > len("no request succeeded: "), "the error does not say why"
