"""What goes over the wire, and what each of the servers' refusals means."""

from __future__ import annotations

import base64
import io
import logging

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import (
    BatchTooLargeError,
    ItemError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
)
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Failure, Item
from embeddings_orch_plugins.clip_server import (
    Multi2VecClipConfig,
    Multi2VecClipEmbedder,
    RoboflowClipConfig,
    RoboflowClipEmbedder,
)
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer
from embeddings_orch_testing.servers.roboflow import RoboflowServer

KEY = "rf-secret-0123456789"


def picture(kind: str = "PNG", mode: str = "RGB", **options) -> bytes:
    data = io.BytesIO()
    Image.new(mode, (30, 20), "red").save(data, kind, **options)
    return data.getvalue()


@pytest.fixture
def multi2vec():
    with Multi2VecServer() as server:
        yield server


@pytest.fixture
def roboflow(monkeypatch):
    monkeypatch.setenv("ROBOFLOW_API_KEY", KEY)
    with RoboflowServer() as server:
        server.key = KEY
        yield server


def multi2vec_embedder(server, **settings):
    return Multi2VecClipEmbedder(Multi2VecClipConfig(name="ViT-B-32", inference_url=server.url, **settings))


def roboflow_embedder(server, **settings):
    return RoboflowClipEmbedder(RoboflowClipConfig(base_url=server.url, **settings))


def embed(embedder, *contents):
    modality = "text" if isinstance(contents[0], str) else "image"
    prepared = [
        embedder.prepare(Item(str(index).encode(), modality, content)) for index, content in enumerate(contents)
    ]
    return np.asarray(embedder.embed(Batch(modality, prepared)).vectors)


def test_multi2vec_sends_texts_and_bare_base64(multi2vec):
    embedder = multi2vec_embedder(multi2vec)
    image = picture("JPEG")
    assert embed(embedder, "a", "b").shape == (2, 512)
    assert embed(embedder, image).shape == (1, 512)
    assert [request.path for request in multi2vec.requests] == ["/vectorize", "/vectorize"]
    assert multi2vec.requests[0].body == {"texts": ["a", "b"], "images": []}
    assert multi2vec.requests[1].body == {"texts": [], "images": [base64.b64encode(image).decode()]}


def test_roboflow_sends_the_key_in_the_body_alone(roboflow):
    embedder = roboflow_embedder(roboflow, clip_version_id="RN50")
    image = picture("JPEG")
    assert embed(embedder, "a", "b").shape == (2, 1024)
    assert embed(embedder, image).shape == (1, 1024)
    text, picture_request = roboflow.requests
    assert text.path == "/clip/embed_text"
    assert text.body == {"text": ["a", "b"], "clip_version_id": "RN50", "api_key": KEY}
    assert picture_request.path == "/clip/embed_image"
    assert picture_request.body["image"] == [{"type": "base64", "value": base64.b64encode(image).decode()}]
    for request in roboflow.requests:
        assert request.query == {}
        assert all(KEY not in value for value in request.headers.values())


def test_a_server_without_a_key_gets_none(roboflow, monkeypatch):
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    roboflow.key = None
    embed(roboflow_embedder(roboflow, api_key_env=None), "a")
    assert "api_key" not in roboflow.requests[0].body


def test_a_missing_key_is_named_before_anything_is_sent(roboflow, monkeypatch):
    monkeypatch.delenv("ROBOFLOW_API_KEY")
    with pytest.raises(TerminalError, match="set the environment variable ROBOFLOW_API_KEY"):
        embed(roboflow_embedder(roboflow), "a")
    assert not roboflow.requests


def test_the_key_is_in_no_log_and_no_error(roboflow, caplog):
    caplog.set_level(logging.DEBUG)
    embedder = roboflow_embedder(roboflow)
    embed(embedder, "a")
    step = EmbedStep(embedder.config)
    roboflow.faults.script(Fault.status_code(401, {"message": f"the key {KEY} is wrong"}))
    with pytest.raises(TerminalError) as raised:
        step([step.prepare(Item(b"a", "text", "a"))])
    assert "the key [secret] is wrong" in str(raised.value)
    assert KEY not in caplog.text
    assert KEY not in repr(embedder.config) + str(embedder.config.settings()) + embedder.account()


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [("WEBP", "RGB", {}), ("TIFF", "RGB", {}), ("GIF", "RGB", {}), ("JPEG", "CMYK", {}), ("PNG", "RGBA", {})],
)
def test_a_picture_that_servers_read_differently_is_sent_as_ours(multi2vec, roboflow, kind, mode, options):
    data = picture(kind, mode, **options)
    for embedder, server in (
        (multi2vec_embedder(multi2vec), multi2vec),
        (roboflow_embedder(roboflow), roboflow),
    ):
        assert len(embed(embedder, data)) == 1
        sent = server.requests[-1].body.get("images", server.requests[-1].body.get("image"))[0]
        with Image.open(io.BytesIO(base64.b64decode(sent["value"] if isinstance(sent, dict) else sent))) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")


def test_a_broken_picture_fails_here_and_not_there(multi2vec, roboflow):
    broken = picture("JPEG")[:400]
    for server, config in (
        (multi2vec, Multi2VecClipConfig(name="m", inference_url=multi2vec.url)),
        (roboflow, RoboflowClipConfig(base_url=roboflow.url)),
    ):
        found = EmbedStep(config).prepare(Item(b"a", "image", broken, "a.jpg"))
        assert isinstance(found, Failure)
        assert "picture" in found.reason
        assert not server.requests


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault.status_code(500, {"error": "index out of range"}), SuspectError, "index out of range"),
        (Fault.status_code(422, {"detail": [{"msg": "valid list"}]}), ItemError, "HTTP 422: valid list"),
        (Fault.status_code(413, "<html><title>413 Too Large</title></html>"), ItemError, "HTML page.*413 Too Large"),
        (Fault.status_code(404, {"detail": "Not Found"}), TerminalError, "HTTP 404: Not Found"),
        (Fault.status_code(401, {}), TerminalError, "HTTP 401"),
        (Fault.status_code(503, "", headers={"retry-after": "3"}), TransientError, "HTTP 503"),
        (Fault.status_code(429, {}), TransientError, "HTTP 429"),
        (Fault.page(), ResponseError, "no JSON: an HTML page, .*502 Bad Gateway"),
        (Fault.truncate(), ResponseError, "no JSON"),
        (Fault.reset(), TransientError, "broke"),
        (Fault.reset_in_body(), TransientError, "broke"),
        (Fault.hang(0.5), TransientError, "no answer within 0.2 s"),
    ],
)
def test_what_went_wrong_with_multi2vec(multi2vec, fault, kind, words):
    embedder = multi2vec_embedder(multi2vec, timeout=0.2)
    multi2vec.faults.script(fault)
    with pytest.raises(kind, match=words) as raised:
        embed(embedder, "a")
    assert type(raised.value) is kind or kind is TransientError
    assert embedder.classify(raised.value) is raised.value
    if isinstance(raised.value, ItemError):
        assert not raised.value.certain
    if "503" in words:
        assert raised.value.retry_after == 3


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (500, "Internal error.", SuspectError),
        (400, "Could not load input image. Cause: it is none", ItemError),
        (400, "The maximum number of images that can be embedded at once is 4", BatchTooLargeError),
        (400, "Required Roboflow API key is missing. Visit ...", TerminalError),
        (400, "Invalid Model ID sent in request.", TerminalError),
        (401, "Unauthorized access to roboflow API", TerminalError),
        (402, "Not enough credits to perform this request.", TerminalError),
        (403, "Unauthorized access to roboflow API", TerminalError),
        (404, "Requested Roboflow resource not found.", TerminalError),
        (501, "Could not find requested ONNX Runtime Provider.", TerminalError),
        (502, "Internal error. Request to Roboflow API failed.", TransientError),
        (503, "Model is temporarily not ready - retry request.", TransientError),
        (504, "Timeout when attempting to connect to Roboflow API.", TransientError),
    ],
)
def test_what_went_wrong_with_roboflow(roboflow, status, message, kind):
    roboflow.faults.script(Fault.status_code(status, {"message": message}))
    with pytest.raises(kind) as raised:
        embed(roboflow_embedder(roboflow), "a")
    assert type(raised.value) is kind
    assert str(raised.value) == f"HTTP {status}: {message}"


def test_an_unreachable_server_is_worth_another_try(multi2vec):
    embedder = Multi2VecClipEmbedder(Multi2VecClipConfig(name="m", inference_url="http://127.0.0.1:9"))
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:9/vectorize cannot be reached"):
        embed(embedder, "a")


def test_vectors_of_another_length_than_declared_stop_the_run(multi2vec):
    config = Multi2VecClipConfig(name="m", inference_url=multi2vec.url, dimensions=768)
    step = EmbedStep(config)
    with pytest.raises(TerminalError, match="512 dimensions, not of 768"):
        step([step.prepare(Item(b"a", "text", "a"))])
    assert len(multi2vec.requests) == 1


def test_one_bad_picture_among_many_is_found_at_roboflow(roboflow):
    roboflow.reject = "poison"
    step = EmbedStep(RoboflowClipConfig(base_url=roboflow.url))
    items = [Item(str(number).encode(), "image", picture() + str(number).encode()) for number in range(20)]
    items[13] = Item(b"bad", "image", picture() + b"poison")
    outcome = step([step.prepare(item) for item in items])
    assert len(outcome.keys) == 19
    assert [(one.key, one.kind) for one in outcome.failures] == [(b"bad", "item")]
    assert max(len(request.body["image"]) for request in roboflow.requests) == 8


def test_a_server_that_takes_fewer_at_a_time_gets_fewer(roboflow):
    message = {"message": "The maximum number of images that can be embedded at once is 2"}
    roboflow.faults.when(lambda request: Fault.status_code(400, message) if len(request.body["image"]) > 2 else None)
    step = EmbedStep(RoboflowClipConfig(base_url=roboflow.url))
    items = [Item(str(number).encode(), "image", picture() + str(number).encode()) for number in range(16)]
    outcome = step([step.prepare(item) for item in items])
    assert len(outcome.keys) == 16
    assert len(roboflow.requests) == 2 + 8


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("word " * 75, True),
        ("word " * 76, False),
        ("don't " * 37, True),
        ("don't " * 38, False),
        ("2026 " * 19, False),
        ("!!! " * 75, True),
        ("&amp;amp; " * 75, True),
        ("日本語" * 40, True),
    ],
)
def test_a_text_that_clip_cannot_read_for_certain_is_not_sent(roboflow, text, reads):
    found = EmbedStep(RoboflowClipConfig(base_url=roboflow.url)).prepare(Item(b"a", "text", text))
    assert isinstance(found, Failure) is not reads


def test_a_longer_text_that_was_sent_fails_alone(roboflow):
    step = EmbedStep(RoboflowClipConfig(base_url=roboflow.url), sleep=lambda _: None)
    roboflow.reject = "counterrevolutionaries"
    texts = ["a dog", "counterrevolutionaries", "a cat"]
    outcome = step([step.prepare(Item(text.encode(), "text", text)) for text in texts])
    assert outcome.keys == [b"a dog", b"a cat"]
    assert outcome.failures[0].reason == "HTTP 500: Internal error."


def test_connections_are_kept_and_closed(multi2vec):
    embedder = multi2vec_embedder(multi2vec)
    for _ in range(3):
        embed(embedder, "a")
    client = embedder.client._client
    embedder.close()
    assert client is not None
    assert client.is_closed
    assert embed(embedder, "a").shape == (1, 512)
