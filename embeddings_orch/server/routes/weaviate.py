"""The routes of Weaviate's CLIP container over a declared model, so that Weaviate can be given this server instead.

After github.com/weaviate/multi2vec-clip-inference (app.py, clip.py). Weaviate embeds objects and queries by the same
route, so all contents are documents. As with the container, one bad item fails its whole request; but with status 422
where the container says 500, for it is no mistake of the server's. Weaviate's client (modules/multi2vec-clip/clients)
treats all from 400 on alike: it tells the status and ``error``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.content import Failure, Modality
from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import INPUTS
from embeddings_orch.server.gate.problems import HttpProblem, invalid
from embeddings_orch.server.shared.embedding import answer_with, blocking, clip_model, embed_contents, of_model, title
from embeddings_orch.server.shared.pictures import picture_of
from embeddings_orch.server.shared.state import State, state


class _Route(APIRoute):
    """Answers wrong types with 422, as the container does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                problem = invalid(error.errors())
                raise HttpProblem(422, str(problem), param=problem.param) from error

        return handler


router = APIRouter(tags=["weaviate"], route_class=_Route)


class VectorizeRequest(BaseModel):
    """The container's request; a key may be null, as Go sends an empty list."""

    model_config = ConfigDict(hide_input_in_errors=True)

    texts: list[str] | None = Field(None, max_length=INPUTS)
    images: list[str] | None = Field(None, max_length=INPUTS, description="Files in base64.")


@router.post("/vectorize", summary="Embed texts and pictures, as Weaviate's multi2vec-clip does")
async def vectorize(body: VectorizeRequest, request: Request) -> Response:
    """Vectors of texts and pictures by the server's CLIP model, in order."""
    app_state = state(request)
    model = await blocking(app_state, lambda: clip_model(app_state))
    pictures = await blocking(app_state, lambda: _pictures(body.images or [], app_state))
    contents: dict[Modality, list[Any]] = {"text": body.texts or [], "image": pictures}
    vectors: dict[Modality, list[Any]] = {"text": [], "image": []}
    for modality, inputs in contents.items():
        names = [f"{modality}s[{place}]" for place in range(len(inputs))]
        answers = await embed_contents(request, model, modality, inputs, side="document", names=names) if inputs else []
        for answer in answers:
            if isinstance(answer, Failure):
                status = 503 if answer.kind == "transient" else 422
                raise HttpProblem(status, f"{answer.uri} cannot be embedded: {answer.reason}")
            vectors[modality].append(answer.tolist())
    return await answer_with(app_state, {}, textVectors=vectors["text"], imageVectors=vectors["image"])


@router.get("/meta", summary="The model of /vectorize")
async def meta(request: Request) -> Response:
    """The model's identity; servers whose answers differ run different models."""
    app_state = state(request)
    model = await blocking(app_state, lambda: clip_model(app_state))
    known = {
        "provider": model.config.provider,
        "name": title(model.config),
        "fingerprint": model.fingerprint,
        "dimensions": await of_model(app_state, model, lambda: model.dimensions),
    }
    return json_answer({"model": known})


@router.get("/.well-known/live", summary="204: the server is up", status_code=204)
async def live() -> Response:
    """Needs no key."""
    return Response(status_code=204)


@router.get("/.well-known/ready", summary="204 when the model of /vectorize is loaded, else 503", status_code=204)
async def ready(request: Request) -> Response:
    """The first call has the model loaded. Needs no key."""
    app_state = state(request)
    try:
        model = await blocking(app_state, lambda: clip_model(app_state))
    except EmbeddingsOrchError as error:
        # Without the reason where there is a key: whoever has none may ask.
        reason = str(error) if app_state.keys is None else "the model cannot be had; /meta says why"
        raise HttpProblem(503, reason) from error
    if not model.loaded:
        model.warm_up()
        raise HttpProblem(503, "the model is not loaded yet", headers={"Retry-After": "1"})
    return Response(status_code=204)


def _pictures(encoded: list[str], app_state: State) -> list[bytes]:
    try:
        return [
            picture_of(picture, app_state.settings, param=f"images[{place}]") for place, picture in enumerate(encoded)
        ]
    except HttpProblem as problem:
        raise HttpProblem(422, str(problem), param=problem.param) from problem
