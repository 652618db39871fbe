"""TwelveLabs Marengo: texts and pictures in one space, one input a request."""

from __future__ import annotations

from typing import Any

from embeddings_orch_plugins.aws.families.base import ModelCall, ModelFamily, NumberRows, Pictures, base64_of, get_at

_PICTURES = Pictures(5 * 2**20)


def _v2_7(call: ModelCall) -> dict[str, Any]:
    content = call.contents[0]
    if call.modality == "text":
        return {"inputType": "text", "inputText": content, "textTruncate": call.truncate}
    return {"inputType": "image", "mediaSource": {"base64String": base64_of(content)}}


def _v3_0(call: ModelCall) -> dict[str, Any]:
    content = call.contents[0]
    if call.modality == "text":
        return {"inputType": "text", "text": {"inputText": content}}
    return {"inputType": "image", "image": {"mediaSource": {"base64String": base64_of(content)}}}


def _vectors(answer: Any) -> NumberRows:
    data = get_at(answer, "data")
    # The guide shows a list for v3.0 and, in places, one object for v2.7.
    return [get_at(answer, "data", "embedding") if isinstance(data, dict) else get_at(answer, "data", 0, "embedding")]


V2_7 = ModelFamily(
    body=_v2_7,
    vectors=_vectors,
    dimensions=(1024,),
    tokens=77,
    items={"text": 1, "image": 1},
    pictures=_PICTURES,
    truncates=("end", "none"),
)

V3_0 = ModelFamily(
    body=_v3_0,
    vectors=_vectors,
    dimensions=(512,),
    tokens=500,
    items={"text": 1, "image": 1},
    pictures=_PICTURES,
)
