"""The CLIP routes of Roboflow Inference over a declared model, for its SDK with another ``api_url``.

After github.com/roboflow/inference (core/entities/requests/clip.py, models/clip/clip_model.py). ``clip_version_id`` is
taken and answered with the served model, for that is what there is. A picture is base64, or a URL where the server
allows them; arrays, pickles and paths of the server are refused, as Roboflow's own default is. A subject, and what is
embedded, is a document; what a subject is compared with is a query, as in `embeddings_orch.embedding.compare.compare`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

import numpy as np
from annotated_types import MaxLen
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from embeddings_orch.embedding.pool.model import PooledModel
from embeddings_orch.models.content import Failure, Modality, Side, Vectors
from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import INPUTS, PROMPTS, ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.embedding import answer_with, blocking, clip_model, embed_contents, title
from embeddings_orch.server.shared.pictures import picture_at, picture_of
from embeddings_orch.server.shared.state import State, state

router = APIRouter(tags=["roboflow"])

ClipKind = Literal["image", "text"]

# Where many are of a wrong type, no error is made of each. Of those that are right, `_vectors` takes fewer.
_Many = MaxLen(INPUTS)


class ImageGiven(BaseModel):
    """A picture as Roboflow's clients send it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    type: ShortName = Field(description="base64; url where the server allows it.")
    value: Any


Prompt = ImageGiven | str


class ClipRequest(BaseModel):
    """What the requests have in common; other keys of Roboflow's are taken and not used."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    api_key: ShortName | None = Field(None, description="The server's key, where it stands in no header.")
    clip_version_id: ShortName | None = Field(None, description="Not used: the served model answers.")
    id: ShortName | None = Field(None, description="Given back as inference_id.")


class TextRequest(ClipRequest):
    """Of ``/clip/embed_text``."""

    text: str | Annotated[list[str], _Many]


class ImageRequest(ClipRequest):
    """Of ``/clip/embed_image``."""

    image: ImageGiven | Annotated[list[ImageGiven], _Many]


class CompareRequest(ClipRequest):
    """Of ``/clip/compare``."""

    subject: Prompt
    subject_type: ClipKind = "image"
    # In this order: what has a type and a value is a picture, and no two prompts with names.
    prompt: ImageGiven | str | Annotated[list[Prompt], _Many] | dict[ShortName, Prompt] = Field(
        union_mode="left_to_right"
    )
    prompt_type: ClipKind = "text"


@router.post("/clip/embed_text", summary="Embed texts, as Roboflow Inference does")
async def embed_text(body: TextRequest, request: Request) -> Response:
    """Vectors of a text, or of several."""
    started = time.perf_counter()
    texts = [body.text] if isinstance(body.text, str) else body.text
    model = await _model(state(request))
    vectors = await _vectors(request, model, "text", texts, side="document", param="text")
    fields = _fields(body, model, started)
    return await answer_with(state(request), fields, embeddings=[vector.tolist() for vector in vectors])


@router.post("/clip/embed_image", summary="Embed pictures, as Roboflow Inference does")
async def embed_image(body: ImageRequest, request: Request) -> Response:
    """Vectors of a picture, or of several."""
    started = time.perf_counter()
    images = body.image if isinstance(body.image, list) else [body.image]
    model = await _model(state(request))
    vectors = await _vectors(request, model, "image", images, side="document", param="image")
    fields = _fields(body, model, started)
    return await answer_with(state(request), fields, embeddings=[vector.tolist() for vector in vectors])


@router.post("/clip/compare", summary="Compare a picture with texts, as Roboflow Inference does")
async def compare(body: CompareRequest, request: Request) -> Response:
    """Cosine similarities of a subject and prompts; by name where the prompts are."""
    started = time.perf_counter()
    prompts = body.prompt
    contents = (
        list(prompts.values()) if isinstance(prompts, dict) else prompts if isinstance(prompts, list) else [prompts]
    )
    model = await _model(state(request))
    (subject,) = await _vectors(request, model, body.subject_type, [body.subject], side="document", param="subject")
    others = await _vectors(request, model, body.prompt_type, contents, side="query", param="prompt")
    figures = [_cosine(subject, other) for other in others]
    similarity = dict(zip(prompts, figures, strict=True)) if isinstance(prompts, dict) else figures
    return json_answer({**_fields(body, model, started), "similarity": similarity, "parent_id": None})


async def _model(app_state: State) -> PooledModel:
    return await blocking(app_state, lambda: clip_model(app_state))


async def _vectors(
    request: Request, model: PooledModel, kind: ClipKind, values: Sequence[Any], *, side: Side, param: str
) -> list[Vectors]:
    """The vectors of texts or pictures, in order."""
    app_state = state(request)
    if len(values) > PROMPTS:
        raise HttpProblem(400, f"The maximum number of {param}s in a request is {PROMPTS}, not {len(values)}")
    if kind == "image":
        contents: list[Any] = await blocking(app_state, lambda: [_picture(value, app_state, param) for value in values])
    elif all(isinstance(value, str) for value in values):
        contents = list(values)
    else:
        raise HttpProblem(400, f"{param} is a picture where {param}_type says text", param=param)
    modality: Modality = kind
    names = [f"{param} {place}" for place in range(len(values))]
    answers = await embed_contents(request, model, modality, contents, side=side, names=names) if contents else []
    vectors = []
    for answer in answers:
        if isinstance(answer, Failure):
            status = 503 if answer.kind == "transient" else 400
            raise HttpProblem(status, f"{answer.uri} cannot be embedded: {answer.reason}", param=param)
        vectors.append(answer)
    return vectors


def _picture(prompt: Prompt, app_state: State, param: str) -> bytes:
    kind, value = (prompt.type.lower(), prompt.value) if isinstance(prompt, ImageGiven) else ("base64", prompt)
    try:
        if not isinstance(value, str):
            raise HttpProblem(400, "its value is no text")
        if kind == "url":
            return picture_at(value, app_state.settings, param=param)
        if kind == "base64":
            return picture_of(value, app_state.settings, param=param)
        raise HttpProblem(400, f"pictures of the type {kind[:40]!r} are refused; send base64")
    except HttpProblem as problem:
        status = 400 if problem.status == 415 else problem.status
        raise HttpProblem(status, f"Could not load input image. Cause: {problem}", param=param) from problem


def _fields(body: ClipRequest, model: PooledModel, started: float) -> dict[str, Any]:
    """What every answer has; ``time`` is in seconds."""
    return {
        "inference_id": body.id or str(uuid4()),
        "frame_id": None,
        "time": time.perf_counter() - started,
        "resolved_model": title(model.config),
    }


def _cosine(first: Vectors, second: Vectors) -> float:
    first, second = first.astype(np.float64), second.astype(np.float64)
    return float(np.clip(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)), -1, 1))
