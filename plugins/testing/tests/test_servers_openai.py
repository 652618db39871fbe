"""The server as OpenAI's own SDK sees it."""

from __future__ import annotations

import numpy as np
import openai
import pytest

from embeddings_orch_testing.servers import Bucket
from embeddings_orch_testing.servers.openai import MODELS, OpenAIServer

SMALL = "text-embedding-3-small"


@pytest.fixture
def server():
    with OpenAIServer() as server:
        server.key = "sk-right-0123456789"
        yield server


def client_of(server: OpenAIServer, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(api_key=key or server.key or "any", base_url=f"{server.url}/v1", max_retries=0)


def refusal(client: openai.OpenAI, **request) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(**{"model": SMALL, "input": ["a"], **request})
    return caught.value


@pytest.mark.parametrize("model", MODELS)
def test_floats_and_base64_are_the_same_vectors(server, model):
    client = client_of(server)
    floats = client.embeddings.create(model=model, input=["a", "b"], encoding_format="float")
    encoded = client.embeddings.create(model=model, input=["a", "b"])
    assert server.requests[-1].body["encoding_format"] == "base64"
    for text, one, other in zip(("a", "b"), floats.data, encoded.data, strict=True):
        assert len(one.embedding) == MODELS[model]
        assert np.allclose(one.embedding, other.embedding)
        assert np.allclose(one.embedding, server.vector(model, text))
    assert [one.index for one in floats.data] == [0, 1]


def test_a_shortened_vector_is_the_beginning_of_the_full_one(server):
    client = client_of(server)
    full = client.embeddings.create(model=SMALL, input="a dog").data[0].embedding
    short = client.embeddings.create(model=SMALL, input="a dog", dimensions=64).data[0].embedding
    assert np.allclose(short, np.array(full[:64]) / np.linalg.norm(full[:64]), atol=1e-6)


def test_an_answer_has_usage_request_id_and_limits(server):
    answer = client_of(server).embeddings.with_raw_response.create(model=SMALL, input=["four", "eight by"])
    assert answer.parse().usage.prompt_tokens == 3
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-ratelimit-remaining-tokens"] == "9999990"


@pytest.mark.parametrize(
    ("request_", "status", "words", "code", "param"),
    [
        ({"input": []}, 400, "'$.input' is invalid", None, None),
        ({"input": [[1, 2, 3]]}, 400, "'$.input' is invalid", None, None),
        ({"input": ["a", ""]}, 400, "input cannot be an empty string", None, "input[1]"),
        ({"input": ["a"] * 2049}, 400, "array too long", "array_above_max_length", "input"),
        ({"input": ["a" * 4 * 8193]}, 400, "however you requested 8193 tokens", None, None),
        ({"input": ["a" * 4 * 8000] * 38}, 400, "Requested 304000 tokens", "max_tokens_per_request", None),
        ({"model": "gpt-embedding"}, 404, "does not exist", "model_not_found", None),
        ({"model": "text-embedding-ada-002", "dimensions": 64}, 400, "not support specifying dimensions", None, None),
        ({"dimensions": 1537}, 400, "less than or equal to 1536", None, None),
        ({"encoding_format": "hex"}, 400, "Supported values", None, "encoding_format"),
    ],
)
def test_wrong_requests_are_refused_as_openai_does(server, request_, status, words, code, param):
    error = refusal(client_of(server), **request_)
    assert (error.status_code, error.code, error.param) == (status, code, param)
    assert words in error.message


def test_limits_are_what_just_passes(server):
    client = client_of(server)
    assert len(client.embeddings.create(model=SMALL, input=["a"] * 2048, dimensions=1).data) == 2048
    client.embeddings.create(model=SMALL, input=["a" * 4 * 8192], dimensions=1)
    client.embeddings.create(model=SMALL, input=["a" * 4 * 7500] * 40, dimensions=1)


def test_a_key_is_looked_at(server):
    wrong = refusal(client_of(server, "sk-wrong-9876543210"))
    assert (wrong.status_code, wrong.code) == (401, "invalid_api_key")
    assert "sk-wrong-9876543210" not in wrong.message
    without = refusal(client_of(server), extra_headers={"Authorization": openai.omit})
    assert "You didn't provide an API key" in without.message
    server.key = None
    client_of(server, "whatever").embeddings.create(model=SMALL, input="a")


def test_refused_inputs_and_exhausted_quotas_have_openais_words(server):
    server.reject = "bad"
    client = client_of(server)
    assert "'$.input' is invalid" in refusal(client, input=["good", "a bad one"]).message
    server.faults.script(server.insufficient_quota())
    error = refusal(client)
    assert (error.status_code, error.code, error.type) == (429, "insufficient_quota", "insufficient_quota")


def test_a_bucket_refuses_with_the_time_to_wait():
    with OpenAIServer(bucket=Bucket(per_minute=60, burst=1)) as server:
        client = client_of(server)
        client.embeddings.create(model=SMALL, input="a")
        error = refusal(client)
    assert (error.status_code, error.code) == (429, "rate_limit_exceeded")
    assert 0 < float(error.response.headers["retry-after"]) <= 1


def test_models_are_listed(server):
    assert [model.id for model in client_of(server).models.list()] == list(MODELS)


def test_a_server_of_ones_own_has_any_model_name_and_says_where_its_routes_are():
    with OpenAIServer(any_model=True, dimensions=24, prefixes=("",)) as server:
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            client_of(server).embeddings.create(model="minilm", input="a")
        bare = openai.OpenAI(api_key="any", base_url=server.url, max_retries=0)
        assert len(bare.embeddings.create(model="minilm", input="a").data[0].embedding) == 24
