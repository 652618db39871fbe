"""The routes of Weaviate's CLIP container, as Weaviate and our own multi2vec-clip provider use them."""

from __future__ import annotations

import base64
import json
import time

import numpy as np
import pytest

from embeddings_orch.embedding.contents import vectors_of
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import config_from
from embeddings_orch.models.content import Item

CLIP = {"provider": "open-clip", "name": "emoji-s"}
LATER = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": None, "name": "never-asked"}


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """Nothing of it was ever run."""
    return shared_gallery(
        pictures=6,
        embeddings={"words": {"provider": "openai", "input": "caption", **LATER}, "clip": CLIP},
        indexes={},
    )


@pytest.fixture(scope="module")
def server(gallery, shared_served):
    return shared_served(gallery)


@pytest.fixture(scope="module")
def local():
    step = EmbedStep(config_from("open-clip", {"name": "emoji-s"}))
    yield step
    step.close()


def encoded(gallery, *names):
    return [base64.b64encode((gallery.media / name).read_bytes()).decode() for name in names]


def test_it_is_live_at_once_and_ready_when_the_model_is_loaded(gallery, served):
    http = served(gallery).http
    assert http.get("/.well-known/live").status_code == 204
    first = http.get("/.well-known/ready")
    assert (first.status_code, "not loaded yet" in first.json()["error"]) == (503, True)
    until = time.monotonic() + 60
    while (answer := http.get("/.well-known/ready")).status_code == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert (answer.status_code, answer.content) == (204, b"")


def test_texts_and_pictures_have_the_models_vectors_in_order(server, gallery, local):
    names, texts = ["p002.png", "p000.png"], ["a dog", "a boat", "red"]
    answer = server.http.post("/vectorize", json={"texts": texts, "images": encoded(gallery, *names)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    np.testing.assert_allclose(body["textVectors"], vectors_of(local, "text", texts), atol=1e-6)
    pictures = vectors_of(local, "image", [gallery.media / name for name in names])
    np.testing.assert_allclose(body["imageVectors"], pictures, atol=1e-6)


@pytest.mark.parametrize("body", [{"texts": ["a dog"]}, {"texts": ["a dog"], "images": None}])
def test_what_weaviate_leaves_out_is_empty(server, body):
    # Go sends null for a list that was never made, and no content type of its own making.
    answer = server.http.post("/vectorize", content=json.dumps(body)).json()
    assert len(answer["textVectors"]) == 1
    assert answer["imageVectors"] == []


def test_meta_tells_the_model(server, local):
    known = server.http.get("/meta").json()["model"]
    assert known["fingerprint"] == local.config.fingerprint()
    assert (known["provider"], known["name"], known["dimensions"]) == ("open-clip", "emoji-s", 128)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"texts": "a dog"}, 422, "texts: Input should be a valid list"),
        ({"texts": [1]}, 422, "texts.0"),
        ({"images": ["AAAA"]}, 422, "images[0] is not a picture"),
        ({"images": ["%%%"]}, 422, "images[0] is not base64"),
        ({"texts": ["fine", ""]}, 422, "texts[1] cannot be embedded: empty"),
    ],
)
def test_errors_are_in_the_containers_words(server, body, status, message):
    answer = server.http.post("/vectorize", json=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_the_model_is_the_one_that_was_named(gallery, shared_gallery, served):
    asked = shared_gallery(
        pictures=1,
        embeddings={"clip": CLIP, "other": {"provider": "counting", "name": "toy"}},
        indexes={},
    )
    for name in ("other", "gallery/other"):
        http = served(asked, model=name).http
        assert http.get("/meta").json()["model"]["provider"] == "counting"
        assert len(http.post("/vectorize", json={"texts": ["x"]}).json()["textVectors"][0]) == 8
    missing = served(asked, model="nope").http.post("/vectorize", json={"texts": ["x"]})
    assert (missing.status_code, "there is no model 'nope'" in missing.json()["error"]) == (404, True)


def test_without_a_model_of_both_kinds_it_says_how_to_name_one(shared_gallery, served):
    asked = shared_gallery(
        pictures=1, embeddings={"words": {"provider": "openai", "input": "caption", **LATER}}, indexes={}
    )
    http = served(asked).http
    answer = http.post("/vectorize", json={"texts": ["x"]})
    assert (answer.status_code, "--model" in answer.json()["error"]) == (404, True)
    assert http.get("/.well-known/ready").status_code == 503


def test_our_provider_gets_the_same_vectors_and_finds_the_bad_picture(server, gallery, local):
    settings = {"name": "emoji-s", "inference_url": server.url, "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("multi2vec-clip", settings))
    texts = ["a dog", "a boat", "red"]
    np.testing.assert_allclose(vectors_of(step, "text", texts), vectors_of(local, "text", texts), atol=1e-6)
    items = []
    for number in range(6):
        data = (gallery.media / f"p{number:03}.png").read_bytes()
        items.append(step.prepare(Item(str(number).encode(), "image", data, f"p{number}")))
    # Cut after it was prepared, for else our own decoder finds it.
    cut = type(items[3])(b"3", "p3", "image", items[3].content[:40])
    outcome = step([*items[:3], cut, *items[4:]])
    assert outcome.keys == [b"0", b"1", b"2", b"4", b"5"]
    assert [(failure.key, "images[0]" in failure.reason) for failure in outcome.failures] == [(b"3", True)]
    wanted = vectors_of(local, "image", [gallery.media / f"p{number:03}.png" for number in (0, 1, 2, 4, 5)])
    np.testing.assert_allclose(outcome.vectors, wanted, atol=1e-6)
    step.close()


def test_servers_of_different_models_are_told_apart(server, shared_gallery, served):
    other = served(shared_gallery(pictures=1, embeddings={"toy": {"provider": "counting", "name": "toy"}}, indexes={}))
    settings = {"name": "emoji-s", "inference_urls": [server.url, other.url], "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("multi2vec-clip", settings))
    with pytest.raises(TerminalError, match="run different models"):
        vectors_of(step, "text", ["a dog"])
    step.close()


@pytest.mark.parametrize("field", ["texts", "images"])
def test_a_request_has_so_many_items_at_the_most(server, field):
    answer = server.http.post("/vectorize", json={field: ["x"] * 2049})
    assert answer.status_code == 422
    assert f"{field}: List should have at most 2048 items" in answer.json()["error"]


def test_our_provider_finds_the_text_that_is_too_long(server):
    settings = {"name": "emoji-s", "inference_url": server.url, "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("multi2vec-clip", settings))
    texts = ["a dog", "a boat", "x" * 100_001, "red"]
    outcome = step(
        [step.prepare(Item(str(place).encode(), "text", one, f"t{place}")) for place, one in enumerate(texts)]
    )
    assert outcome.keys == [b"0", b"1", b"3"]
    assert [failure.key for failure in outcome.failures] == [b"2"]
    assert "100,000 bytes" in outcome.failures[0].reason
    step.close()
