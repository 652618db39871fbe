"""Dynamic batching: who asks at the same time shares a call of the model, and nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from embeddings_orch.embedding.pool.batching import Batcher
from embeddings_orch.embedding.pool.lanes import BatchLane
from embeddings_orch.embedding.pool.pool import ModelPool
from embeddings_orch.embedding.pool.recent import Recent
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import CancelledError, TerminalError, UnavailableError
from embeddings_orch.models.base import config_from
from embeddings_orch.models.content import Failure, Item, content_hash, content_key
from embeddings_orch.search import Index
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

LONG = 60.0


def expected(text, name="toy"):
    vector = CountingEmbedder(CountingConfig(name=name))._vector(text.encode() if isinstance(text, str) else text)
    return vector / np.linalg.norm(vector)


class Asked:
    """A batcher over the counting model, and the reports of its batches."""

    def __init__(self, *, batch_wait=0.0, **settings):
        self.reports = []
        self.step = EmbedStep(CountingConfig(name="toy", **{"retry": {"max_retries": 0}, **settings}), side="query")
        self.batcher = Batcher(self.step, batch_wait=batch_wait, listener=self.reports.append)
        self.gate = None

    def prepared(self, content, modality="text"):
        return self.step.prepare(Item(content_key(modality, content_hash(content)), modality, content, "the query"))

    def ask(self, *contents, modality="text", **options):
        return self.batcher.embed([self.prepared(one, modality) for one in contents], **options)

    def told(self):
        """What the listener was told when all was over; callers have their answers before it."""
        self.batcher.close()
        return self.reports

    @property
    def sizes(self):
        return [report.items for report in self.told()]


@pytest.fixture
def asked():
    made = []

    def make(**settings):
        made.append(Asked(**settings))
        return made[-1]

    yield make
    for one in made:
        one.batcher.close()


@pytest.fixture
def pool():
    made = []

    def make(**options):
        made.append(ModelPool(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def together(count, call):
    """Call from so many threads at the same time, results in order."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait(LONG)
        return call(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_each_caller_gets_the_vector_of_its_own_content(asked):
    one = asked(delay=0.01)

    def call(number):
        (vector,) = one.ask(f"text {number}")
        return vector

    for number, vector in enumerate(together(32, call)):
        np.testing.assert_allclose(vector, expected(f"text {number}"), atol=1e-6)
    assert sum(one.sizes) == 32


def test_what_comes_while_a_batch_runs_shares_the_next_one(asked):
    one = asked(delay=0.1)
    together(16, lambda number: one.ask(f"text {number}"))
    # The first went alone, or with those that were as quick; the others came while it ran.
    assert len(one.sizes) <= 4
    assert max(one.sizes) >= 8


def test_one_batch_at_a_time_for_a_model_on_one_device_and_several_elsewhere(asked):
    def most_at_once(one):
        running, most, lock = [], [0], threading.Lock()
        embed = one.step.embedder.embed

        def watched(batch):
            with lock:
                running.append(batch)
                most[0] = max(most[0], len(running))
            try:
                return embed(batch)
            finally:
                with lock:
                    running.remove(batch)

        one.step.embedder.embed = watched
        together(12, lambda number: one.ask(f"text {number}"))
        return most[0]

    assert most_at_once(asked(delay=0.02)) == 1
    assert most_at_once(asked(delay=0.1, concurrency=4, batch_size=1)) == 4


def test_a_batch_holds_no_more_than_the_model_takes(asked):
    one = asked(delay=0.05, batch_size=4)
    together(20, lambda number: one.ask(f"text {number}"))
    assert max(one.sizes) == 4
    fewer = asked(delay=0.01, batch_size=1)
    fewer.ask("a", "b", "c")
    assert fewer.sizes == [1, 1, 1]


def test_texts_and_pictures_go_in_batches_of_their_own_and_take_turns(asked):
    one = asked(delay=0.02, batch_size=2)
    contents = [(f"text {n}", "text") for n in range(6)] + [(b"picture %d" % n, "image") for n in range(6)]
    answers = one.batcher.embed([one.prepared(content, modality) for content, modality in contents])
    for (content, _), vector in zip(contents, answers, strict=True):
        np.testing.assert_allclose(vector, expected(content), atol=1e-6)
    assert [report.modality for report in one.told()] == ["text", "image"] * 3


def test_who_asks_for_one_does_not_wait_for_who_asks_for_a_thousand(asked):
    one = asked(delay=0.01, batch_size=8)
    with ThreadPoolExecutor(1) as threads:
        many = threads.submit(one.ask, *(f"bulk {number}" for number in range(800)))
        while not one.reports:
            time.sleep(0.001)
        one.ask("a query")
        assert not many.done()
        assert len(many.result(LONG)) == 800


def test_one_bad_content_fails_its_own_caller_only(asked):
    one = asked(delay=0.05, reject="bad")
    answers = together(16, lambda number: one.ask("a bad one" if number == 7 else f"text {number}")[0])
    assert isinstance(answers[7], Failure)
    assert "holds 'bad'" in answers[7].reason
    assert [number for number, answer in enumerate(answers) if isinstance(answer, Failure)] == [7]
    assert sum(report.failed for report in one.told()) == 1


def test_the_same_content_at_the_same_time_is_embedded_once(asked):
    one = asked(delay=0.1)
    answers = together(16, lambda _: one.ask("the same")[0])
    for vector in answers:
        np.testing.assert_array_equal(vector, answers[0])
    assert one.sizes == [1]
    assert one.reports[0].callers == 16


def test_the_same_content_twice_in_one_call(asked):
    one = asked()
    first, second, third = one.ask("twice", "once", "twice")
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)
    assert one.sizes == [2]


def test_a_terminal_error_reaches_every_caller_and_the_next_call_tries_anew(asked):
    one = asked(delay=0.05, broken=True)

    def call(number):
        with pytest.raises(TerminalError, match="configured as broken"):
            one.ask(f"text {number}")

    together(8, call)
    calls = len(CountingEmbedder.calls)
    call(0)
    assert len(CountingEmbedder.calls) == calls + 1


def test_a_model_that_was_mended_is_used_by_the_next_call(asked):
    one = asked(flaky=1)
    with pytest.raises(UnavailableError, match="fails 1 times first"):
        one.ask("a query")
    np.testing.assert_allclose(one.ask("a query")[0], expected("a query"), atol=1e-6)


def test_a_callers_timeout_frees_its_place(asked):
    one = asked(delay=0.3, batch_size=1)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(one.ask, "the first")
        while not one.batcher._threads:
            time.sleep(0.001)
        time.sleep(0.05)
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
            one.ask("given up", timeout=0.05)
        one.ask("the next")
        first.result(LONG)
    assert one.sizes == [1, 1]  # what was given up was never embedded


def test_a_cancelled_task_frees_its_place_and_others_go_on(asked):
    one = asked(delay=0.2, batch_size=1)

    async def run():
        first = asyncio.ensure_future(one.batcher.aembed([one.prepared("the first")]))
        await asyncio.sleep(0.05)
        given_up = asyncio.ensure_future(one.batcher.aembed([one.prepared("given up")]))
        shared = asyncio.ensure_future(one.batcher.aembed([one.prepared("shared")]))
        left = asyncio.ensure_future(one.batcher.aembed([one.prepared("shared")]))
        await asyncio.sleep(0.05)
        given_up.cancel()
        left.cancel()
        answers = await asyncio.gather(first, shared)
        assert given_up.cancelled()
        assert left.cancelled()
        return [answer[0] for answer in answers]

    first, shared = asyncio.run(run())
    np.testing.assert_allclose(first, expected("the first"), atol=1e-6)
    np.testing.assert_allclose(shared, expected("shared"), atol=1e-6)
    assert one.sizes == [1, 1]


def test_close_refuses_what_waits_ends_what_runs_and_leaves_no_thread(asked):
    one = asked(delay=1.5, batch_size=1)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(one.ask, "runs")
        time.sleep(0.05)
        waiting = threads.submit(one.ask, "waits")
        time.sleep(0.05)
        one.batcher.close()
        assert len(running.result(LONG)) == 1
        with pytest.raises(CancelledError, match="released"):
            waiting.result(LONG)
    with pytest.raises(CancelledError, match="released"):
        one.ask("later")
    assert not [thread for thread in threading.enumerate() if thread.name == "embed-batches"]


def test_a_listener_that_fails_fails_no_caller(asked, caplog):
    one = asked()

    def listener(report):
        raise ValueError("of the listener")

    one.batcher._listener = listener
    assert len(one.ask("a query")) == 1
    one.batcher.close()
    assert "of the listener" in caplog.text


class Time:
    """A clock that stands still but for waiting."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def __call__(self):
        return self.now

    def pause(self, condition, seconds):
        self.pauses.append(seconds)
        if seconds < 1:
            self.now += seconds
            condition.wait(0.001)
        else:
            condition.wait(seconds)


@pytest.fixture
def stopped():
    """A batcher whose window is 50 ms of a clock that stands still, and the clock."""
    clock = Time()
    step = EmbedStep(CountingConfig(name="toy"), side="query")
    batcher = Batcher(step, batch_wait=0.05, clock=clock, pause=clock.pause)

    def ask(*texts):
        batcher.embed([step.prepare(Item(content_key("text", content_hash(one)), "text", one, "")) for one in texts])

    yield ask, clock
    batcher.close()


def test_who_is_alone_waits_for_nobody(stopped):
    ask, clock = stopped
    for number in range(5):
        ask(f"text {number}")
    ask(*(f"bulk {number}" for number in range(200)))  # one caller as well
    ask("after")
    assert clock.now == 100.0


def lane_after(callers, at=100.0):
    """A lane whose batch before had so many callers."""
    lane = BatchLane("text", "query")
    step = EmbedStep(CountingConfig(name="toy"))

    def add(name, number=1, now=at):
        texts = [f"{name} {one}" for one in range(number)]
        lane.add([(step.prepare(Item(text.encode(), "text", text)), Future()) for text in texts], now)

    limits = step.limits("text")
    for number in range(callers):
        add(f"before {number}")
    lane.settle(lane.take(limits), at)
    return lane, add, limits


def test_what_comes_while_an_idle_thread_wakes_up_to_leave_is_embedded():
    now, later = [100.0], []
    step = EmbedStep(CountingConfig(name="toy"), side="query")
    first, second = (
        step.prepare(Item(content_key("text", content_hash(one)), "text", one, "the query"))
        for one in ("first", "second")
    )

    def pause(condition, seconds):
        now[0] += seconds
        condition.release()
        if not later:
            later.extend(batcher.submit([second]))
        condition.acquire()

    batcher = Batcher(step, batch_wait=0.0, clock=lambda: now[0], pause=pause)
    try:
        batcher.embed([first], timeout=LONG)
        for _ in range(1000):
            if later:
                break
            time.sleep(0.01)
        np.testing.assert_allclose(later[0].result(10), expected("second"), rtol=1e-5)
    finally:
        batcher.close()


def test_as_many_are_waited_for_as_came_before():
    lane, add, limits = lane_after(3)
    add("first")
    assert not lane.complete(limits, 100.01, 0.1)
    add("second")
    add("third")
    assert lane.complete(limits, 100.01, 0.1)


def test_nobody_is_waited_for_when_the_batch_before_was_long_ago():
    lane, add, limits = lane_after(3)
    add("first", now=101.0)
    assert lane.complete(limits, 101.0, 0.1)


def test_a_full_batch_waits_for_nobody():
    lane, add, limits = lane_after(3)
    add("bulk", number=limits.items)
    assert lane.complete(limits, 100.01, 0.1)


def test_the_window_is_waited_out_once_when_the_others_went_away(stopped):
    ask, clock = stopped
    barrier = threading.Barrier(4)

    def one(number):
        barrier.wait(LONG)
        ask(f"text {number}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, range(4)))
    before = clock.now
    ask("alone")
    ask("still alone")
    ask("and again")
    assert clock.now - before <= 0.05 + 1e-9


def test_a_pool_has_each_model_once_and_asks_for_both_sides(pool):
    one = pool()
    first, second = one.model(CountingConfig(name="toy")), one.model(CountingConfig(name="toy", batch_size=3))
    assert first is second
    assert one.model(CountingConfig(name="other")) is not first
    sides = []
    embed = first._step.embedder.embed
    first._step.embedder.embed = lambda batch: (sides.append(batch.side), embed(batch))[1]
    for side in ("query", "document"):
        first.embed(first.prepare("text", ["a dog"], side))
    assert sides == ["query", "document"]


def test_a_slow_model_stops_no_other(pool):
    one = pool()
    slow, quick = one.model(CountingConfig(name="slow", delay=1.0)), one.model(CountingConfig(name="quick"))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: slow.embed(slow.prepare("text", ["a dog"], "query")))
        time.sleep(0.05)
        assert len(quick.embed(quick.prepare("text", ["a dog"], "query"))) == 1
        assert not waiting.done()
        assert len(waiting.result(LONG)) == 1


def test_a_model_elsewhere_is_shared_only_where_address_and_key_are_the_same(pool):
    settings = {"name": "m", "api_key_env": None}
    first, same, other = (
        config_from("openai", {**settings, "base_url": f"http://127.0.0.1:{port}/v1"}) for port in (1, 1, 2)
    )
    one = pool()
    assert first.fingerprint() == other.fingerprint()
    assert one.model(first) is one.model(same)
    assert one.model(first) is not one.model(other)


def test_the_listener_is_told_of_each_batch(asked):
    one = asked(delay=0.1)
    together(4, lambda number: one.ask(f"text {number}"))
    for report in one.told():
        assert (report.provider, report.modality, report.side) == ("counting", "text", "query")
        assert report.items == report.callers == len(report.waits)
        assert report.seconds >= 0.1
        assert all(0 <= seconds < LONG for seconds in report.waits)
    assert sum(report.items for report in one.told()) == 4


def test_a_query_that_was_asked_a_moment_ago_is_not_embedded_again(pool):
    reports = []
    one = pool(listener=reports.append)
    model = one.model(CountingConfig(name="toy"))
    answers = [model.embed(model.prepare("text", ["a dog"], "query"))[0] for _ in range(3)]
    np.testing.assert_array_equal(answers[0], answers[2])
    for _ in range(2):
        model.embed(model.prepare("text", ["a dog"], "document"))
    one.close()
    assert [(report.side, report.items) for report in reports] == [("query", 1), ("document", 1), ("document", 1)]


def test_recent_vectors_take_no_more_memory_than_they_may():
    recent = Recent(most_bytes=3 * 32)
    for number in range(4):
        recent.put(number, np.full(8, number, np.float32))
        recent.get(0)
    assert recent.get(1) is None
    assert [recent.get(number)[0] for number in (0, 2, 3)] == [0, 2, 3]
    Recent(0).put("a", np.ones(8, np.float32))


def test_models_of_a_closed_pool_are_loaded_again(pool):
    one = pool()
    before = one.model(CountingConfig(name="toy"))
    one.close()
    with pytest.raises(CancelledError):
        before.embed(before.prepare("text", ["a dog"], "document"))
    after = one.model(CountingConfig(name="toy"))
    assert len(after.embed(after.prepare("text", ["a dog"], "document"))) == 1


@pytest.mark.slow
def test_an_index_of_many_threads_shares_calls(words_gallery, right):
    gallery = words_gallery(pictures=12)
    before = len(gallery.calls())
    gallery.model(delay=0.05)  # operational, so the index keeps its model
    index = right.opened(gallery)
    config = gallery.pipeline().spec.embeddings["toy"].config
    with Index(index.store, index.pipeline, index.name, [config]) as index:
        found = together(16, lambda number: index.search(f"words {number}", column="toy", limit=1))
    assert all(len(one) == 1 for one in found)
    sizes = [items for _, items in gallery.calls()[before:]]
    assert sum(sizes) == 16
    assert len(sizes) < 12
