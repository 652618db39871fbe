"""Pictures in base64: each route takes what the others take, and refuses it in its own words."""

from __future__ import annotations

import base64

import numpy as np
import pytest

CLIP = {"provider": "open-clip", "name": "emoji-s"}


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    gallery = shared_gallery(pictures=3, embeddings={"clip": CLIP}, indexes={"found": {"vectors": ["clip"]}})
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def http(gallery, shared_served):
    return shared_served(gallery).http


@pytest.fixture(scope="module")
def data(gallery):
    """A file whose base64 ends with padding."""
    picture = (gallery.media / "p000.png").read_bytes()
    return picture + b"\0" * (3 - len(picture) % 3 + 1)


def _search(http, encoded):
    return http.post("/v1/search", json={"image": {"base64": encoded}})


def _openai(http, encoded):
    return http.post("/v1/embeddings", json={"model": "clip", "input": [{"image": encoded}]})


def _weaviate(http, encoded):
    return http.post("/vectorize", json={"images": [encoded]})


def _roboflow(http, encoded):
    return http.post("/clip/embed_image", json={"image": {"type": "base64", "value": encoded}})


def _compare(http, encoded):
    return http.post("/clip/compare", json={"subject": encoded, "prompt": {"it": "a dog"}})


ROUTES = [_search, _openai, _weaviate, _roboflow, _compare]


def _numbers(answer):
    """Whatever numbers an answer has that depend on the picture."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if "hits" in body:
        return [hit["score"] for hit in body["hits"]]
    if "data" in body:
        return body["data"][0]["embedding"]
    return body.get("imageVectors") or body.get("embeddings") or [body["similarity"]["it"]]


@pytest.mark.parametrize("ask", ROUTES)
def test_every_way_to_write_base64_is_the_same_picture(http, data, ask):
    plain, urls = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    assert plain.endswith("=")
    assert plain != urls
    wrapped = base64.encodebytes(data).decode()
    first = _numbers(ask(http, plain))
    for encoded in (
        wrapped,
        wrapped.replace("\n", "\r\n"),
        urls,
        plain.rstrip("="),
        f"data:image/png;base64,{plain}",
        f"data:image/png;name=a.png;BASE64,{wrapped}",
    ):
        np.testing.assert_allclose(_numbers(ask(http, encoded)), first, atol=1e-6)


def test_openai_takes_a_data_uri_in_place_of_a_text_whatever_its_capitals(http, data):
    uri = f"DATA:Image/PNG;Base64,{base64.encodebytes(data).decode()}"
    answer = http.post("/v1/embeddings", json={"model": "clip", "input": uri})
    np.testing.assert_allclose(_numbers(answer), _numbers(_openai(http, base64.b64encode(data).decode())), atol=1e-6)


@pytest.mark.parametrize(
    ("ask", "status", "name"),
    [
        (_search, 400, "image.base64"),
        (_openai, 400, "input[0]"),
        (_weaviate, 422, "images[0]"),
        (_roboflow, 400, "image"),
        (_compare, 400, "subject"),
    ],
)
def test_what_is_no_base64_is_refused_with_the_place(http, ask, status, name):
    for encoded, why in (
        ("AAAA%AAA", "its character 5 is '%'"),
        ("AAAAA", "it ends within a byte"),
        ("data:image/png,AAAA", "the data URI has no ';base64,'"),
    ):
        answer = ask(http, encoded)
        body = answer.json()
        assert answer.status_code == status
        assert f"{name} is not base64: {why}" in str(body.get("message") or body["error"]).replace("\\", "")
