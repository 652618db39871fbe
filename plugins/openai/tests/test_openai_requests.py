"""What goes over the wire: packing, keys, addresses, formats, retries."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError, UnavailableError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch_plugins.openai import OpenAIConfig, OpenAIEmbedder
from embeddings_orch_testing.remote.base import Hours
from embeddings_orch_testing.servers import Bucket, Fault
from embeddings_orch_testing.servers.openai import OpenAIServer

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer() as server:
        server.key = KEY
        yield server


def prepared(step: EmbedStep, texts: list[str]) -> list[Prepared]:
    found = [step.prepare(Item(str(number).encode(), "text", text)) for number, text in enumerate(texts)]
    assert all(isinstance(one, Prepared) for one in found)
    return found  # type: ignore[return-value]


def step_for(server: OpenAIServer, **settings) -> EmbedStep:
    settings = {"base_url": server.url, "dimensions": 8, **settings}
    return EmbedStep(OpenAIConfig(**settings), sleep=lambda _: None)


def test_five_thousand_texts_are_three_requests(server):
    step = step_for(server)
    outcome = step(prepared(step, [f"text {number}" for number in range(5000)]))
    assert [len(request.body["input"]) for request in server.requests] == [2048, 2048, 904]
    assert outcome.usage.requests == 3
    for number in (0, 2047, 2048, 4999):
        assert np.allclose(outcome.vectors[number], server.vector("text-embedding-3-small", f"text {number}", 8))


def test_a_request_has_at_most_300000_tokens(server):
    step = step_for(server)
    texts = [f"{number:04}" + "a" * 7000 for number in range(100)]
    outcome = step(prepared(step, texts))
    assert len(outcome.keys) == 100
    for request in server.requests:
        assert sum(len(text.encode()) for text in request.body["input"]) <= 300_000
    # 42 texts of 7,006 tokens at the most fill one
    assert [len(request.body["input"]) for request in server.requests] == [42, 42, 16]


@pytest.mark.slow
def test_a_text_that_is_too_long_fails_alone_with_the_servers_words(server):
    step = step_for(server)
    outcome = step(prepared(step, ["a dog", "a" * 4 * 9000, "a cat"]))
    assert outcome.keys == [b"0", b"2"]
    assert "requested 9000 tokens" in outcome.failures[0].reason


@pytest.mark.parametrize("fault", [Fault.status_code(503), Fault.reset(), Fault.status_code(429), Fault.page()])
def test_seven_retries_are_at_most_eight_requests(server, fault):
    server.faults.always(fault)
    step = step_for(server)
    with pytest.raises(UnavailableError, match="tried 8 times"):
        step(prepared(step, ["a", "b", "c"]))
    assert len(server.requests) == 8


def test_a_server_without_a_key_gets_none(server, monkeypatch):
    server.key = None
    step = step_for(server, api_key_env=None)
    step(prepared(step, ["a"]))
    assert "authorization" not in server.requests[0].headers
    monkeypatch.delenv("OPENAI_API_KEY")
    step = step_for(server)
    with pytest.raises(TerminalError, match=r"OPENAI_API_KEY"):
        step(prepared(step, ["a"]))
    assert len(server.requests) == 1


def test_a_key_of_its_own_variable_and_the_organization_are_sent(server, monkeypatch):
    monkeypatch.setenv("TEAM_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY")
    step = step_for(server, api_key_env="TEAM_KEY", organization="org-team")
    step(prepared(step, ["a"]))
    headers = server.requests[0].headers
    assert (headers["authorization"], headers["openai-organization"]) == (f"Bearer {KEY}", "org-team")


def test_variables_for_other_programs_do_not_move_the_requests(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    step = step_for(server)
    assert step(prepared(step, ["a"])).keys
    assert OpenAIConfig().address == "https://api.openai.com/v1"


@pytest.mark.parametrize("prefixes", [("/v1",), ("",), ("/v1", "")])
def test_routes_are_found_with_and_without_v1(prefixes):
    with OpenAIServer(any_model=True, dimensions=24, prefixes=prefixes) as server:
        step = step_for(server, name="minilm", dimensions=None, api_key_env=None)
        for text in ("a", "b", "c"):
            assert len(step(prepared(step, [text])).vectors[0]) == 24
        # Whether it is /v1 is tried once.
        assert len(server.requests) == (4 if prefixes == ("",) else 3)


def test_an_unknown_model_is_not_searched_for_at_other_addresses(server):
    step = step_for(server, name="no-such-model")
    with pytest.raises(TerminalError, match="`no-such-model` does not exist"):
        step(prepared(step, ["a"]))
    assert len(server.requests) == 1


def test_a_wrong_address_is_named(server):
    step = step_for(server, base_url=f"{server.url}/teams/a")
    with pytest.raises(TerminalError, match=r"Invalid URL \(POST /teams/a/embeddings\)"):
        step(prepared(step, ["a"]))


def test_floats_are_read_as_well_where_a_server_knows_no_base64(server):
    def floats(body):
        for one in body["data"]:
            one["embedding"] = server.vector("text-embedding-3-small", "a dog", 8).tolist()
        return body

    step = step_for(server)
    encoded = step(prepared(step, ["a dog"])).vectors[0]
    server.faults.always(Fault.change_answer(floats))
    assert np.array_equal(step(prepared(step, ["a dog"])).vectors[0], encoded)
    assert server.requests[0].body["encoding_format"] == "base64"


@pytest.mark.parametrize("write", [lambda text: f"{text[:9]}\r\n{text[9:]}\n", lambda text: text.rstrip("=")])
def test_base64_is_read_however_a_server_writes_it(server, write):
    def written(body):
        for one in body["data"]:
            assert one["embedding"].endswith("=")
            one["embedding"] = write(one["embedding"])
        return body

    step = step_for(server)
    plain = step(prepared(step, ["a dog"])).vectors[0]
    server.faults.always(Fault.change_answer(written))
    assert np.array_equal(step(prepared(step, ["a dog"])).vectors[0], plain)


def test_dimensions_are_sent_only_where_configured(server):
    for dimensions in (None, 64):
        step = step_for(server, dimensions=dimensions)
        step(prepared(step, ["a"]))
    assert "dimensions" not in server.requests[0].body
    assert server.requests[1].body["dimensions"] == 64


def test_a_server_that_takes_fewer_inputs_gets_fewer_from_then_on(server):
    def too_many(request):
        error = {
            "message": f"batch size {len(request.body['input'])} > maximum allowed batch size 32",
            "type": "Validation",
        }
        return Fault.status_code(413, {"error": error}) if len(request.body["input"]) > 32 else None

    server.faults.when(too_many)
    step = step_for(server)
    outcome = step(prepared(step, [f"text {number}" for number in range(1000)]))
    assert len(outcome.keys) == 1000
    sizes = [len(request.body["input"]) for request in server.requests]
    assert sizes[:6] == [1000, 500, 250, 125, 63, 32]
    assert max(sizes[6:]) <= 32


def test_an_answer_that_drips_ends_with_the_timeout(server, monkeypatch):
    """Twenty pieces, and by the clock more than half of the timeout for each."""
    now = itertools.count(0, 40)
    monkeypatch.setattr("embeddings_orch_plugins.openai.client.time", SimpleNamespace(monotonic=lambda: next(now)))
    server.faults.always(Fault.slow(2))
    embedder = OpenAIEmbedder(OpenAIConfig(base_url=server.url, dimensions=8, timeout=60))
    with pytest.raises(Exception, match="not whole within 60 s"):
        embedder.embed(Batch("text", ["a"] * 100))
    assert next(now) == 120, "it was read on after the second piece"


def test_one_client_serves_many_threads(server):
    server.latency = 0.05
    step = step_for(server, concurrency=16)
    found = {}

    def embed(number: int) -> None:
        found[number] = step(prepared(step, [f"text {number}"])).vectors[0]

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, vector in found.items():
        assert np.allclose(vector, server.vector("text-embedding-3-small", f"text {number}", 8))
    assert len(found) == 48


def test_runs_with_the_same_key_share_their_limits_and_others_do_not(server, monkeypatch):
    def account(**settings):
        return OpenAIEmbedder(OpenAIConfig(**settings)).account()

    assert account() == account(name="text-embedding-3-large")
    assert KEY not in account()
    assert account() != account(organization="org-other")
    assert account() != account(base_url=server.url)
    mine = account()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    assert account() != mine


@pytest.mark.slow
def test_the_rate_limit_is_kept(tmp_path, monkeypatch, server):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hours = Hours()
    server.bucket = Bucket(per_minute=1200, burst=10, clock=hours.clock)
    config = OpenAIConfig(base_url=server.url, dimensions=8, requests_per_minute=1200, batch_size=1)
    step = EmbedStep(config, clock=hours.clock, sleep=hours.sleep)
    started = hours.clock()
    outcome = step(prepared(step, [f"text {number}" for number in range(40)]))
    assert len(outcome.keys) == 40
    assert not server.refused
    assert hours.clock() - started > 1.4  # thirty after the first ten, twenty a second
