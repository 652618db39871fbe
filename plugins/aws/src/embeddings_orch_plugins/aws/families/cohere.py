"""Cohere Embed v3 and v4: many inputs a request, and documents told apart from queries."""

from __future__ import annotations

from typing import Any

from embeddings_orch_plugins.aws.families.base import ModelCall, ModelFamily, NumberRows, Pictures, get_at

_TYPES = ("search_document", "search_query", "classification", "clustering")
_LARGEST = 5 * 2**20
_V3_CUTS = {"end": "END", "start": "START", "none": "NONE"}
_V4_CUTS = {"end": "RIGHT", "start": "LEFT", "none": "NONE"}


def _v3(call: ModelCall) -> dict[str, Any]:
    if call.modality == "image":
        # Of v3's types only this one goes with pictures, on either side of a search.
        return {"input_type": "image", "images": list(call.contents)}
    return {"input_type": call.input_type, "texts": list(call.contents), "truncate": _V3_CUTS[call.truncate]}


def _v4(call: ModelCall) -> dict[str, Any]:
    inputs = {"images" if call.modality == "image" else "texts": list(call.contents)}
    return {
        "input_type": call.input_type,
        **inputs,
        "truncate": _V4_CUTS[call.truncate],
        "embedding_types": ["float"],
        "output_dimension": call.dimensions,
    }


def _vectors(answer: Any) -> NumberRows:
    embeddings = get_at(answer, "embeddings")
    # A list where no embedding_types were asked for, else by type.
    rows: NumberRows = get_at(answer, "embeddings", "float") if isinstance(embeddings, dict) else embeddings
    return rows


V3 = ModelFamily(
    body=_v3,
    vectors=_vectors,
    dimensions=(1024,),
    tokens=512,
    items={"text": 96, "image": 1},
    # Of the request's schema: a longer text is refused whatever "truncate" says.
    characters=2048,
    pictures=Pictures(_LARGEST, tokens=4096),
    truncates=("end", "start", "none"),
    input_types=("search_document", "search_query"),
    allowed_types=_TYPES,
)

V4 = ModelFamily(
    body=_v4,
    vectors=_vectors,
    dimensions=(1536, 1024, 512, 256),
    tokens=128_000,
    items={"text": 96, "image": 96},
    # Pictures are brought to 2,458,624 pixels at the most, 3,136 squares of 28 x 28.
    pictures=Pictures(_LARGEST, tokens=4096),
    truncates=("end", "start", "none"),
    input_types=("search_document", "search_query"),
    allowed_types=_TYPES,
)
