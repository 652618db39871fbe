from __future__ import annotations

import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch import plugins
from embeddings_orch.embedding import step as embed_step
from embeddings_orch.embedding.outcome import Prepared, StoppedError, Usage
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import (
    BatchTooLargeError,
    BudgetError,
    CancelledError,
    ItemError,
    SuspectError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.models.base import Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.content import ContentId, Failure, Item, content_hash, content_key
from embeddings_orch.policy.packing import Limits
from embeddings_orch.policy.retry import RetryPolicy
from embeddings_orch_testing import CountingConfig
from embeddings_orch_testing.counting import CountingEmbedder


class ScriptedConfig(EmbedderConfig):
    provider: ClassVar[str] = "scripted"


class Scripted(Embedder[ScriptedConfig]):
    """Does what its ``script`` does with the contents of each batch."""

    config_class = ScriptedConfig
    modalities = frozenset({"text"})
    declared = None

    def __init__(self, config, script):
        super().__init__(config)
        self.script = script
        self.calls = []
        self.closed = 0

    def dimensions(self):
        return self.declared

    def embed(self, batch):
        self.calls.append(list(batch.contents))
        found = self.script(list(batch.contents))
        return found if isinstance(found, EmbedResult) else EmbedResult(found)

    def close(self):
        self.closed += 1


def vectors_of(contents):
    return np.array([[len(content), 1.0, 2.0] for content in contents], dtype=np.float32)


@pytest.fixture
def scripted(monkeypatch):
    """Makes a step over a script, and returns it with the embedder."""

    def make(script, *, declared=None, clock=lambda: 0.0, **settings):
        config = ScriptedConfig(**settings)
        embedder = Scripted(config, script)
        embedder.declared = declared
        monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
        step = EmbedStep(config, clock=clock, sleep=lambda _: None, uniform=lambda low, high: high)
        return step, embedder

    return make


def batch(contents):
    return [Prepared(content.encode(), f"file/{content}", "text", content) for content in contents]


def refusing(*bad):
    def script(contents):
        if found := [content for content in contents if content in bad]:
            raise ItemError(f"cannot read {found[0]}")
        return vectors_of(contents)

    return script


# What comes out


def test_vectors_come_in_the_order_of_the_batch_and_of_unit_length(scripted):
    step, _ = scripted(vectors_of)
    outcome = step(batch(["a", "bbbb", "cc"]))
    assert outcome.keys == [b"a", b"bbbb", b"cc"]
    expected = vectors_of(["a", "bbbb", "cc"])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack(outcome.vectors), expected, rtol=1e-6)
    assert all(vector.dtype == np.float32 for vector in outcome.vectors)


def test_vectors_are_as_the_model_gave_them_where_normalize_is_off(scripted):
    step, _ = scripted(vectors_of, normalize=False)
    np.testing.assert_array_equal(step(batch(["bbbb"])).vectors[0], [4.0, 1.0, 2.0])


def test_lists_of_numbers_are_as_good_as_an_array(scripted):
    step, _ = scripted(lambda contents: [[3.0, 4.0] for _ in contents])
    np.testing.assert_allclose(step(batch(["a"])).vectors[0], [0.6, 0.8], rtol=1e-6)


def test_an_empty_batch_calls_nobody(scripted):
    step, embedder = scripted(vectors_of)
    outcome = step([])
    assert (outcome.keys, outcome.failures, embedder.calls) == ([], [], [])


def test_usage_is_counted_as_data(scripted):
    times = iter(range(100))
    step, _ = scripted(lambda contents: EmbedResult(vectors_of(contents), tokens=5), clock=lambda: float(next(times)))
    usage = step(batch(["a", "b"])).usage
    assert usage == Usage(requests=1, retries=0, waited=0.0, tokens=5, seconds=1.0)


def test_usages_add_up():
    total = Usage(requests=1, retries=1, waited=0.5, tokens=3, seconds=2.0)
    total.add(Usage(requests=2, retries=0, waited=0.25, tokens=4, seconds=1.0))
    assert total == Usage(requests=3, retries=1, waited=0.75, tokens=7, seconds=3.0)


# Preparing


def test_an_empty_content_is_a_failure(scripted):
    step, _ = scripted(vectors_of)
    assert step.prepare(Item(b"k", "text", "", "file/a")) == Failure(b"k", "file/a", "empty")


def test_a_modality_that_is_not_read_is_a_failure_that_says_what_is(scripted):
    step, _ = scripted(vectors_of)
    found = step.prepare(Item(b"k", "image", b"bytes", "file/a"))
    assert found == Failure(b"k", "file/a", "scripted reads text, not image")


def test_a_content_that_cannot_be_decoded_is_a_failure():
    step = EmbedStep(CountingConfig(decode=True))
    found = step.prepare(Item(b"k", "image", b"no picture", "file/a"))
    assert isinstance(found, Failure)
    assert (found.key, found.uri, found.kind) == (b"k", "file/a", "item")
    assert found.reason


# Bad items


def test_a_bad_item_fails_alone_with_the_models_reason(scripted):
    step, _ = scripted(refusing("c"))
    outcome = step(batch("abcdefgh"))
    assert outcome.keys == [letter.encode() for letter in "abdefgh"]
    assert outcome.failures == [Failure(b"c", "file/c", "cannot read c")]


def test_all_items_can_be_bad(scripted):
    step, _ = scripted(refusing(*"abc"))
    outcome = step(batch("abc"))
    assert outcome.keys == []
    assert [failure.key for failure in outcome.failures] == [b"a", b"b", b"c"]


@given(size=st.integers(1, 128), data=st.data())
def test_bisecting_takes_few_calls_and_loses_nothing(size, data):
    """Every bad item costs at most two calls a level: 2 * bad * ceil(log2 n) + 1."""
    names = [f"n{number}" for number in range(size)]
    bad = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    config = ScriptedConfig(batch_size=500)
    embedder = Scripted(config, refusing(*bad))
    step = EmbedStep(config)
    step._embedder = embedder
    outcome = step(batch(names))
    assert outcome.keys == [name.encode() for name in names if name not in bad]
    assert {failure.key for failure in outcome.failures} == {name.encode() for name in bad}
    assert len(embedder.calls) <= 1 + 2 * len(bad) * math.ceil(math.log2(max(size, 2)))
    assert outcome.usage.requests == len(embedder.calls)


# Batches too large


def fitting(limit):
    def script(contents):
        if len(contents) > limit:
            raise BatchTooLargeError(f"{len(contents)} did not fit")
        return vectors_of(contents)

    return script


def test_a_batch_too_large_is_halved_until_it_fits(scripted):
    step, embedder = scripted(fitting(3))
    outcome = step(batch("abcdefghij"))
    assert outcome.keys == [letter.encode() for letter in "abcdefghij"]
    assert outcome.failures == []
    assert [len(call) for call in embedder.calls] == [10, 5, 3, 2, 3, 2]


def test_later_batches_stay_at_the_size_that_fits(scripted):
    step, embedder = scripted(fitting(3))
    step(batch("abcdefghij"))
    embedder.calls.clear()
    outcome = step(batch("abcdefgh"))
    assert [len(call) for call in embedder.calls] == [3, 3, 2]
    assert len(outcome.keys) == 8


def test_one_item_that_does_not_fit_alone_is_the_end(scripted):
    step, _ = scripted(fitting(0))
    with pytest.raises(TerminalError, match=r"one item alone does not fit into memory \(file/a\): 1 did not fit"):
        step(batch("abcd"))


# What the model returns


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda contents: vectors_of(contents)[:-1], "2 x 3 numbers for 3 items, not one vector each"),
        (lambda contents: vectors_of([*contents, "x"]), "4 x 3 numbers for 3 items"),
        (lambda contents: vectors_of(contents)[0], "3 numbers for 3 items"),
        (lambda contents: vectors_of(contents)[None], "1 x 3 x 3 numbers for 3 items"),
        (lambda contents: [[1.0, 2.0], [1.0], [1.0, 2.0]], "not return a matrix of numbers"),
        (lambda contents: [["a"], ["b"], ["c"]], "not return a matrix of numbers"),
        (lambda contents: None, "numbers for 3 items"),
    ],
)
def test_anything_but_one_vector_each_is_the_end(scripted, returned, message):
    step, embedder = scripted(returned)
    with pytest.raises(TerminalError, match=message):
        step(batch("abc"))
    assert len(embedder.calls) == 1


def test_vectors_of_another_length_than_declared_are_the_end(scripted):
    step, _ = scripted(vectors_of, declared=4)
    with pytest.raises(TerminalError, match="3 dimensions, not of 4"):
        step(batch("abc"))


def test_vectors_of_another_length_than_before_are_the_end(scripted):
    step, _ = scripted(lambda contents: np.ones((len(contents), len(contents)), dtype=np.float32))
    step(batch("ab"))
    with pytest.raises(TerminalError, match="3 dimensions, not of 2"):
        step(batch("abc"))


@pytest.mark.parametrize(
    ("number", "reason"),
    [(np.nan, "a vector that is not finite"), (np.inf, "a vector that is not finite"), (0.0, "a vector of zeros")],
)
def test_a_vector_without_meaning_is_a_failure_of_its_item_alone(scripted, number, reason):
    def script(contents):
        vectors = vectors_of(contents)
        vectors[contents.index("b")] = number
        return vectors

    step, _ = scripted(script)
    outcome = step(batch("abc"))
    assert outcome.keys == [b"a", b"c"]
    assert [(failure.key, failure.kind) for failure in outcome.failures] == [(b"b", "item")]
    assert reason in outcome.failures[0].reason


# Errors


def failing(times, error):
    left = [times]

    def script(contents):
        if left[0]:
            left[0] -= 1
            raise error
        return vectors_of(contents)

    return script


def test_a_transient_error_is_retried_and_counted(scripted):
    step, _ = scripted(failing(2, TransientError("busy")), retry=RetryPolicy(initial_wait=1))
    outcome = step(batch("ab"))
    assert outcome.keys == [b"a", b"b"]
    assert (outcome.usage.requests, outcome.usage.retries, outcome.usage.waited) == (3, 2, 3.0)


def test_a_provider_that_never_answered_is_the_end(scripted):
    step, embedder = scripted(failing(99, TransientError("busy")), retry=RetryPolicy(max_retries=2))
    with pytest.raises(TerminalError, match="no request succeeded, though the request was tried 3 times: busy"):
        step(batch("ab"))
    assert len(embedder.calls) == 3


def test_a_batch_that_fails_after_others_succeeded_is_tried_in_the_next_run(scripted):
    down = []

    def script(contents):
        if down:
            raise TransientError("busy")
        return vectors_of(contents)

    step, _ = scripted(script, retry=RetryPolicy(max_retries=1))
    step(batch("a"))
    down.append(True)
    outcome = step(batch("bc"))
    assert outcome.keys == []
    assert outcome.failures == [
        Failure(b"b", "file/b", "busy", "transient"),
        Failure(b"c", "file/c", "busy", "transient"),
    ]


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("late")])
def test_connection_errors_are_transient_unless_the_provider_says_otherwise(scripted, error):
    step, embedder = scripted(failing(1, error))
    assert step(batch("a")).keys == [b"a"]
    assert len(embedder.calls) == 2


def test_an_unknown_error_is_the_end_with_its_own_message_and_cause(scripted):
    cause = KeyError("weights")
    step, embedder = scripted(failing(1, cause))
    with pytest.raises(TerminalError, match="KeyError: 'weights'") as caught:
        step(batch("a"))
    assert caught.value.__cause__ is cause
    assert len(embedder.calls) == 1


def test_a_terminal_error_is_the_end_at_once(scripted):
    error = TerminalError("the key is wrong")
    step, embedder = scripted(failing(1, error))
    with pytest.raises(TerminalError) as caught:
        step(batch("abcd"))
    assert caught.value is error
    assert len(embedder.calls) == 1


def test_a_terminal_error_in_the_middle_of_a_batch_carries_what_its_other_parts_gave(scripted):
    def script(contents):
        if len(contents) > 2:
            raise BatchTooLargeError("too many")
        if "e" in contents:
            raise TerminalError("the quota is used up")
        return vectors_of(contents)

    step, _ = scripted(script)
    with pytest.raises(StoppedError, match="the quota is used up") as caught:
        step(batch("abcdef"))
    for stopped in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert str(stopped) == "the quota is used up"
        assert stopped.outcome.keys == [b"a", b"b", b"c"]
        assert len(stopped.outcome.vectors) == 3


def test_a_batch_that_shrinks_late_does_not_let_the_others_grow_again(scripted):
    """Two threads find at once that their batches are too large; the smaller finding stays."""
    step, embedder = scripted(fitting(2))

    def script(contents):
        if len(contents) == 8 and step._tally.largest is None:
            step._tally.largest = 2  # another thread was faster
        return fitting(2)(contents)

    embedder.script = script
    assert len(step(batch("abcdefgh")).keys) == 8
    assert [len(call) for call in embedder.calls] == [8, 2, 2, 2, 2]


def refused(message="one of them is bad"):
    return ItemError(message, certain=False)


def test_a_request_that_may_be_wrong_stops_the_run_after_a_few_items_alone(scripted):
    step, embedder = scripted(failing(999, refused("HTTP 400: dimensions must be less than 1536")))
    with pytest.raises(StoppedError, match="every one of 5 inputs was refused, so the request is wrong: HTTP 400: dim"):
        step(batch("abcdefghijklmnop"))
    assert sum(len(call) == 1 for call in embedder.calls) == 5


def test_items_of_a_request_that_may_be_wrong_are_tried_again_in_the_next_run(scripted):
    """Remembered for good they would be skipped when the address, or whatever was wrong, is mended."""
    step, _ = scripted(failing(999, refused()))
    with pytest.raises(StoppedError) as caught:
        step(batch("abcdefgh"))
    assert {failure.kind for failure in caught.value.outcome.failures} == {"transient"}
    step, _ = scripted(failing(1, refused()))
    assert [failure.kind for failure in step(batch("a")).failures] == ["transient"]


def test_the_refused_item_that_ends_a_run_is_among_its_failures(scripted):
    step, _ = scripted(failing(999, refused()))
    for content in "abcd":
        assert len(step(batch(content)).failures) == 1
    with pytest.raises(StoppedError, match="every one of 5") as caught:
        step(batch("e"))
    outcome = caught.value.outcome
    assert [(failure.key, failure.kind) for failure in outcome.failures] == [(b"e", "transient")]
    assert outcome.usage.requests == 1


def test_a_bad_item_before_the_first_success_is_still_a_bad_item(scripted):
    def script(contents):
        if "a" in contents:
            raise refused("a is bad")
        return vectors_of(contents)

    step, _ = scripted(script)
    outcome = step(batch("abcdefgh"))
    assert outcome.failures == [Failure(b"a", "file/a", "a is bad", "item")]
    assert len(outcome.keys) == 7


def test_after_a_success_any_number_of_items_can_be_refused(scripted):
    def script(contents):
        if any(content != "good" for content in contents):
            raise refused()
        return vectors_of(contents)

    step, _ = scripted(script)
    step(batch(["good"]))
    outcome = step(batch("abcdefghijklmnop"))
    assert len(outcome.failures) == 16
    assert {failure.kind for failure in outcome.failures} == {"item"}


def suspicious(*bad, retries=None):
    def script(contents):
        if any(content in bad for content in contents):
            raise SuspectError("HTTP 500: something went wrong", max_retries=retries)
        return vectors_of(contents)

    return script


@pytest.mark.parametrize("bad", "abcdefgh")
def test_an_item_that_the_server_fails_on_is_bisected_first_and_tried_once_more_alone(scripted, bad):
    step, embedder = scripted(suspicious(bad))
    outcome = step(batch("abcdefgh"))
    assert outcome.keys == [letter.encode() for letter in "abcdefgh" if letter != bad]
    assert outcome.failures == [Failure(bad.encode(), f"file/{bad}", "HTTP 500: something went wrong", "item")]
    assert embedder.calls.count([bad]) == 2
    assert len(embedder.calls) == 1 + 2 * 3 + 1
    assert (outcome.usage.requests, outcome.usage.retries, outcome.usage.waited) == (8, 1, 0.0)


@pytest.mark.parametrize("settings", [{"retry": RetryPolicy(max_retries=0)}, {}])
def test_a_suspected_item_is_tried_once_where_policy_or_provider_say_so(scripted, settings):
    step, embedder = scripted(suspicious("c", retries=None if settings else 0), **settings)
    assert len(step(batch("abcd")).failures) == 1
    assert embedder.calls.count(["c"]) == 1


def test_a_server_that_fails_once_costs_no_item(scripted):
    step, _ = scripted(failing(1, SuspectError("HTTP 500: for a moment", retry_after=3.0)))
    outcome = step(batch("a"))
    assert (outcome.keys, outcome.failures) == ([b"a"], [])
    assert (outcome.usage.requests, outcome.usage.retries, outcome.usage.waited) == (2, 1, 3.0)


def test_what_is_asked_for_again_has_its_vector_in_its_place(scripted):
    tried = []

    def script(contents):
        if "b" in contents and tried.count(["b"]) < 1:
            tried.append(contents)
            raise SuspectError("HTTP 500: for a moment")
        return vectors_of(contents)

    step, _ = scripted(script)
    assert step(batch(["a", "b", "ccc", "dddd"])).keys == [b"a", b"b", b"ccc", b"dddd"]
    tried.clear()
    outcome = step(batch(["ccc", "b", "a", "dddd"]))
    expected = vectors_of(["ccc", "b", "a", "dddd"])
    np.testing.assert_allclose(np.stack(outcome.vectors), expected / np.linalg.norm(expected, axis=1, keepdims=True))


def test_a_server_that_is_down_for_a_while_is_waited_for_as_long_as_the_policy_says(scripted):
    """Not once for each item: the first of them is asked for again until there is an answer."""
    step, _ = scripted(failing(20, SuspectError("HTTP 500: starting")))
    names = [f"{number} {'n' * number}" for number in range(32)]
    outcome = step(batch(names))
    assert outcome.keys == [name.encode() for name in names]
    expected = vectors_of(names)
    np.testing.assert_allclose(np.stack(outcome.vectors), expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert not outcome.failures
    assert outcome.usage.waited > 0


def test_a_server_that_fails_on_everything_is_an_outage_and_no_items_fault(scripted):
    step, embedder = scripted(failing(999, SuspectError("HTTP 500: out of memory")))
    with pytest.raises(
        StoppedError, match="no request succeeded, though .* 8 times: HTTP 500: out of memory"
    ) as caught:
        step(batch([f"n{number}" for number in range(64)]))
    assert isinstance(caught.value.error, UnavailableError)
    assert {failure.kind for failure in caught.value.outcome.failures} == {"transient"}
    assert len(embedder.calls) < 40


def test_an_item_that_nothing_tells_from_an_outage_is_tried_again_in_the_next_run(scripted):
    """And it does not stop the run: it may be all that there is to embed."""
    step, embedder = scripted(suspicious("c", "d"))
    assert [failure.kind for failure in step(batch("cd")).failures] == ["transient", "transient"]
    assert embedder.calls.count(["c"]) == 8
    assert embedder.calls.count(["d"]) == 1


@pytest.mark.parametrize("count", [2, 20])
def test_any_number_of_bad_items_in_a_row_is_no_outage(scripted, count):
    """The server is asked for something that it has embedded before, and so the items are the problem."""
    bad = [f"x{number}" for number in range(count)]
    step, embedder = scripted(suspicious(*bad))
    step(batch("ab"))
    outcome = step(batch(bad))
    assert {failure.key for failure in outcome.failures} == {one.encode() for one in bad}
    assert {failure.kind for failure in outcome.failures} == {"item"}
    assert embedder.calls[1:].count(["a"]) == 1
    assert all(embedder.calls.count([one]) == 2 for one in bad)


def test_a_server_that_begins_to_fail_on_everything_is_an_outage(scripted):
    down = []

    def script(contents):
        if down:
            raise SuspectError("HTTP 500: out of memory")
        return vectors_of(contents)

    step, embedder = scripted(script, retry=RetryPolicy(max_retries=1))
    step(batch("ab"))
    down.append(True)
    with pytest.raises(StoppedError, match="fails on everything; what was embedded is kept: .*out of memory") as caught:
        step(batch("cdefghijklmnop"))
    assert isinstance(caught.value.error, UnavailableError)
    assert {failure.kind for failure in caught.value.outcome.failures} == {"transient"}
    assert len(embedder.calls) < 25


def test_an_outage_in_the_middle_of_a_run_stops_it(scripted):
    """Else each of a million batches would use up all its retries."""
    down = []

    def script(contents):
        if down:
            raise TransientError("HTTP 503: down for maintenance")
        return vectors_of(contents)

    step, embedder = scripted(script, retry=RetryPolicy(max_retries=1))
    step(batch("ab"))
    down.append(True)
    for number in range(3):
        assert [failure.kind for failure in step(batch([f"x{number}"])).failures] == ["transient"]
    with pytest.raises(UnavailableError, match="4 requests in a row had no answer.*down for maintenance"):
        step(batch(["x4"]))
    assert len(embedder.calls) == 1 + 4 * 2


def test_single_failures_between_successes_stop_nothing(scripted):
    def script(contents):
        if contents[0].startswith("x"):
            raise TransientError("HTTP 503: busy")
        return vectors_of(contents)

    step, _ = scripted(script, retry=RetryPolicy(max_retries=0))
    step(batch("a"))
    for number in range(20):
        assert len(step(batch([f"x{number}"])).failures) == 1
        assert step(batch("a")).keys


# Budget


def priced(**settings):
    return {"prices": {"per_million_tokens": 1_000_000.0}, **settings}  # a dollar a token


def tokened(contents):
    return EmbedResult(vectors_of(contents), tokens=len(contents))


def with_tokens(contents, tokens):
    return [Prepared(one.key, one.uri, one.modality, one.content, tokens, one.size) for one in batch(contents)]


def test_a_budget_stops_before_it_is_passed_and_keeps_what_was_bought(scripted):
    step, embedder = scripted(tokened, batch_size=2, **priced(max_cost_usd=5.0))
    with pytest.raises(StoppedError, match="max_cost_usd") as caught:
        step(with_tokens("abcdefgh", 1))
    assert isinstance(caught.value.error, BudgetError)
    assert caught.value.outcome.keys == [b"a", b"b", b"c", b"d"]
    assert caught.value.outcome.usage.tokens == 4
    assert len(embedder.calls) == 2


def test_a_budget_that_the_first_request_could_pass_buys_nothing(scripted):
    step, embedder = scripted(tokened, **priced(max_cost_usd=5.0))
    with pytest.raises(BudgetError, match=r"could cost \$6\.0"):
        step(with_tokens("ab", 3))
    assert embedder.calls == []


@pytest.mark.parametrize("threads", [1, 8])
def test_a_budget_is_never_passed_however_many_threads_spend_it(monkeypatch, threads):
    bought, lock = [], threading.Lock()

    def script(contents):
        threading.Event().wait(0.002)
        with lock:
            bought.append(len(contents))
        return tokened(contents)

    config = ScriptedConfig(batch_size=2, concurrency=threads, **priced(max_cost_usd=101.0))
    monkeypatch.setattr(embed_step, "embedder_for", lambda _: Scripted(config, script))
    step = EmbedStep(config)
    stopped = []

    def run(number):
        try:
            # Twice as many as it will cost, as a bound in bytes is.
            step(with_tokens([f"{number}a", f"{number}b"], 2))
        except TerminalError as error:
            stopped.append(error)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(80)))
    assert all(isinstance(error, BudgetError) for error in stopped)
    assert len(stopped) == 80 - len(bought)
    assert 96 <= sum(bought) <= 101


def test_a_malformed_answer_is_paid_for(scripted):
    step, _ = scripted(lambda contents: EmbedResult([[1.0, 2.0]] * 3, tokens=4), **priced(max_cost_usd=6.0))
    with pytest.raises(TerminalError, match="not one vector each"):
        step(with_tokens("ab", 1))
    assert step.spent == 4.0


# Cancelling and stopping


def test_after_a_cancel_no_request_is_made(scripted):
    step, embedder = scripted(vectors_of)
    step.cancel()
    with pytest.raises(CancelledError):
        step(batch("a"))
    assert embedder.calls == []


def test_a_cancel_wakes_up_what_waits_to_try_again(monkeypatch):
    config = ScriptedConfig(retry=RetryPolicy(initial_wait=60))
    embedder = Scripted(config, failing(1, TransientError("busy", retry_after=60)))
    monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
    step = EmbedStep(config)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(step, batch("a"))
        while not embedder.calls:
            threading.Event().wait(0.01)
        step.cancel()
        assert isinstance(running.exception(2), CancelledError)
    assert len(embedder.calls) == 1


def test_a_terminal_error_leaves_a_step_usable_unless_it_was_told_to_stop(scripted):
    """A search keeps its step: a key that is mended is used."""
    step, embedder = scripted(failing(1, TerminalError("wrong key")))
    with pytest.raises(TerminalError):
        step(batch("a"))
    assert step(batch("a")).keys
    step, embedder = scripted(failing(1, TerminalError("wrong key")))
    step.stop_at_terminal_errors()
    with pytest.raises(TerminalError, match="wrong key"):
        step(batch("a"))
    with pytest.raises(CancelledError):
        step(batch("a"))
    assert len(embedder.calls) == 1


def test_a_turn_that_a_terminal_error_gives_back_is_taken_by_nobody(monkeypatch):
    """Else each refusal would let one more request out before the run is stopped."""

    def refused(contents):
        threading.Event().wait(0.05)
        raise TerminalError("wrong key")

    config = ScriptedConfig(concurrency=2)
    embedder = Scripted(config, refused)
    monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
    step = EmbedStep(config)
    step.stop_at_terminal_errors()
    with ThreadPoolExecutor(8) as pool:
        errors = [one.exception() for one in [pool.submit(step, batch("a")) for _ in range(8)]]
    assert len(embedder.calls) == 2
    assert sum(isinstance(error, CancelledError) for error in errors) == 6


# Limits


def test_requests_are_packed_into_the_providers_limits(scripted):
    step, embedder = scripted(vectors_of)
    embedder.limits = lambda modality: Limits(items=3, tokens=10)
    outcome = step(with_tokens("abcdefgh", 4))
    assert [len(call) for call in embedder.calls] == [2, 2, 2, 2]
    assert len(outcome.keys) == 8


def test_pictures_are_counted_and_tokens_are_not(scripted):
    step, _ = scripted(vectors_of)
    outcome = step([Prepared(str(n).encode(), "p", "image", "p" * (n + 1)) for n in range(3)])
    assert (outcome.usage.images, outcome.usage.tokens) == (3, 0)


# Life cycle


def test_the_embedder_is_made_once_however_many_threads_ask_first(monkeypatch):
    """Each would load its own model otherwise."""
    made, together = [], threading.Barrier(8)

    def slowly(config):
        made.append(config)
        threading.Event().wait(0.05)
        return Scripted(config, vectors_of)

    monkeypatch.setattr(embed_step, "embedder_for", slowly)
    step = EmbedStep(ScriptedConfig())

    def prepare(number):
        together.wait()
        return step.prepare(Item(str(number).encode(), "text", "a text"))

    with ThreadPoolExecutor(8) as pool:
        assert all(isinstance(one, Prepared) for one in pool.map(prepare, range(8)))
    assert len(made) == 1


def test_a_closed_step_makes_a_new_embedder(scripted):
    step, embedder = scripted(vectors_of)
    step(batch("a"))
    step.close()
    step.close()
    assert embedder.closed == 1
    assert step(batch("a")).keys == [b"a"]


def test_a_step_is_pickled_without_its_embedder():
    step = EmbedStep(CountingConfig(), side="query")
    before = step([step.prepare(Item(b"a", "text", "a"))])
    copy = pickle.loads(pickle.dumps(step))
    assert copy._embedder is None
    assert copy.side == "query"
    np.testing.assert_array_equal(copy([copy.prepare(Item(b"a", "text", "a"))]).vectors, before.vectors)


def test_a_step_lets_go_of_anothers_embedder_and_closes_its_own(scripted):
    embedder = Scripted(ScriptedConfig(), vectors_of)
    embedder.declared = 4
    asked = []
    step = EmbedStep(embedder.config, owner=lambda: (asked.append(1), embedder)[1])
    assert asked == []
    with pytest.raises(TerminalError, match="3 dimensions, not of 4"):
        step(batch("a"))
    step.close()
    assert (embedder.calls, embedder.closed) == ([["a"]], 0)


def test_a_step_with_an_owner_makes_its_own_embedder_in_another_process():
    shared = CountingEmbedder(CountingConfig())
    step = EmbedStep(CountingConfig(), owner=lambda: shared)
    assert step.embedder is shared
    for sent in (step, step.twin()):
        copy = pickle.loads(pickle.dumps(sent))
        assert copy.embedder is not shared
        copy([copy.prepare(Item(b"a", "text", "a"))])


def test_twins_learn_together_and_are_cancelled_apart(scripted):
    def small(contents):
        if len(contents) > 2:
            raise BatchTooLargeError("out of memory")
        return vectors_of(contents)

    _, embedder = scripted(small)
    step = EmbedStep(embedder.config, owner=lambda: embedder)
    first, second = step.twin(), step.twin()
    first(batch("abcd"))
    first.cancel()
    with pytest.raises(CancelledError):
        first(batch("a"))
    assert step.answered
    assert len(second(batch("abcd")).keys) == 4
    assert [len(contents) for contents in embedder.calls] == [4, 2, 2, 2, 2]
    assert pickle.loads(pickle.dumps(second)).limits("text").items == 2


def test_a_missing_plugin_is_an_error_when_the_first_item_comes():
    step = EmbedStep(ScriptedConfig())
    with pytest.raises(plugins.PluginError, match="there is no embedder 'scripted'"):
        step.prepare(Item(b"a", "text", "a"))


# Keys


def test_the_hash_of_a_text_is_that_of_its_utf8_bytes():
    assert content_hash("Größe") == content_hash("Größe".encode())
    assert content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_key_is_of_modality_bytes_and_part():
    sha256 = content_hash("a text")
    keys = {content_key(*of) for of in product(("text", "image", "vector"), (sha256, content_hash("")), ("", "page=1"))}
    assert len(keys) == 12
    assert {len(key) for key in keys} == {32}
    assert ContentId("text", sha256, "char=0,5").key == content_key("text", sha256, "char=0,5")


def test_a_key_stays_as_it_is():
    # Every vector of every store goes by it.
    key = content_key("text", content_hash("a text"), "char=0,5")
    assert key.hex() == "3c2dee4246b829b9ab13e28912c01b869b063eb9920009803de37c2e0b3007dd"
