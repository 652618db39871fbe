"""What is sent for each model: sides, lengths, pictures; and what is counted."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.embedding.outcome import Outcome, Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch_plugins.aws import BedrockConfig, BedrockEmbedder

pytestmark = pytest.mark.usefixtures("keys")

NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    """Red above, blue below."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, size[1] // 2, size[0], size[1]))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def embedded(server: Any, *contents: str | bytes, side: Any = "document", **settings: Any) -> Outcome:
    config = BedrockConfig(endpoint_url=server.url, retry={"max_retries": 0}, **settings)
    step = EmbedStep(config, side=side)
    try:
        modality = "text" if isinstance(contents[0], str) else "image"
        prepared = [
            step.prepare(Item(str(n).encode(), modality, content, f"item {n}")) for n, content in enumerate(contents)
        ]
        assert all(isinstance(one, Prepared) for one in prepared), prepared
        return step(prepared)
    finally:
        step.close()


@pytest.mark.parametrize(
    ("name", "document", "query"),
    [
        ("cohere.embed-english-v3", "search_document", "search_query"),
        ("us.cohere.embed-v4:0", "search_document", "search_query"),
    ],
)
def test_cohere_is_told_documents_from_queries(server: Any, name: str, document: str, query: str) -> None:
    there = embedded(server, "a", name=name)
    back = embedded(server, "a", name=name, side="query")
    assert [request.body["input_type"] for request in server.requests] == [document, query]
    assert not np.allclose(there.vectors, back.vectors)


def test_nova_is_told_documents_from_queries(server: Any) -> None:
    embedded(server, "a", name=NOVA)
    embedded(server, "a", name=NOVA, side="query", query_input_type="IMAGE_RETRIEVAL")
    purposes = [request.body["singleEmbeddingParams"]["embeddingPurpose"] for request in server.requests]
    assert purposes == ["GENERIC_INDEX", "IMAGE_RETRIEVAL"]


def test_cohere_takes_many_texts_in_one_request_and_titan_one(server: Any) -> None:
    texts = [f"text {number}" for number in range(100)]
    many = embedded(server, *texts, name="cohere.embed-english-v3", batch_size=96)
    assert [len(request.body["texts"]) for request in server.requests] == [96, 4]
    assert (len(many.keys), many.usage.requests) == (100, 2)
    server.clear()
    one = embedded(server, *texts[:5], name="amazon.titan-embed-text-v2:0")
    assert [request.body["inputText"] for request in server.requests] == texts[:5]
    assert one.usage.requests == 5


@pytest.mark.slow
def test_a_body_that_would_be_too_large_is_split(server: Any) -> None:
    pictures = [picture("BMP", (1250 + number, 1000)) for number in range(3)]
    noisy = [np.random.default_rng(number).integers(0, 255, (1100, 1100, 3), np.uint8) for number in range(6)]
    buffers = []
    for array in noisy:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG", compress_level=1)
        buffers.append(buffer.getvalue())
    outcome = embedded(server, *buffers, *pictures, name="us.cohere.embed-v4:0")
    assert len(outcome.keys) == 9
    assert len(server.requests) > 1
    assert all(len(request.raw) <= 25_000_000 for request in server.requests)


def test_titans_dimensions_and_normalize_are_the_configs(server: Any) -> None:
    vectors = embedded(server, "a", name="amazon.titan-embed-text-v2:0", dimensions=256, normalize=False).vectors
    assert server.requests[0].body == {"inputText": "a", "dimensions": 256, "normalize": False}
    assert vectors[0].shape == (256,)
    assert np.linalg.norm(vectors[0]) > 2


def test_the_model_that_is_called_is_the_arn(server: Any) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/team-a"
    server.models[arn] = "us.cohere.embed-v4:0"
    outcome = embedded(server, "a", name="cohere.embed-v4:0", arn=arn)
    assert outcome.keys
    assert server.requests[0].path == f"/model/{arn.replace(':', '%3A').replace('/', '%2F')}/invoke"


def test_tokens_are_bedrocks(server: Any) -> None:
    for name in ("amazon.titan-embed-text-v1", "us.cohere.embed-v4:0", NOVA):
        assert embedded(server, "x" * 40, name=name).usage.tokens == 10, name


def test_titans_own_count_is_taken_where_no_header_has_one() -> None:
    embedder = BedrockEmbedder(BedrockConfig())
    assert embedder._count_tokens({"inputTextTokenCount": 7}) == 7
    assert embedder._count_tokens({}) == 0
    assert embedder._count_tokens([]) == 0


def test_the_bound_on_tokens_is_never_below_what_is_counted(server: Any) -> None:
    for name, contents in (
        ("us.cohere.embed-v4:0", picture()),
        (NOVA, "x" * 9000),
        ("cohere.embed-english-v3", "é" * 90),
    ):
        embedder = BedrockEmbedder(BedrockConfig(name=name))
        modality: Any = "text" if isinstance(contents, str) else "image"
        bound = embedder.tokens(modality, embedder.prepare(Item(b"k", modality, contents)))
        assert bound >= embedded(server, contents, name=name).usage.tokens > 0 or name == NOVA, name


@pytest.mark.parametrize(("truncate", "kept"), [("end", slice(0, 2048)), ("start", slice(-2048, None))])
def test_a_long_text_is_cut_where_it_is_told_to(server: Any, truncate: str, kept: slice) -> None:
    text = "".join(f"{number:05d}" for number in range(1000))
    embedded(server, text, name="cohere.embed-english-v3", truncate=truncate)
    assert server.requests[0].body["texts"] == [text[kept]]
    assert server.requests[0].body["truncate"] == truncate.upper()


def test_cohere_v4_is_told_which_end_to_cut_in_its_own_words(server: Any) -> None:
    for truncate in ("end", "start", "none"):
        embedded(server, "a", name="us.cohere.embed-v4:0", truncate=truncate)
    assert [request.body["truncate"] for request in server.requests] == ["RIGHT", "LEFT", "NONE"]


def test_with_truncate_none_a_long_text_is_a_failure_and_nothing_is_sent() -> None:
    embedder = BedrockEmbedder(BedrockConfig(name="cohere.embed-english-v3", truncate="none"))
    with pytest.raises(ItemError, match=r"3,000 characters; cohere.embed-english-v3 takes 2,048"):
        embedder.prepare(Item(b"k", "text", "x" * 3000))


def test_titan_refuses_a_text_that_is_too_long_for_its_tokens_alone(server: Any) -> None:
    outcome = embedded(server, "good", "x" * 49_000, "good too", name="amazon.titan-embed-text-v2:0")
    assert outcome.keys == [b"0", b"2"]
    assert [failure.kind for failure in outcome.failures] == ["item"]
    assert "Too many input tokens. Max input tokens: 8192" in outcome.failures[0].reason


def uri_of(data: bytes, name: str = "amazon.titan-embed-image-v1") -> tuple[str, bytes]:
    uri = BedrockEmbedder(BedrockConfig(name=name)).prepare(Item(b"k", "image", data))
    head, _, body = uri.partition(",")
    return head, base64.b64decode(body)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_sent_as_the_file_it_is(kind: str) -> None:
    data = picture(kind)
    assert uri_of(data) == (f"data:image/{kind.lower()};base64", data)


def test_another_format_is_sent_as_png_without_loss() -> None:
    data = picture("WEBP", lossless=True)
    head, sent = uri_of(data)
    assert head == "data:image/png;base64"
    pixels = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in (data, sent)]
    assert np.array_equal(*pixels)
    assert uri_of(picture("TIFF"), NOVA)[0] == "data:image/png;base64"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_its_exif_data_turn_is_sent_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found, sent = uri_of(picture(kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {})))
    image = Image.open(io.BytesIO(sent))
    assert (found, image.size) == ("data:image/png;base64", (40, 60))
    assert image.getexif().get(0x0112, 1) == 1
    red, _, blue = image.convert("RGB").getpixel((38, 30))  # the upper side came to the right
    assert red > 200
    assert blue < 60


def test_a_picture_that_is_too_large_is_a_failure_that_says_so() -> None:
    with pytest.raises(ItemError, match="2100 x 40 pixels; amazon.titan-embed-image-v1 takes 2048 x 2048"):
        uri_of(picture(size=(2100, 40)))
    noise = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    Image.fromarray(pixels).save(noise, "PNG", compress_level=1)
    with pytest.raises(ItemError, match=r"6\.\d MB as PNG; cohere.embed-english-v3 takes 5\.0 MB"):
        uri_of(noise.getvalue(), "cohere.embed-english-v3")


def test_a_turned_photo_that_is_too_large_as_png_is_sent_as_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (1500, 1400, 3), np.uint8)
    Image.fromarray(pixels).save(photo, "JPEG", quality=80, exif=exif)
    head, sent = uri_of(photo.getvalue(), "cohere.embed-english-v3")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(sent)).size == (1500, 1400)


def test_cohere_v3_is_told_that_a_picture_is_one(server: Any) -> None:
    embedded(server, picture(), picture("JPEG"), name="cohere.embed-english-v3")
    assert [request.body["input_type"] for request in server.requests] == ["image", "image"]
    assert server.requests[1].body["images"][0].startswith("data:image/jpeg;base64,")


def test_more_inputs_than_a_request_holds_are_several_requests(server: Any) -> None:
    embedder = BedrockEmbedder(BedrockConfig(name="amazon.titan-embed-text-v2:0", endpoint_url=server.url))
    result = embedder.embed(Batch("text", ["a", "bb", "ccc"]))
    embedder.close()
    assert np.asarray(result.vectors).shape == (3, 1024)
    assert (len(server.requests), result.tokens) == (3, 3)
