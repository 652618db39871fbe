"""The loopback server of Gemini, spoken to with nothing but HTTP."""

from __future__ import annotations

import base64
import io
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from embeddings_orch_testing.servers import Bucket
from embeddings_orch_testing.servers.gemini import GeminiServer


@pytest.fixture
def server():
    with GeminiServer() as server:
        yield server


def ask(server, body, model="gemini-embedding-001", method="batchEmbedContents", version="v1beta", **headers):
    url = f"{server.url}/{version}/models/{model}:{method}"
    try:
        with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())["error"]


def one(*parts, model="gemini-embedding-001", **more):
    return {"model": f"models/{model}", "content": {"parts": list(parts)}, **more}


def text(words):
    return {"text": words}


def picture(kind="PNG", mime="image/png"):
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, kind)
    return {"inlineData": {"mimeType": mime, "data": base64.b64encode(data.getvalue()).decode()}}


def values(answer):
    return np.array([embedding["values"] for embedding in answer["embeddings"]])


def batch(*requests):
    return {"requests": list(requests)}


def test_a_batch_has_a_vector_for_each_request_and_the_tokens_of_all(server):
    for version in ("v1", "v1beta"):
        status, answer = ask(server, batch(one(text("a" * 8)), one(text("b"))), version=version)
        assert (status, values(answer).shape) == (200, (2, 3072))
        assert answer["usageMetadata"] == {"promptTokenCount": 3}


def test_one_content_alone(server):
    single = ask(server, one(text("a")), method="embedContent")[1]
    assert single["embedding"]["values"] == ask(server, batch(one(text("a"))))[1]["embeddings"][0]["values"]


def test_all_parts_of_a_content_become_one_vector(server):
    model = "gemini-embedding-2"
    merged = values(ask(server, batch(one(text("a"), text("b"), model=model)), model)[1])
    apart = values(ask(server, batch(one(text("a"), model=model), one(text("b"), model=model)), model)[1])
    assert merged.shape == (1, 3072)
    assert apart.shape == (2, 3072)
    assert not np.allclose(merged[0], apart[0])


def test_the_task_counts_for_001_and_not_for_2(server):
    def both(model):
        tasks = ("RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY")
        return values(ask(server, batch(*(one(text("a"), model=model, taskType=task) for task in tasks)), model)[1])

    first, second = both("gemini-embedding-001")
    assert not np.allclose(first, second)
    first, second = both("gemini-embedding-2")
    assert np.array_equal(first, second)


def test_shorter_vectors_are_the_beginning_and_2_normalises_them(server):
    for model, unit in (("gemini-embedding-001", False), ("gemini-embedding-2", True)):
        long, short = (
            values(ask(server, batch(one(text("a"), model=model, outputDimensionality=length)), model)[1])[0]
            for length in (3072, 768)
        )
        assert np.linalg.norm(long) == pytest.approx(1, abs=1e-4)
        assert bool(np.isclose(np.linalg.norm(short), 1, atol=1e-4)) is unit
        assert np.allclose(short / np.linalg.norm(short), long[:768] / np.linalg.norm(long[:768]), atol=1e-5)


def test_a_long_text_is_cut(server):
    long, longer = ask(server, batch(one(text("a" * 9000)), one(text("a" * 9001))))[1]["embeddings"]
    assert long == longer


def test_pictures(server):
    model = "gemini-embedding-2"
    png, jpeg = one(picture(), model=model), one(picture("JPEG", "image/jpeg"), model=model)
    status, answer = ask(server, batch(png, jpeg, png), model)
    assert status == 200
    assert np.array_equal(values(answer)[0], values(answer)[2])
    assert answer["usageMetadata"]["promptTokenCount"] == 3 * 258


@pytest.mark.parametrize(
    ("body", "model", "status", "words"),
    [
        (batch(*[one(text("a"))] * 101), "gemini-embedding-001", 400, "at most 100 requests"),
        (batch(), "gemini-embedding-001", 400, "must not be empty"),
        (batch(one(text(""))), "gemini-embedding-001", 400, "empty Part"),
        (batch(one()), "gemini-embedding-001", 400, "contents is not specified"),
        (batch(one(text("a"), outputDimensionality=64)), "gemini-embedding-001", 400, "from 128 to 3072"),
        (batch(one(text("a"), taskType="SEARCH")), "gemini-embedding-001", 400, "SEARCH"),
        (batch(one(picture())), "gemini-embedding-001", 400, "only text"),
        (batch(one(text("a"), model="other")), "gemini-embedding-001", 400, "must match the model"),
        (batch(one(text("poison"))), "gemini-embedding-001", 400, "poison"),
        (batch(one(text("a"), model="gpt")), "gpt", 404, "models/gpt is not found"),
        ([], "gemini-embedding-001", 400, "Invalid JSON payload"),
        *(
            (batch(one(*parts, model="gemini-embedding-2")), "gemini-embedding-2", 400, words)
            for parts, words in (
                ([picture()] * 7, "at most 6 images"),
                ([picture("WEBP", "image/webp")], "Unsupported MIME type"),
                ([picture("PNG", "image/jpeg")], "Unable to process input image"),
                ([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], "Unable to process input image"),
            )
        ),
    ],
)
def test_what_it_refuses(server, body, model, status, words):
    server.reject = "poison"
    found, error = ask(server, body, model)
    assert (found, error["code"]) == (status, status)
    assert error["status"] == {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}[status]
    assert words in error["message"]


def test_the_key(server):
    server.key = "secret"
    body = batch(one(text("a")))
    assert ask(server, body)[0] == 403
    status, error = ask(server, body, **{"x-goog-api-key": "wrong"})
    assert (status, error["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    assert ask(server, body, **{"x-goog-api-key": "secret"})[0] == 200


def test_a_rate_limit_says_how_long_to_wait():
    with GeminiServer(bucket=Bucket(per_minute=1, burst=1)) as server:
        assert ask(server, batch(one(text("a"))))[0] == 200
        status, error = ask(server, batch(one(text("a"))))
    assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    quota, retry = error["details"]
    assert "PerMinute" in quota["violations"][0]["quotaId"]
    assert retry["@type"].endswith("RetryInfo")
    assert 50 < float(retry["retryDelay"].removesuffix("s")) <= 60
