"""The embedding models behind Amazon Bedrock's InvokeModel: what each takes, refuses and answers.

After the "Inference parameters" pages of the Bedrock and Nova user guides: Titan text v1 and v2, Titan Multimodal
Embeddings G1, Cohere Embed v3 and v4, Nova Multimodal Embeddings, TwelveLabs Marengo 2.7 and 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from embeddings_orch_testing.servers.bedrock_call import InvokeRequest, error, schema_error
from embeddings_orch_testing.servers.vectors import tokens_of

IMAGE_TOKENS = 300
"""Tokens that these servers count for one picture where the model counts some."""

_UNSCALED = 14.5
"""The length of vectors that a model does not normalise."""

_DATA_URI = re.compile(r"data:image/(\w+);base64,(.*)", re.DOTALL)
_MARENGO_PICTURES = ("png", "jpeg")


ModelReply = tuple[dict[str, Any], int]
"""A model's answer, and the tokens it counted."""


def _too_many_tokens(text: str, most: int) -> None:
    if (count := tokens_of(text)) > most:
        raise error(
            "ValidationException",
            f"400 Bad Request: Too many input tokens. Max input tokens: {most}, request input token count: {count} ",
        )


def _cut(text: str, most: int, how: str) -> str:
    """A text of at most so many tokens, or the model's refusal."""
    if how == "none":
        _too_many_tokens(text, most)
    return text[-4 * most :] if how == "start" else text[: 4 * most]


def titan_text(call: InvokeRequest) -> ModelReply:
    """amazon.titan-embed-text-v1 and -v2."""
    second = "-v2" in call.model
    call.keys(["inputText"], ["dimensions", "normalize", "embeddingTypes"] if second else [])
    text = call.text("inputText", call.body["inputText"], 50_000)
    _too_many_tokens(text, 8192)
    dimensions = call.choice("dimensions", (256, 512, 1024), 1024) if second else 1536
    vector = call.vector(text, dimensions)
    if not second or not call.choice("normalize", (True, False), True):
        vector = vector * np.float32(_UNSCALED)
    body: dict[str, Any] = {"embedding": vector.tolist(), "inputTextTokenCount": tokens_of(text)}
    if second:
        body["embeddingsByType"] = {"float": body["embedding"]}
    return body, tokens_of(text)


def titan_image(call: InvokeRequest) -> ModelReply:
    """amazon.titan-embed-image-v1: a text, a picture, or the mean of both."""
    call.keys([], ["inputText", "inputImage", "embeddingConfig"])
    config = call.body.get("embeddingConfig", {})
    dimensions = call.choice("outputEmbeddingLength", (256, 384, 1024), 1024, config)
    vectors, tokens = [], 0
    if "inputText" in call.body:
        text = call.text("inputText", call.body["inputText"])
        _too_many_tokens(text, 256)
        vectors, tokens = [call.vector(text, dimensions)], tokens_of(text)
    if "inputImage" in call.body:
        data = call.picture(call.body["inputImage"], ("png", "jpeg"), None)
        vectors.append(call.vector(data, dimensions))
    if not vectors:
        raise schema_error("#: required key [inputText] not found#: required key [inputImage] not found")
    return {"embedding": np.mean(vectors, axis=0).tolist(), "inputTextTokenCount": tokens, "message": None}, tokens


def _cohere_inputs(call: InvokeRequest, most_pictures: int, formats: Collection[str]) -> list[list[str | bytes]]:
    """The parts of each input, checked."""
    kinds = [key for key in ("texts", "images", "inputs") if key in call.body]
    if len(kinds) != 1:
        raise schema_error("#: required key [texts] not found" if not kinds else "#: only one input kind is permitted")
    (kind,) = kinds
    values, most = call.body[kind], most_pictures if kind == "images" else 96
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        raise schema_error(f"#/{kind}: expected maximum item count: {most}, found: {len(values)}")
    third = "-v3" in call.model
    inputs: list[list[str | bytes]] = []
    for number, value in enumerate(values):
        parts = value["content"] if kind == "inputs" else [{"type": kind, kind: value}]
        inputs.append([])
        for part in parts:
            if part["type"] in ("texts", "text"):
                text = call.text(f"texts/{number}", part[part["type"]], 2048 if third else None)
                inputs[-1].append(text)
            else:
                matched = _DATA_URI.fullmatch(str(part[part["type"]]))
                if matched is None:
                    raise error("ValidationException", "The image is not a valid data URI.")
                inputs[-1].append(call.picture(matched[2], formats, 5 * 2**20, matched[1]))
    return inputs


def cohere(call: InvokeRequest) -> ModelReply:
    """cohere.embed-english-v3, -multilingual-v3 and cohere.embed-v4."""
    third = "-v3" in call.model
    kinds = ["texts", "images", "truncate", "embedding_types"]
    call.keys(["input_type"], kinds if third else [*kinds, "inputs", "output_dimension", "max_tokens"])
    sides = ("search_document", "search_query", "classification", "clustering", *(("image",) if third else ()))
    side = call.choice("input_type", sides, None)
    how = call.choice("truncate", ("NONE", "START", "END") if third else ("NONE", "LEFT", "RIGHT"), "NONE")
    cut = {"START": "start", "LEFT": "start", "NONE": "none"}.get(how, "end")
    dimensions = 1024 if third else call.choice("output_dimension", (256, 512, 1024, 1536), 1536)
    inputs = _cohere_inputs(call, *((1, ("png", "jpeg")) if third else (96, ("png", "jpeg", "webp", "gif"))))
    if third and (side == "image") != isinstance(inputs[0][0], bytes):
        raise schema_error("#/input_type: image is for images, and images need it")
    vectors, tokens = [], 0
    for parts in inputs:
        part_vectors = []
        for part in parts:
            content = _cut(part, 512 if third else 128_000, cut) if isinstance(part, str) else part
            tokens += tokens_of(content) if isinstance(content, str) else IMAGE_TOKENS
            part_vectors.append(call.vector(content, dimensions, side))
        vectors.append(np.mean(part_vectors, axis=0).tolist())
    by_type = bool(call.body.get("embedding_types"))
    return {
        "id": "5f1d0f0e-0000-4000-8000-000000000000",
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        "embeddings": {"float": vectors} if by_type else vectors,
        "texts": call.body.get("texts", []),
    }, tokens


_NOVA_PURPOSES = (
    "GENERIC_INDEX",
    *(f"{kind}_RETRIEVAL" for kind in ("GENERIC", "TEXT", "IMAGE", "VIDEO", "DOCUMENT", "AUDIO")),
    "CLASSIFICATION",
    "CLUSTERING",
)


def nova(call: InvokeRequest) -> ModelReply:
    """amazon.nova-2-multimodal-embeddings-v1:0, its synchronous task."""
    call.keys(["taskType", "singleEmbeddingParams"], ["schemaVersion"])
    call.choice("schemaVersion", ("nova-multimodal-embed-v1",), "nova-multimodal-embed-v1")
    call.choice("taskType", ("SINGLE_EMBEDDING",), None)
    params = call.body["singleEmbeddingParams"]
    side = call.choice("embeddingPurpose", _NOVA_PURPOSES, None, params)
    dimensions = call.choice("embeddingDimension", (256, 384, 1024, 3072), 3072, params)
    if len({"text", "image", "audio", "video"} & set(params)) != 1:
        raise schema_error("#/singleEmbeddingParams: exactly one of text, image, video, audio must be present")
    result: dict[str, Any]
    if "text" in params:
        text = call.text("singleEmbeddingParams/text/value", params["text"].get("value"), 8192)
        how = call.choice("truncationMode", ("START", "END", "NONE"), None, params["text"])
        content: str | bytes = _cut(text, 8192, how.lower())
        result, tokens = {"embeddingType": "TEXT"}, tokens_of(str(content))
    else:
        image, formats = params["image"], ("png", "jpeg", "gif", "webp")
        kind = call.choice("format", formats, None, image)
        detail = call.choice("detailLevel", ("STANDARD_IMAGE", "DOCUMENT_IMAGE"), "STANDARD_IMAGE", image)
        content, side = call.picture(image["source"]["bytes"], formats, None, kind), f"{side} {detail}"
        result, tokens = {"embeddingType": "IMAGE"}, 0
    return {"embeddings": [{**result, "embedding": call.vector(content, dimensions, side).tolist()}]}, tokens


def marengo(call: InvokeRequest) -> ModelReply:
    """twelvelabs.marengo-embed-2-7-v1:0 and -3-0-v1:0, texts and pictures."""
    third = "-3-0-" in call.model
    if not third and not call.profile:
        raise error(
            "ValidationException",
            f"Invocation of model ID {call.model} with on-demand throughput isn\u2019t supported. Retry your request "
            "with the ID or ARN of an inference profile that contains this model.",
        )
    kind = call.choice("inputType", ("text", "image"), None)
    within = call.body
    if third:
        call.keys(["inputType", kind])
        within = call.body[kind]
    else:
        call.keys(["inputType", "inputText" if kind == "text" else "mediaSource"], ["textTruncate"])
    if kind == "text":
        text = call.text("inputText", within.get("inputText"))
        cut = "none" if third else call.choice("textTruncate", ("end", "none"), "end")
        content: str | bytes = _cut(text, 500 if third else 77, cut)
    else:
        content = call.picture(within["mediaSource"].get("base64String"), _MARENGO_PICTURES, 5 * 2**20)
    vector = call.vector(content, 512 if third else 1024)
    return {"data": [{"embedding": vector.tolist()}]}, tokens_of(content) if isinstance(content, str) else 0


MODELS: Mapping[str, Callable[[InvokeRequest], ModelReply]] = {
    "amazon.titan-embed-text-v1": titan_text,
    "amazon.titan-embed-text-v2:0": titan_text,
    "amazon.titan-embed-image-v1": titan_image,
    "cohere.embed-english-v3": cohere,
    "cohere.embed-multilingual-v3": cohere,
    "cohere.embed-v4:0": cohere,
    "amazon.nova-2-multimodal-embeddings-v1:0": nova,
    "twelvelabs.marengo-embed-2-7-v1:0": marengo,
    "twelvelabs.marengo-embed-3-0-v1:0": marengo,
}
"""Base model ids, and what answers for them."""
