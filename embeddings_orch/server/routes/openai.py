"""OpenAI's embeddings protocol over the declared models, for its SDK with another ``base_url``.

After https://platform.openai.com/docs/api-reference/embeddings. Beyond it: ``input_type`` (``document`` or ``query``),
and pictures as data URIs, alone or as ``{"image": ...}``, where the model reads them. Token arrays are refused.
"""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from embeddings_orch.embedding.pool.lanes import Embedded
from embeddings_orch.models.content import Failure, Modality, Vectors
from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import INPUTS, ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.embedding import (
    answer_with,
    blocking,
    embed_contents,
    model_names,
    model_of,
    of_model,
)
from embeddings_orch.server.shared.pictures import picture_at, picture_of
from embeddings_orch.server.shared.state import State, state

router = APIRouter(tags=["openai"])


class EmbeddingsRequest(BaseModel):
    """OpenAI's request, and ``input_type``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    input: Any = Field(description="A text, or up to 2,048 of them; pictures as data URIs or {image: data URI}.")
    model: ShortName = Field(
        description="`pipeline/embedding`; or `embedding` or the model's name, where it is unique."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, description="Refused unless it is what the model has.")
    user: ShortName | None = Field(None, description="Not used.")
    input_type: Literal["document", "query"] = Field(
        "document", description="What the inputs are, for models that tell queries from what they look for."
    )


@router.post("/v1/embeddings", summary="Embed texts or pictures, as OpenAI does")
async def embeddings(body: EmbeddingsRequest, request: Request) -> Response:
    """Vectors of texts or pictures by a declared model, whether or not an index of it was published."""
    app_state = state(request)
    inputs = _inputs(body.input)
    model = await blocking(app_state, lambda: model_of(app_state.served, body.model))
    if body.dimensions is not None:
        _check_dimensions(body.dimensions, await of_model(app_state, model, lambda: model.dimensions))
    modalities, contents = await blocking(app_state, lambda: _contents(inputs, app_state))
    answers_by_place: list[Embedded | None] = [None] * len(contents)
    for modality in dict.fromkeys(modalities):
        places = [place for place, kind in enumerate(modalities) if kind == modality]
        answers = await embed_contents(
            request,
            model,
            modality,
            [contents[place] for place in places],
            side=body.input_type,
            names=[f"input[{place}]" for place in places],
        )
        for place, answer in zip(places, answers, strict=True):
            answers_by_place[place] = answer
    vectors = [_vector(answer, place) for place, answer in enumerate(answers_by_place)]
    _check_dimensions(body.dimensions, vectors[0].size)
    # Bounded by the bytes, as where no tokenizer is at hand.
    tokens = sum(-(-len(content.encode()) // 4) for content in contents if isinstance(content, str))
    data = [
        {"object": "embedding", "index": index, "embedding": _encode(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return await answer_with(app_state, {"object": "list", "model": body.model, "usage": usage}, data=data)


@router.get("/v1/models", summary="The models that embed, as OpenAI lists them")
async def models(request: Request) -> Response:
    """Every name that ``model`` may have."""
    names = sorted(model_names(state(request).served))
    return json_answer({"object": "list", "data": [_model_entry(name) for name in names]})


@router.get("/v1/models/{name:path}", summary="One model, as OpenAI tells it")
async def model(name: ShortName, request: Request) -> Response:
    """A model by one of its names."""
    if name not in model_names(state(request).served):
        raise HttpProblem(404, f"there is no model {name!r}", param="model", kind="model_not_found")
    return json_answer(_model_entry(name))


def _model_entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "embeddings_orch"}


def _inputs(body_input: Any) -> list[Any]:
    inputs = body_input if isinstance(body_input, list) else [body_input]
    if not inputs:
        raise HttpProblem(400, "input is empty", param="input")
    if all(isinstance(entry, int) for entry in inputs) or any(isinstance(entry, list) for entry in inputs):
        raise HttpProblem(
            400,
            "input: arrays of tokens are refused, for each model has other tokens; send the text (with LangChain: "
            "check_embedding_ctx_length=False)",
            param="input",
        )
    if len(inputs) > INPUTS:
        raise HttpProblem(400, f"input: array too long, {len(inputs):,} inputs; the limit is {INPUTS:,}", param="input")
    return inputs


def _contents(inputs: list[Any], app_state: State) -> tuple[list[Modality], list[str | bytes]]:
    """What each input is, and its text or picture."""
    modalities: list[Modality] = []
    contents: list[str | bytes] = []
    for place, entry in enumerate(inputs):
        param = f"input[{place}]"
        kind, value = _kind(entry, param)
        modalities.append(kind)
        if kind == "text":
            contents.append(value)
        else:
            contents.append(_picture(value, app_state, param))
    return modalities, contents


def _picture(value: str, app_state: State, param: str) -> bytes:
    try:
        if value.startswith(("http://", "https://")):
            return picture_at(value, app_state.settings, param=param)
        return picture_of(value, app_state.settings, param=param)
    except HttpProblem as problem:
        # OpenAI's refusal of an input; its clients know no 415.
        raise HttpProblem(400, str(problem), param=param) from problem


def _kind(entry: Any, param: str) -> tuple[Modality, str]:
    if isinstance(entry, dict) and len(entry) == 1:
        ((kind, value),) = entry.items()
    else:
        value = entry
        kind = "image" if isinstance(entry, str) and entry[:11].lower() == "data:image/" else "text"
    if kind not in ("text", "image") or not isinstance(value, str):
        raise HttpProblem(400, f"{param} is no text, and no {{text: ...}} or {{image: base64}} either", param=param)
    if not value:
        raise HttpProblem(400, f"{param} cannot be empty", param=param)
    return kind, value


def _vector(answer: Embedded | None, place: int) -> Vectors:
    assert answer is not None
    if isinstance(answer, Failure):
        param = f"input[{place}]"
        raise HttpProblem(503 if answer.kind == "transient" else 400, f"{param}: {answer.reason}", param=param)
    return answer


def _check_dimensions(dimensions: int | None, has: int | None) -> None:
    if dimensions is not None and has is not None and dimensions != has:
        raise HttpProblem(
            400, f"dimensions: the model's vectors have {has}, and are not shortened here", param="dimensions"
        )


def _encode(vector: Vectors, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers
