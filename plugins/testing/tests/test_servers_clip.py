"""The loopback servers of multi2vec-clip and Roboflow, spoken to with nothing but HTTP."""

from __future__ import annotations

import base64
import io
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from embeddings_orch_testing.servers.multi2vec import Multi2VecServer
from embeddings_orch_testing.servers.roboflow import DIMENSIONS, RoboflowServer


def ask(url: str, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, {"content-type": "application/json", **headers})) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None
    except HTTPError as error:
        content = error.read()
        return error.code, json.loads(content) if content else None


def picture(colour="red") -> str:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def image(value: str, kind: str = "base64"):
    return {"type": kind, "value": value}


@pytest.fixture
def multi2vec():
    with Multi2VecServer() as server:
        yield server


@pytest.fixture
def roboflow():
    with RoboflowServer() as server:
        yield server


def test_multi2vec_is_alive_ready_and_says_what_it_runs(multi2vec):
    assert ask(f"{multi2vec.url}/.well-known/live") == (204, None)
    assert ask(f"{multi2vec.url}/.well-known/ready") == (204, None)
    status, meta = ask(f"{multi2vec.url}/meta")
    assert (status, meta["clip_model"]["projection_dim"]) == (200, 512)
    multi2vec.ready = False
    assert ask(f"{multi2vec.url}/.well-known/live") == (204, None)
    assert ask(f"{multi2vec.url}/.well-known/ready")[0] == 503
    assert ask(f"{multi2vec.url}/vectorize", {"texts": ["a"]})[0] == 503


def test_multi2vec_vectorizes_texts_and_images(multi2vec):
    status, answer = ask(f"{multi2vec.url}/vectorize", {"texts": ["a", "b", "a"], "images": [picture()]})
    assert status == 200
    texts, images = np.array(answer["textVectors"]), np.array(answer["imageVectors"])
    assert (texts.shape, images.shape) == ((3, 512), (1, 512))
    assert np.array_equal(texts[0], texts[2])
    assert not np.allclose(np.linalg.norm(texts, axis=1), 1)
    assert ask(f"{multi2vec.url}/vectorize", {}) == (200, {"textVectors": [], "imageVectors": []})


def test_another_model_has_other_vectors(multi2vec):
    with Multi2VecServer(model="another") as other:
        first, second = (ask(f"{server.url}/vectorize", {"texts": ["a"]})[1] for server in (multi2vec, other))
    assert first["textVectors"] != second["textVectors"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"texts": "a"}, 422, "valid list"),
        ({"images": {"a": 1}}, 422, "valid list"),
        ([], 422, "valid dictionary"),
        ({"texts": ["good", 5]}, 500, "int"),
        ({"images": ["data:image/png;base64,AAAA"]}, 500, "base64"),
        ({"images": [base64.b64encode(b"text").decode()]}, 500, "cannot identify image"),
        ({"texts": ["good", "poison"]}, 500, "poison"),
    ],
)
def test_multi2vec_refuses_the_whole_request(multi2vec, body, status, words):
    multi2vec.reject = "poison"
    found, answer = ask(f"{multi2vec.url}/vectorize", body)
    assert found == status
    assert words in str(answer["error" if status == 500 else "detail"])


@pytest.mark.parametrize("version", DIMENSIONS)
def test_roboflow_embeds_texts_and_images(roboflow, version):
    body = {"clip_version_id": version}
    one = ask(f"{roboflow.url}/clip/embed_text", {**body, "text": "a"})[1]
    many = ask(f"{roboflow.url}/clip/embed_text", {**body, "text": ["a", "b"]})[1]
    assert np.array(many["embeddings"]).shape == (2, DIMENSIONS[version])
    assert one["embeddings"] == many["embeddings"][:1]
    assert {"time", "resolved_model"} <= one.keys()
    images = ask(f"{roboflow.url}/clip/embed_image", {**body, "image": [image(picture())] * 8})[1]["embeddings"]
    assert np.array(images).shape == (8, DIMENSIONS[version])
    assert images[:1] == ask(f"{roboflow.url}/clip/embed_image", {**body, "image": image(picture())})[1]["embeddings"]


def test_roboflow_compares(roboflow):
    compare = f"{roboflow.url}/clip/compare"
    images = {"subject": image(picture()), "prompt": [image(picture()), image(picture("blue"))]}
    similarity = ask(compare, {**images, "prompt_type": "image"})[1]["similarity"]
    assert similarity[0] == pytest.approx(1)
    assert similarity[1] < 0.5
    texts = {"subject": "a", "subject_type": "text", "prompt": {"same": "a", "other": "b"}}
    similarity = ask(compare, texts)[1]["similarity"]
    assert similarity["same"] == pytest.approx(1)
    assert set(similarity) == {"same", "other"}
    assert len(ask(compare, {"subject": image(picture()), "prompt": "a dog"})[1]["similarity"]) == 1


@pytest.mark.parametrize(
    ("route", "body", "status", "words"),
    [
        ("embed_image", {"image": [image(picture())] * 9}, 500, "Internal error."),
        ("compare", {"subject": image(picture()), "prompt": ["a"] * 9}, 500, "Internal error."),
        ("compare", {"subject": "a", "subject_type": "sound", "prompt": "a"}, 500, "Internal error."),
        ("embed_text", {"text": ["short", "word " * 76]}, 500, "Internal error."),
        ("embed_image", {"image": [image(picture()), image("AAAA")]}, 400, "Could not load input image"),
        ("embed_image", {"image": image("http://a/b.png", "url")}, 400, "Could not load input image"),
        ("embed_image", {}, 422, "Field required"),
        ("embed_text", {"text": 5}, 422, "valid string"),
        ("embed_text", {"text": "a", "clip_version_id": "ViT-B-17"}, 404, "not found"),
        ("embed_sound", {}, 404, "Not Found"),
    ],
)
def test_roboflow_refuses(roboflow, route, body, status, words):
    found, answer = ask(f"{roboflow.url}/clip/{route}", body)
    assert found == status
    assert words in str(answer)


def test_roboflow_takes_the_key_in_the_query_a_header_or_the_body(roboflow):
    roboflow.key = "secret"
    route = f"{roboflow.url}/clip/embed_text"
    assert ask(route, {"text": "a"})[0] == 400
    assert ask(route, {"text": "a", "api_key": "wrong"})[0] == 401
    assert ask(route, {"text": "a", "api_key": "secret"})[0] == 200
    assert ask(f"{route}?api_key=secret", {"text": "a"})[0] == 200
    assert ask(route, {"text": "a"}, authorization="Bearer secret")[0] == 200
