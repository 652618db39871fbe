"""The CLIP routes of Roboflow Inference, as its own SDK and our roboflow-clip provider use them.

The SDK pins Pillow and numpy below ours, so it runs in an environment of its own: ``EMBEDDINGS_ORCH_INFERENCE_SDK``
names the Python that has ``inference-sdk``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from embeddings_orch.embedding.compare import compare
from embeddings_orch.embedding.contents import vectors_of
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import config_from
from embeddings_orch.models.content import Item

SDK = os.environ.get("EMBEDDINGS_ORCH_INFERENCE_SDK")
CLIP = {"provider": "open-clip", "name": "emoji-s"}
WORDS = {"provider": "counting", "name": "toy", "dim": 512, "decode": True, "reject": "bad"}
KEY = "the-key-of-the-server"

CLIENT = """
import asyncio, json, sys
from inference_sdk import InferenceConfiguration, InferenceHTTPClient
url, key, one, other, transport = sys.argv[1:]
client = InferenceHTTPClient(api_url=url, api_key=key or None)
if transport:
    client.configure(InferenceConfiguration(api_key_transport=transport))
def attempt(call):
    try:
        return call()
    except Exception as error:
        return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "said": str(error)[:300]}
print(json.dumps({
    "text": attempt(lambda: client.get_clip_text_embeddings("a dog")),
    "texts": attempt(lambda: client.get_clip_text_embeddings(["a dog", "a boat"], clip_version="ViT-B-16")),
    "image": attempt(lambda: client.get_clip_image_embeddings(one)),
    "images": attempt(lambda: client.get_clip_image_embeddings([one, other])),
    "async": attempt(lambda: asyncio.run(client.get_clip_image_embeddings_async([one, other]))),
    "compare": attempt(lambda: client.clip_compare(one, ["a dog", "a boat"])),
    "pictures": attempt(lambda: client.clip_compare(one, [one, other], prompt_type="image")),
    "words": attempt(lambda: client.clip_compare("a dog", "a dog", subject_type="text")),
    "long": attempt(lambda: client.get_clip_text_embeddings([""])),
}))
"""


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """Nothing of it was ever run."""
    return shared_gallery(pictures=12, embeddings={"clip": CLIP, "words": WORDS}, indexes={})


@pytest.fixture(scope="module")
def server(gallery, shared_served):
    return shared_served(gallery)


@pytest.fixture(scope="module")
def local():
    step = EmbedStep(config_from("open-clip", {"name": "emoji-s"}))
    yield step
    step.close()


def given(gallery, name="p000.png"):
    return {"type": "base64", "value": base64.b64encode((gallery.media / name).read_bytes()).decode()}


def test_texts_and_pictures_have_the_models_vectors(server, gallery, local):
    http, texts = server.http, ["a dog", "a boat"]
    answer = http.post("/clip/embed_text", json={"text": texts, "clip_version_id": "ViT-B-16", "id": "mine"}).json()
    np.testing.assert_allclose(answer["embeddings"], vectors_of(local, "text", texts), atol=1e-6)
    assert (answer["inference_id"], answer["frame_id"], answer["resolved_model"]) == ("mine", None, "emoji-s")
    assert answer["time"] > 0
    wanted = vectors_of(local, "image", [gallery.media / "p000.png", gallery.media / "p001.png"])
    for image, rows in ((given(gallery), wanted[:1]), ([given(gallery), given(gallery, "p001.png")], wanted)):
        answer = http.post("/clip/embed_image", json={"image": image}).json()
        np.testing.assert_allclose(answer["embeddings"], rows, atol=1e-6)


def test_similarities_are_those_of_compare(server, gallery, local):
    path = gallery.media / "p003.png"
    texts = ["a dog", "a boat", "red"]
    wanted = compare(local, path, texts)
    subject = given(gallery, "p003.png")

    def asked(**body):
        answer = server.http.post("/clip/compare", json={"subject": subject, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()["similarity"]

    np.testing.assert_allclose(asked(prompt=texts), wanted, atol=1e-6)
    np.testing.assert_allclose(asked(prompt="a boat"), wanted[1:2], atol=1e-6)
    named = asked(prompt={"is it a dog": "a dog", "is it red": "red"})
    assert list(named) == ["is it a dog", "is it red"]
    np.testing.assert_allclose(list(named.values()), wanted[[0, 2]], atol=1e-6)
    pictures = [given(gallery, "p003.png"), given(gallery, "p004.png")]
    found = asked(prompt=pictures, prompt_type="image")
    np.testing.assert_allclose(
        found, compare(local, path, [path, gallery.media / "p004.png"], prompt_type="image"), atol=1e-6
    )
    assert asked(prompt=pictures[0], prompt_type="image")[0] == pytest.approx(1)
    assert asked(prompt={"itself": pictures[0]}, prompt_type="image")["itself"] == pytest.approx(1)
    assert asked(subject="red", subject_type="text", prompt="red")[0] == pytest.approx(1)
    assert asked(prompt=[]) == []


@pytest.mark.parametrize(
    ("route", "body", "message"),
    [
        ("embed_text", {}, "text"),
        ("embed_text", {"text": ["fine", ""]}, "text 1 cannot be embedded: empty"),
        ("embed_text", {"text": ["x"] * 129}, "maximum number of texts"),
        ("embed_image", {"image": {"type": "file", "value": "/etc/passwd"}}, "'file' are refused"),
        ("embed_image", {"image": {"type": "numpy", "value": "gASVQg=="}}, "'numpy' are refused"),
        ("embed_image", {"image": {"type": "url", "value": "http://127.0.0.1/x.png"}}, "URL"),
        ("embed_image", {"image": {"type": "base64", "value": "AAAA"}}, "Could not load input image. Cause:"),
        ("embed_image", {"image": {"type": "base64", "value": 7}}, "no text"),
        ("compare", {"subject": "x", "prompt": "y"}, "Could not load input image"),
        ("compare", {"subject": "x", "subject_type": "sound", "prompt": "y"}, "subject_type"),
    ],
)
def test_errors_are_in_roboflows_words(server, route, body, message):
    answer = server.http.post(f"/clip/{route}", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_a_url_of_a_private_address_is_refused_even_where_urls_are_on(gallery, served):
    http = served(gallery, allow_urls=True).http
    answer = http.post("/clip/embed_image", json={"image": {"type": "url", "value": "http://127.0.0.1:1/x.png"}})
    assert answer.status_code == 400
    assert "not on a public address" in answer.json()["message"]


@pytest.fixture
def keyed(gallery, served, monkeypatch):
    monkeypatch.setenv("SERVE_KEY", KEY)
    return served(gallery, api_key_env="SERVE_KEY", model="words")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"text": "a dog"}}, 401),
        ({"json": {"text": "a dog", "api_key": "another"}}, 401),
        ({"json": {"text": "a dog", "api_key": [KEY]}}, 401),
        ({"content": b"not json", "headers": {"content-type": "application/json"}}, 401),
        ({"json": [KEY]}, 401),
        ({"json": {"text": "a dog", "api_key": KEY}}, 200),
        ({"json": {"text": "a dog"}, "params": {"api_key": KEY}}, 200),
        ({"json": {"text": "a dog"}, "headers": {"authorization": f"Bearer {KEY}"}}, 200),
        ({"json": {"text": "a dog"}, "params": {"api_key": "another"}}, 401),
    ],
)
def test_the_key_may_stand_where_roboflows_clients_put_it(keyed, options, status):
    answer = keyed.http.post("/clip/embed_text", **options)
    assert answer.status_code == status
    assert status == 200 or "API key" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/vectorize", "/v1/search"])
def test_a_key_in_the_body_opens_nothing_else(keyed, path):
    body = {"texts": ["x"], "model": "words", "input": "x", "text": "x", "api_key": KEY}
    assert keyed.http.post(path, json=body).status_code == 401


def test_our_provider_gets_the_same_vectors_and_finds_the_bad_text(keyed, gallery, monkeypatch):
    monkeypatch.setenv("CLIP_KEY", KEY)
    settings = {"base_url": keyed.url, "api_key_env": "CLIP_KEY", "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("roboflow-clip", {"clip_version_id": "ViT-B-16", **settings}))
    here = EmbedStep(config_from("counting", {key: value for key, value in WORDS.items() if key != "provider"}))
    paths = [gallery.media / f"p{number:03}.png" for number in range(12)]
    np.testing.assert_allclose(vectors_of(step, "image", paths), vectors_of(here, "image", paths), atol=1e-6)
    texts = [f"text {number}" for number in range(20)]
    np.testing.assert_allclose(vectors_of(step, "text", texts), vectors_of(here, "text", texts), atol=1e-6)
    items = [step.prepare(_item(number, "a bad one" if number == 3 else f"text {number}")) for number in range(8)]
    outcome = step(items)
    assert [failure.key for failure in outcome.failures] == [b"3"]
    assert len(outcome.keys) == 7
    step.close()
    monkeypatch.setenv("CLIP_KEY", "another")
    wrong = EmbedStep(config_from("roboflow-clip", settings))
    with pytest.raises(TerminalError, match="API key"):
        vectors_of(wrong, "text", ["a dog"])
    wrong.close()


def _item(number, text):
    return Item(str(number).encode(), "text", text, f"text {number}")


with_sdk = pytest.mark.skipif(SDK is None, reason="EMBEDDINGS_ORCH_INFERENCE_SDK names no Python with inference-sdk")


def ran(*arguments):
    """What the SDK's Python prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.run(
        [SDK, "-c", *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.process
@with_sdk
def test_the_example_of_the_docs_runs(server, gallery):
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    (example,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "inference_sdk" in one)
    example = example.replace("http://127.0.0.1:8080", server.url)
    example = example.replace("photo.jpg", str(gallery.media / "p000.png"))
    assert ran(f"{example}\nprint(len(vectors), len(vectors[0]))") == "2 128\n"


@pytest.mark.process
@with_sdk
@pytest.mark.parametrize("transport", ["", "both", "header"])
def test_roboflows_own_sdk(gallery, served, local, monkeypatch, transport):
    monkeypatch.setenv("SERVE_KEY", KEY)
    server = served(gallery, api_key_env="SERVE_KEY")
    paths = [gallery.media / "p000.png", gallery.media / "p001.png"]
    said = json.loads(ran(CLIENT, server.url, KEY, *map(str, paths), transport))
    texts, pictures = vectors_of(local, "text", ["a dog", "a boat"]), vectors_of(local, "image", paths)
    np.testing.assert_allclose(said["text"]["embeddings"], texts[:1], atol=1e-6)
    np.testing.assert_allclose(said["texts"]["embeddings"], texts, atol=1e-6)
    # The SDK encodes pictures anew, as JPEG.
    for name, rows in (("image", pictures[:1]), ("images", pictures), ("async", pictures)):
        found = said[name] if isinstance(said[name], list) else [said[name]]
        for one, row in zip(found, rows, strict=True):
            assert float(np.dot(one["embeddings"][0], row)) > 0.9, name
    assert len(said["compare"]["similarity"]) == 2
    assert said["pictures"]["similarity"][0] == pytest.approx(1, abs=1e-5)
    assert said["words"]["similarity"] == pytest.approx([1], abs=1e-5)
    assert (said["long"]["error"], said["long"]["status"]) == ("HTTPCallErrorError", 400)
