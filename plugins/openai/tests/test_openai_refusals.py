"""What each answer of a server means, through the real SDK."""

from __future__ import annotations

import openai
import pytest

from embeddings_orch.errors import (
    BatchTooLargeError,
    ItemError,
    ProviderError,
    RateLimitedError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
)
from embeddings_orch.models.base import Batch
from embeddings_orch_plugins.openai import OpenAIConfig, OpenAIEmbedder
from embeddings_orch_plugins.openai.errors import translate_error
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.openai import OpenAIServer


@pytest.fixture(scope="module")
def server():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def ask(server):
    embedder = OpenAIEmbedder(OpenAIConfig(base_url=f"{server.url}/v1", api_key_env=None, timeout=0.5))

    def ask(fault: Fault, texts: int = 2) -> ProviderError:
        server.faults.script(fault)
        with pytest.raises(Exception) as caught:
            embedder.embed(Batch("text", ["a"] * texts))
        return embedder.classify(caught.value)

    yield ask
    embedder.close()


def said(status: int, message: str = "what the server says", headers=None, **rest) -> Fault:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **rest}
    return Fault.status_code(status, {"error": error}, headers)


TABLE = [
    # Transient
    (said(408), TransientError),
    (said(409), TransientError),
    (said(429), RateLimitedError),
    (said(503), TransientError),
    (said(529), TransientError),
    (said(400, headers={"x-should-retry": "true"}), TransientError),
    (Fault.reset(), TransientError),
    (Fault.reset_in_body(), TransientError),
    (Fault.hang(4), TransientError),
    (Fault.slow(20), TransientError),
    # One input may be why: a server of one's own says 500 for it
    (said(500), SuspectError),
    # Answers that cannot be used
    (Fault.page(), ResponseError),
    (Fault.truncate(), ResponseError),
    (Fault.status_code(200, b""), ResponseError),
    (Fault.status_code(200, [1, 2]), ResponseError),
    (Fault.status_code(200, {"data": None}), ResponseError),
    # Nothing helps
    (said(401, code="invalid_api_key"), TerminalError),
    (said(402), TerminalError),
    (said(403), TerminalError),
    (said(404, code="model_not_found"), TerminalError),
    (said(404), TerminalError),
    (said(400, code="model_not_found"), TerminalError),
    (OpenAIServer.insufficient_quota(), TerminalError),
    (said(429, type="insufficient_quota"), TerminalError),
    (said(403, code="billing_not_active"), TerminalError),
    (said(429, headers={"x-should-retry": "false"}), TerminalError),
    (said(400, "This model does not support specifying dimensions."), TerminalError),
    (said(400, "Invalid value for 'dimensions' = 2000. Must be less than or equal to 1536."), TerminalError),
    (said(400, param="dimensions"), TerminalError),
    (said(400, param="encoding_format"), TerminalError),
    # This input
    (said(400, "This model's maximum context length is 8192 tokens, however you requested 9000"), ItemError),
    (said(400, "Invalid 'input[3]': input cannot be an empty string.", param="input[3]"), ItemError),
    (said(400, "Invalid 'input[0]': maximum input length is 8192 tokens."), ItemError),
    (said(400, "'$.input' is invalid. Please check the API reference"), ItemError),
    (said(400, code="content_filter", param="prompt"), ItemError),
    (said(413, "inputs must have less than 512 tokens. Given: 600"), ItemError),
    (said(400), ItemError),
    (said(422), ItemError),
    # Fewer inputs may do
    (said(400, "Requested 304000 tokens, max 300000 tokens per request"), BatchTooLargeError),
    (said(413, "batch size 64 > maximum allowed batch size 32"), BatchTooLargeError),
    (said(400, code="array_above_max_length", param="input"), BatchTooLargeError),
    (OpenAIServer.request_too_large(), BatchTooLargeError),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind"), TABLE)
def test_each_answer_has_its_meaning(ask, fault, kind):
    error = ask(fault)
    assert type(error) is kind, error


@pytest.mark.parametrize(
    ("fault", "certain"),
    [
        (said(400), False),
        (said(422), False),
        (said(500, headers={"x-should-retry": "false"}), False),
        (said(400, "'$.input' is invalid."), True),
        (said(400, param="input[7]"), True),
        (said(400, "This model's maximum context length is 8192 tokens"), True),
    ],
)
def test_an_input_is_certain_where_the_server_says_that_it_is_the_input(ask, fault, certain):
    error = ask(fault)
    assert isinstance(error, ItemError)
    assert error.certain is certain


def test_one_input_alone_that_is_too_large_is_the_problem_itself(ask):
    error = ask(OpenAIServer.request_too_large(5000, 8000), texts=1)
    assert isinstance(error, ItemError)
    assert "Limit 5000" in str(error)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({"retry-after": "9"}, "", 9),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, "", 90),
        ({}, "Rate limit reached on requests per min (RPM): Limit 3. Please try again in 20s. Visit", 20),
        ({}, "Rate limit reached. Please try again in 6m0s.", 360),
        ({}, "Rate limit reached. Please try again in 120ms.", 0.12),
        ({}, "Rate limit reached.", None),
    ],
)
def test_what_the_server_asks_to_wait_is_read(ask, headers, message, seconds):
    error = ask(said(429, message, headers))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


def test_messages_have_the_servers_words_and_its_number_of_the_request(ask, server):
    error = ask(said(403, "Country not supported", {"x-request-id": "req_17"}))
    assert "HTTP 403: Country not supported (request req_17)" in str(error)
    assert server.url in str(error)
    assert "connection" in str(ask(Fault.reset()))


def test_a_500_of_openai_itself_is_no_inputs_fault(server):
    server.faults.script(said(500))
    sdk = openai.OpenAI(api_key="any", base_url=f"{server.url}/v1", max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.embeddings.create(model="text-embedding-3-small", input="a")
    assert type(translate_error(caught.value, "here", ours=False)) is TransientError
    assert type(translate_error(caught.value, "here", ours=True)) is SuspectError


def test_a_server_that_is_not_there_is_named():
    embedder = OpenAIEmbedder(OpenAIConfig(base_url="http://127.0.0.1:9", api_key_env=None))
    with pytest.raises(TransientError, match=r"http://127.0.0.1:9/v1 failed: .*refused"):
        embedder.embed(Batch("text", ["a"]))
