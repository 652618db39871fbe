"""Several containers side by side: who works, who is out, who comes back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError, TransientError, UnavailableError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch_plugins.clip_server import Multi2VecClipConfig, Multi2VecClipEmbedder
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer

from .conftest import free_port

PAUSE = 10.0


def config(*urls: str, **settings) -> Multi2VecClipConfig:
    return Multi2VecClipConfig(name="ViT-B-32", inference_urls=list(urls), batch_size=4, **settings)


def step_of(made: Multi2VecClipConfig, clock, sleep=None) -> EmbedStep:
    step = EmbedStep(made, clock=clock, sleep=sleep or clock.sleep)
    step._embedder = Multi2VecClipEmbedder(made, clock)  # the one thing that a config cannot say is the clock
    return step


def embed_many(step: EmbedStep, batches: int, start: int = 0, threads: int = 4):
    """So many batches of four texts by several threads; the outcomes."""
    texts = [[f"text {start + number * 4 + index}" for index in range(4)] for number in range(batches)]
    prepared = [[step.prepare(Item(text.encode(), "text", text)) for text in batch] for batch in texts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(step, prepared))


def vectors_sent(server: Multi2VecServer) -> int:
    return sum(request.path == "/vectorize" for request in server.requests)


def test_requests_are_spread_over_the_containers(clock):
    with Multi2VecServer(latency=0.01) as first, Multi2VecServer(latency=0.01) as second:
        outcomes = embed_many(step_of(config(first.url, second.url), clock), 40)
        assert sum(len(outcome.keys) for outcome in outcomes) == 160
        assert abs(vectors_sent(first) - vectors_sent(second)) <= 6
        assert vectors_sent(first) + vectors_sent(second) == 40


def test_the_slower_container_gets_less(clock):
    with Multi2VecServer() as fast, Multi2VecServer(latency=0.05) as slow:
        embed_many(step_of(config(fast.url, slow.url), clock), 40)
        assert vectors_sent(fast) > 2 * vectors_sent(slow)


@pytest.mark.process
def test_a_container_that_is_killed_and_comes_back(clock, container):
    doomed = container()
    doomed.start()
    with Multi2VecServer(model="ViT-B-32") as steady:
        step = step_of(config(doomed.url, steady.url), clock)
        embed_many(step, 8)
        assert vectors_sent(steady) < 8

        killed = threading.Timer(0.02, doomed.kill)
        killed.start()
        during = embed_many(step, 200, start=1000)
        killed.join()
        assert sum(len(outcome.keys) for outcome in during) == 800
        # Only the requests that were under way as it died are sent once more.
        assert sum(outcome.usage.retries for outcome in during) <= 4

        clock.now += 1
        steady.clear()
        after = embed_many(step, 20, start=3000)
        assert sum(len(outcome.keys) for outcome in after) == 80
        assert sum(outcome.usage.retries for outcome in after) == 0
        assert vectors_sent(steady) == 20

        doomed.start()
        steady.clear()
        embed_many(step, 10, start=4000)
        assert vectors_sent(steady) == 10, "it was tried again before its pause was over"
        clock.now += PAUSE
        embed_many(step, 10, start=5000)
        assert vectors_sent(steady) < 20, "it was not tried again"
    # Now the other one is away, connections that are open already included.
    step.embedder.close()
    last = embed_many(step, 10, start=6000)
    assert sum(len(outcome.keys) for outcome in last) == 40


def test_one_that_is_down_from_the_start_costs_no_retry(clock):
    with Multi2VecServer() as server:
        step = step_of(config(f"http://127.0.0.1:{free_port()}", server.url, retry={"max_retries": 0}), clock)
        outcomes = embed_many(step, 10)
    assert sum(len(outcome.keys) for outcome in outcomes) == 40
    assert sum(outcome.usage.retries for outcome in outcomes) == 0


@pytest.mark.process
def test_one_that_goes_away_between_two_batches_costs_no_retry(clock, container):
    doomed = container()
    doomed.start()
    with Multi2VecServer(model="ViT-B-32") as steady:
        step = step_of(config(doomed.url, steady.url, retry={"max_retries": 0}), clock)
        embed_many(step, 8)
        doomed.kill()
        steady.clear()
        outcomes = embed_many(step, 8, start=100)
        assert vectors_sent(steady) == 8
    assert sum(len(outcome.keys) for outcome in outcomes) == 32
    assert sum(outcome.usage.retries for outcome in outcomes) == 0


def test_while_it_is_down_it_is_tried_once_in_a_pause(clock):
    with Multi2VecServer() as up, Multi2VecServer() as down:
        embedder = Multi2VecClipEmbedder(config(up.url, down.url), clock)
        down.ready = False
        for second in range(35):
            clock.now = float(second)
            for _ in range(3):
                with suppress(TransientError):
                    embedder.embed(Batch("text", ["a"]))
        assert len(down.requests) == 4  # at 0, 10, 20 and 30 s


def test_one_that_answers_503_is_left_at_once_and_the_retry_goes_elsewhere(clock):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        step = step_of(config(first.url, second.url), clock)
        embed_many(step, 4)
        first.faults.always(Fault.status_code(503, headers={"retry-after": "30"}))
        first.clear()
        outcomes = embed_many(step, 20, start=100, threads=1)
        assert sum(len(outcome.keys) for outcome in outcomes) == 80
        assert vectors_sent(first) == 1
        assert sum(outcome.usage.retries for outcome in outcomes) == 1
        assert sum(outcome.usage.waited for outcome in outcomes) < 1, "the Retry-After of the one that is out was kept"


def test_a_500_is_no_sign_that_a_container_is_down(clock):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        first.reject = second.reject = "bad"
        step = step_of(config(first.url, second.url), clock)
        texts = [*(f"good {number}" for number in range(7)), "bad"]
        outcomes = [step([step.prepare(Item(text.encode(), "text", text)) for text in texts]) for _ in range(2)]
        assert [len(outcome.keys) for outcome in outcomes] == [7, 7]
        assert [failure.key for outcome in outcomes for failure in outcome.failures] == [b"bad", b"bad"]
        assert "cannot embed a text with 'bad'" in outcomes[0].failures[0].reason
        assert vectors_sent(first) > 3
        assert vectors_sent(second) > 3


def test_where_all_are_down_the_run_stops_as_one_that_may_succeed_later(clock):
    addresses = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    step = step_of(config(*addresses, retry={"max_retries": 3}), clock)
    with pytest.raises(UnavailableError) as raised:
        embed_many(step, 1)
    assert "4 times" in str(raised.value)
    assert "cannot be reached" in str(raised.value)


@pytest.mark.process
def test_all_down_and_then_one_up_is_found_without_waiting_for_its_pause(clock, container):
    late, never = container(), container()
    attempts = []

    def sleep(seconds: float) -> None:
        attempts.append(seconds)
        if len(attempts) == 2:
            late.start()

    step = step_of(config(late.url, never.url), clock, sleep)
    outcomes = embed_many(step, 1)
    assert len(outcomes[0].keys) == 4
    assert outcomes[0].usage.retries <= 4


def test_containers_with_different_models_are_refused(clock):
    with Multi2VecServer(model="one") as first, Multi2VecServer(model="another", dimensions=768) as second:
        step = step_of(config(first.url, second.url), clock)
        with pytest.raises(TerminalError, match=r"different models .*must not be mixed"):
            embed_many(step, 8)


def test_a_container_that_comes_back_with_another_model_is_refused(clock):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        embedder = Multi2VecClipEmbedder(config(first.url, second.url), clock)
        for _ in range(4):
            embedder.embed(Batch("text", ["a"]))
        second.model = "another"
        second.faults.script(Fault.reset())
        with pytest.raises(TransientError, match="broke"):
            [embedder.embed(Batch("text", ["a"])) for _ in range(2)]
        clock.now += PAUSE
        with pytest.raises(TerminalError, match=r"_name_or_path"):
            embedder.embed(Batch("text", ["a"]))


def test_newer_software_with_the_same_model_is_accepted(clock):
    class Newer(Multi2VecServer):
        def meta(self):
            meta = super().meta()
            meta["clip_model"] = {**meta["clip_model"], "transformers_version": "5.0", "a_new_key": 1}
            return meta

    with Multi2VecServer() as first, Newer() as second:
        outcomes = embed_many(step_of(config(first.url, second.url), clock), 8)
    assert sum(len(outcome.keys) for outcome in outcomes) == 32


def test_one_that_tells_nothing_of_its_model_is_used(clock):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        for server in (first, second):
            server.faults.when(lambda request: Fault.status_code(404) if request.path == "/meta" else None)
        outcomes = embed_many(step_of(config(first.url, second.url), clock), 8)
    assert sum(len(outcome.keys) for outcome in outcomes) == 32


def test_both_give_the_same_vector(clock):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        embedder = Multi2VecClipEmbedder(config(first.url, second.url), clock)
        vectors = [np.asarray(embedder.embed(Batch("text", ["a"])).vectors) for _ in range(4)]
        assert vectors_sent(first) == vectors_sent(second) == 2
    assert all(np.array_equal(vector, vectors[0]) for vector in vectors)
