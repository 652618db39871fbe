"""Amazon Nova Multimodal Embeddings: texts and pictures in one space, one input a request."""

from __future__ import annotations

from typing import Any

from embeddings_orch_plugins.aws.families.base import (
    FILE,
    ModelCall,
    ModelFamily,
    NumberRows,
    Pictures,
    base64_of,
    format_of,
    get_at,
)


def _body(call: ModelCall) -> dict[str, Any]:
    content = call.contents[0]
    subject: dict[str, Any]
    if call.modality == "text":
        subject = {"text": {"truncationMode": call.truncate.upper(), "value": content}}
    else:
        subject = {"image": {"format": format_of(content), "source": {"bytes": base64_of(content)}}}
    return {
        "schemaVersion": "nova-multimodal-embed-v1",
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {
            "embeddingPurpose": call.input_type,
            "embeddingDimension": call.dimensions,
            **subject,
        },
    }


def _vectors(answer: Any) -> NumberRows:
    return [get_at(answer, "embeddings", 0, "embedding")]


MULTIMODAL = ModelFamily(
    body=_body,
    vectors=_vectors,
    dimensions=(3072, 1024, 384, 256),
    tokens=8192,
    items={"text": 1, "image": 1},
    # Of the request's schema: a longer text is refused whatever "truncationMode" says.
    characters=8192,
    pictures=Pictures(FILE),
    truncates=("end", "start", "none"),
    input_types=("GENERIC_INDEX", "GENERIC_RETRIEVAL"),
    allowed_types=(
        "GENERIC_INDEX",
        "GENERIC_RETRIEVAL",
        "TEXT_RETRIEVAL",
        "IMAGE_RETRIEVAL",
        "VIDEO_RETRIEVAL",
        "DOCUMENT_RETRIEVAL",
        "AUDIO_RETRIEVAL",
        "CLASSIFICATION",
        "CLUSTERING",
    ),
)
