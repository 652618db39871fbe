"""Amazon Titan: text embeddings v1 and v2, and Multimodal Embeddings G1. One input a request; nothing is cut."""

from __future__ import annotations

from typing import Any

from embeddings_orch_plugins.aws.families.base import (
    FILE,
    ModelCall,
    ModelFamily,
    NumberRows,
    Pictures,
    base64_of,
    get_at,
)


def _text_v1(call: ModelCall) -> dict[str, Any]:
    return {"inputText": call.contents[0]}


def _text_v2(call: ModelCall) -> dict[str, Any]:
    return {"inputText": call.contents[0], "dimensions": call.dimensions, "normalize": call.normalize}


def _image(call: ModelCall) -> dict[str, Any]:
    content = call.contents[0]
    subject = {"inputText": content} if call.modality == "text" else {"inputImage": base64_of(content)}
    return {**subject, "embeddingConfig": {"outputEmbeddingLength": call.dimensions}}


def _vectors(answer: Any) -> NumberRows:
    return [get_at(answer, "embedding")]


TEXT_V1 = ModelFamily(
    body=_text_v1,
    vectors=_vectors,
    dimensions=(1536,),
    tokens=8192,
    items={"text": 1},
    characters=50_000,
    tokens_key="inputTextTokenCount",
)

TEXT_V2 = ModelFamily(
    body=_text_v2,
    vectors=_vectors,
    dimensions=(1024, 512, 256),
    tokens=8192,
    items={"text": 1},
    characters=50_000,
    tokens_key="inputTextTokenCount",
)

IMAGE = ModelFamily(
    body=_image,
    vectors=_vectors,
    dimensions=(1024, 384, 256),
    tokens=256,
    items={"text": 1, "image": 1},
    pictures=Pictures(FILE, side=2048),
    tokens_key="inputTextTokenCount",
)
