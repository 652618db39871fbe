"""Many contents of one caller at once, beside those of others, on the one embedder of a model."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embeddings_orch.embedding.contents import vectors_of
from embeddings_orch.embedding.pool.pool import ModelPool
from embeddings_orch.errors import BatchTooLargeError, CancelledError, ItemError, TerminalError
from embeddings_orch.models.base import config_from
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from embeddings_orch_testing.servers.faults import Fault
from embeddings_orch_testing.servers.openai import OpenAIServer

LONG = 60.0


@pytest.fixture
def model():
    """Makes the model of a counting config, in a pool."""
    pool = ModelPool()
    yield lambda **settings: pool.model(CountingConfig(name="toy", **settings))
    pool.close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-test-0123456789abcdef")
    with OpenAIServer() as server:
        server.key = "sk-test-0123456789abcdef"
        yield server


@pytest.fixture
def elsewhere(server):
    """Makes a model behind a network."""
    pool = ModelPool()
    settings = {"base_url": server.url, "api_key_env": "A_KEY", "dimensions": 8}
    yield lambda **more: pool.model(config_from("openai", {**settings, **more}))
    pool.close()


def expected(text):
    vector = CountingEmbedder(CountingConfig(name="toy"))._vector(text.encode())
    return vector / np.linalg.norm(vector)


def bulk(model, *texts, side="document"):
    with model.bulk() as step:
        return vectors_of(step, "text", texts, side)


def watch(monkeypatch, seen):
    """Have each batch seen before it is embedded."""
    embed = CountingEmbedder.embed
    monkeypatch.setattr(CountingEmbedder, "embed", lambda self, batch: (seen(batch), embed(self, batch))[1])


def test_documents_and_queries_at_the_same_time_have_their_sides_and_vectors(model, monkeypatch):
    seen = []
    watch(monkeypatch, lambda batch: seen.extend((content, batch.side) for content in batch.contents))
    toy, barrier = model(batch_size=3), threading.Barrier(12)

    def ask(number):
        texts = [f"text {number} {place}" for place in range(7)]
        barrier.wait(LONG)
        if number % 3 == 0:
            return texts, "query", toy.embed(toy.prepare("text", texts, "query"))
        side = "query" if number % 3 == 1 else "document"
        return texts, side, bulk(toy, *texts, side=side)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(12)))
    for texts, _, vectors in answers:
        np.testing.assert_allclose(vectors, [expected(text) for text in texts], atol=1e-6)
    assert sorted(seen) == sorted((text, side) for texts, side, _ in answers for text in texts)


def test_all_bulk_calls_together_have_no_more_under_way_than_the_config_says(model, monkeypatch):
    running, most, lock = 0, 0, threading.Lock()
    embed = CountingEmbedder.embed

    def watched(self, batch):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return embed(self, batch)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(CountingEmbedder, "embed", watched)
    toy = model(delay=0.01, batch_size=1)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: bulk(toy, *(f"{number} {place}" for place in range(4))), range(6)))
    assert most == 1


def test_the_batch_size_that_fits_into_memory_is_learned_once(model, monkeypatch):
    sizes = []

    def full(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise BatchTooLargeError("out of memory")

    watch(monkeypatch, full)
    toy = model(batch_size=8)
    for number in range(2):
        bulk(toy, *(f"text {number} {place}" for place in range(4)))
    assert sizes == [4, 2, 2, 2, 2]


def cancelled(model):
    with model.bulk() as step:
        step.cancel()
        vectors_of(step, "text", ["a dog"])


def test_an_error_of_one_caller_stops_no_other(model, monkeypatch):
    inside, leave = threading.Event(), threading.Event()

    def wait(batch):
        if "slow" in batch.contents:
            inside.set()
            assert leave.wait(LONG)

    watch(monkeypatch, wait)
    toy = model(batch_size=1, concurrency=4)

    def contents():
        yield from (f"text {number}" for number in range(8))
        raise FileNotFoundError("one of the files")

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(bulk, toy, "slow", *(f"after it {number}" for number in range(12)))
        assert inside.wait(LONG)
        with pytest.raises(FileNotFoundError), toy.bulk() as step:
            vectors_of(step, "text", contents())
        with pytest.raises(CancelledError):
            cancelled(toy)
        leave.set()
        assert other.result(LONG).shape == (13, 8)
    assert bulk(toy, "a dog").shape == (1, 8)


def test_texts_that_fail_are_named_and_the_next_call_goes_on(model):
    toy = model(reject="bad")
    with pytest.raises(ItemError, match="text 1: an input holds 'bad'"):
        bulk(toy, "a dog", "a bad one")
    np.testing.assert_allclose(bulk(toy, "a dog")[0], expected("a dog"), atol=1e-6)


def test_no_texts_load_nothing_and_need_no_key(elsewhere, monkeypatch):
    monkeypatch.delenv("A_KEY")
    assert bulk(elsewhere()).shape == (0, 8)


@pytest.mark.parametrize("worked", [False, True])
def test_a_key_that_was_mended_is_used_by_the_next_call(elsewhere, server, monkeypatch, worked):
    remote = elsewhere()
    if worked:
        bulk(remote, "before")
    server.key = "sk-another-0123456789abcdef"
    with pytest.raises(TerminalError, match="API key"):
        bulk(remote, "a dog")
    monkeypatch.setenv("A_KEY", server.key)
    assert bulk(remote, "a dog").shape == (1, 8)
    assert len(remote.embed(remote.prepare("text", ["a cat"], "query"))[0]) == 8


@pytest.mark.parametrize("asked", ["bulk", "query"])
def test_a_refusal_of_one_caller_closes_no_client_that_another_uses(elsewhere, server, asked):
    inside, leave = threading.Event(), threading.Event()

    def refuse(request):
        if request.body["input"] == ["a dog"]:
            return Fault.status_code(401)
        if request.body["input"] == ["slow"]:
            inside.set()
            assert leave.wait(LONG)
        return None

    server.faults.when(refuse)
    remote = elsewhere(batch_size=1, retry={"max_retries": 0})
    with ThreadPoolExecutor(1) as threads:
        if asked == "bulk":
            other = threads.submit(bulk, remote, "slow")
        else:
            other = threads.submit(remote.embed, remote.prepare("text", ["slow"], "query"))
        assert inside.wait(LONG)
        try:
            with pytest.raises(TerminalError):
                bulk(remote, "a dog")
        finally:
            leave.set()
        assert np.shape(other.result(LONG)) == (1, 8)


def test_what_was_spent_counts_for_all_calls_until_one_is_refused(elsewhere):
    remote = elsewhere(max_cost_usd=1.0, prices={"per_million_tokens": 100_000.0}, batch_size=1)
    bulk(remote, "a")
    with pytest.raises(TerminalError, match="max_cost_usd"):
        bulk(remote, *"bcdefghijklmnop")
    assert bulk(remote, "q").shape == (1, 8)
