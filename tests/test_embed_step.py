from __future__ import annotations

import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch import embed_step, plugins
from embeddings_orch.embed_step import EmbedStep, content_hash, content_key
from embeddings_orch.embedder import Embedder, EmbedderConfig, EmbedResult, Item
from embeddings_orch.errors import (
    BatchTooLargeError,
    ItemError,
    TerminalError,
    TransientError,
)
from embeddings_orch.outcome import Failure, Prepared, StoppedError, Usage
from embeddings_orch.retry import RetryPolicy
from embeddings_orch.testing import CountingConfig


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

    def make(script, *, declared=None, **settings):
        config = ScriptedConfig(**settings)
        embedder = Scripted(config, script)
        embedder.declared = declared
        monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
        step = EmbedStep(config, clock=lambda: 0.0, sleep=lambda _: None, uniform=lambda low, high: high)
        return step, embedder

    return make


def batch(contents):
    return [Prepared(f"{content}:0", f"file/{content}", "text", content) for content in contents]


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
    assert outcome.keys == ["a:0", "bbbb:0", "cc:0"]
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
    step, _ = scripted(lambda contents: EmbedResult(vectors_of(contents), tokens=5))
    step._clock = lambda: float(next(times))
    usage = step(batch(["a", "b"])).usage
    assert usage == Usage(requests=1, retries=0, waited=0.0, tokens=5, seconds=1.0)


def test_usages_add_up():
    total = Usage(requests=1, retries=1, waited=0.5, tokens=3, seconds=2.0)
    total.add(Usage(requests=2, retries=0, waited=0.25, tokens=4, seconds=1.0))
    assert total == Usage(requests=3, retries=1, waited=0.75, tokens=7, seconds=3.0)


# Preparing


def test_an_empty_content_is_a_failure(scripted):
    step, _ = scripted(vectors_of)
    assert step.prepare(Item("k:0", "text", "", "file/a")) == Failure("k:0", "file/a", "empty")


def test_a_modality_that_is_not_read_is_a_failure_that_says_what_is(scripted):
    step, _ = scripted(vectors_of)
    found = step.prepare(Item("k:0", "image", b"bytes", "file/a"))
    assert found == Failure("k:0", "file/a", "scripted reads text, not image")


def test_a_content_that_cannot_be_decoded_is_a_failure():
    step = EmbedStep(CountingConfig(decode=True))
    found = step.prepare(Item("k:0", "image", b"no picture", "file/a"))
    assert isinstance(found, Failure)
    assert (found.key, found.uri, found.kind) == ("k:0", "file/a", "item")
    assert found.reason


# Bad items


def test_a_bad_item_fails_alone_with_the_models_reason(scripted):
    step, _ = scripted(refusing("c"))
    outcome = step(batch("abcdefgh"))
    assert outcome.keys == [f"{letter}:0" for letter in "abdefgh"]
    assert outcome.failures == [Failure("c:0", "file/c", "cannot read c")]


def test_all_items_can_be_bad(scripted):
    step, _ = scripted(refusing(*"abc"))
    outcome = step(batch("abc"))
    assert outcome.keys == []
    assert [failure.key for failure in outcome.failures] == ["a:0", "b:0", "c:0"]


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
    assert outcome.keys == [f"{name}:0" for name in names if name not in bad]
    assert {failure.key for failure in outcome.failures} == {f"{name}:0" for name in bad}
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
    assert outcome.keys == [f"{letter}:0" for letter in "abcdefghij"]
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
    assert outcome.keys == ["a:0", "c:0"]
    assert [(failure.key, failure.kind) for failure in outcome.failures] == [("b:0", "item")]
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
    assert outcome.keys == ["a:0", "b:0"]
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
        Failure("b:0", "file/b", "busy", "transient"),
        Failure("c:0", "file/c", "busy", "transient"),
    ]


@pytest.mark.parametrize("error", [ConnectionError("no route"), TimeoutError("late")])
def test_connection_errors_are_transient_unless_the_provider_says_otherwise(scripted, error):
    step, embedder = scripted(failing(1, error))
    assert step(batch("a")).keys == ["a:0"]
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
        assert stopped.outcome.keys == ["a:0", "b:0", "c:0"]
        assert len(stopped.outcome.vectors) == 3


def test_a_batch_that_shrinks_late_does_not_let_the_others_grow_again(scripted):
    """Two threads find at once that their batches are too large; the smaller finding stays."""
    step, embedder = scripted(fitting(2))

    def script(contents):
        if len(contents) == 8 and step._largest is None:
            step._largest = 2  # another thread was faster
        return fitting(2)(contents)

    embedder.script = script
    assert len(step(batch("abcdefgh")).keys) == 8
    assert [len(call) for call in embedder.calls] == [8, 2, 2, 2, 2]


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
        return step.prepare(Item(f"{number}:0", "text", "a text"))

    with ThreadPoolExecutor(8) as pool:
        assert all(isinstance(one, Prepared) for one in pool.map(prepare, range(8)))
    assert len(made) == 1


def test_a_closed_step_makes_a_new_embedder(scripted):
    step, embedder = scripted(vectors_of)
    step(batch("a"))
    step.close()
    step.close()
    assert embedder.closed == 1
    assert step(batch("a")).keys == ["a:0"]


def test_a_step_is_pickled_without_its_embedder():
    step = EmbedStep(CountingConfig(), side="query")
    before = step([step.prepare(Item("a:0", "text", "a"))])
    copy = pickle.loads(pickle.dumps(step))
    assert copy._embedder is None
    assert copy.side == "query"
    np.testing.assert_array_equal(copy([copy.prepare(Item("a:0", "text", "a"))]).vectors, before.vectors)


def test_a_missing_plugin_is_an_error_when_the_first_item_comes():
    step = EmbedStep(ScriptedConfig())
    with pytest.raises(plugins.PluginError, match="there is no embedder 'scripted'"):
        step.prepare(Item("a:0", "text", "a"))


# Keys


def test_the_hash_of_a_text_is_that_of_its_utf8_bytes():
    assert content_hash("Größe") == content_hash("Größe".encode())
    assert content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_key_is_hash_and_part():
    assert content_key("abc") == "abc:0"
    assert content_key("abc", 3) == "abc:3"
