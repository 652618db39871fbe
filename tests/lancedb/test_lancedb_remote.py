"""The registry function with a provider behind a network: batches, retries, bad texts, bad keys, on real HTTP."""

import lancedb
import numpy as np
import pytest
from lancedb.pydantic import LanceModel, Vector

from embeddings_orch.errors import TerminalError
from embeddings_orch_testing.servers.faults import Fault
from embeddings_orch_testing.servers.gemini import GeminiServer
from embeddings_orch_testing.servers.openai import OpenAIServer


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-right-key-of-this-test")
    with OpenAIServer() as started:
        started.key = "sk-the-right-key-of-this-test"
        yield started


def table_of(path, function):
    class Words(LanceModel):
        text: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

    return lancedb.connect(path).create_table("words", schema=Words)


def openai(create, server, **settings):
    settings = {"dimensions": 16, **settings}
    return create(provider="openai", name="text-embedding-3-small", base_url=server.url, **settings)


def embedded(table):
    return {row["text"]: row["vector"] for row in table.to_arrow().to_pylist()}


def inputs(server):
    return [len(request.body["input"]) for request in server.requests]


def test_3000_texts_are_split_and_a_bad_one_costs_itself_alone(tmp_path, create, server):
    function = openai(create, server)
    table = table_of(tmp_path, function)
    assert server.requests == []  # the length is known without asking
    server.reject = "POISON"
    texts = [f"text {number}" for number in range(3000)]
    texts[1234] = "POISON"
    table.add([{"text": text} for text in texts], on_bad_vectors="null")
    found = embedded(table)
    assert len(found) == 3000
    assert [text for text, vector in found.items() if vector is None] == ["POISON"]
    np.testing.assert_allclose(
        found["text 2999"], server.vector("text-embedding-3-small", "text 2999", 16), rtol=1e-5, atol=1e-6
    )
    assert max(inputs(server)) <= 2048
    # Two batches, and 2 * ceil(log2(2048)) + 1 further calls at the most to find it.
    assert len(server.requests) <= 2 + 23
    (failure,) = function.failures
    assert failure.uri == "text 1234 ('POISON')"
    assert "invalid" in failure.reason

    server.clear()
    assert table.search("text 7").limit(1).to_list()[0]["text"] == "text 7"
    assert inputs(server) == [1]


def test_attempts_are_those_of_the_policy_and_never_multiplied(tmp_path, create, server):
    retry = {"max_retries": 2, "initial_wait": 0.001}
    function = openai(create, server, retry=retry)
    table = table_of(tmp_path, function)
    server.faults.always(Fault.status_code(503))
    with pytest.raises(TerminalError), function.own_errors():
        table.add([{"text": "a dog"}])
    added = len(server.requests)
    assert added <= 3
    server.clear()
    server.faults.clear()
    server.faults.script(Fault.status_code(429, headers={"retry-after": "0"}))
    table.add([{"text": "a dog"}])
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [401, "quota"])
def test_a_bad_key_and_an_empty_account_stop_at_the_first_request(tmp_path, create, server, code):
    function = openai(create, server, concurrency=1)
    table = table_of(tmp_path, function)
    if code == 401:
        server.key = "another"
    else:
        server.faults.always(OpenAIServer.insufficient_quota())
    with pytest.raises(TerminalError, match=r"API key|quota") as caught, function.own_errors():
        table.add([{"text": "a dog"}], on_bad_vectors="null")
    assert len(server.requests) == 1
    assert "sk-the-right-key" not in f"{caught.value!r} {caught.value.__cause__}"
    assert table.count_rows() == 0
    with pytest.raises(TerminalError, match=r"API key|quota"):
        table.search("a dog")
    assert len(server.requests) == 2
    # A mended key is used by the next call.
    server.key = None
    server.faults.clear()
    table.add([{"text": "a dog"}])
    assert table.count_rows() == 1


def test_rows_are_embedded_as_documents_and_queries_as_queries(tmp_path, create, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "the-key")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with GeminiServer() as gemini:
        function = create(provider="gemini", name="gemini-embedding-001", dimensions=768, base_url=gemini.url)
        table = table_of(tmp_path, function)
        table.add([{"text": f"text {number}"} for number in range(150)])
        assert [b"RETRIEVAL_DOCUMENT" in request.raw for request in gemini.requests] == [True] * len(gemini.requests)
        assert len(gemini.requests) == 2  # at most 100 in one
        gemini.clear()
        table.search("text 7").to_list()
        assert [b"RETRIEVAL_QUERY" in request.raw for request in gemini.requests] == [True]
