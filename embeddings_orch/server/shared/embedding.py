"""Vectors of a request's contents by a declared model: for the routes that embed and search nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.pool.lanes import Embedded
from embeddings_orch.embedding.pool.model import PooledModel
from embeddings_orch.errors import PluginError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure, Modality, Side
from embeddings_orch.plugins import suggestion
from embeddings_orch.server.gate.limits import TEXT, size_of
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.pictures import is_large
from embeddings_orch.server.shared.served import Served
from embeddings_orch.server.shared.state import State, state
from embeddings_orch.server.shared.threads import timeout_problem

ResultT = TypeVar("ResultT")

_LANE = " embed"
_LARGE = 2
"""Requests with large pictures that are decoded at a time: they take much memory."""


def model_names(served: Served) -> dict[str, EmbedderConfig]:
    """Every name that a declared model is known by, where it is of one model alone.

    ``pipeline/embedding`` and, where they are unique, ``embedding`` and the name of the model itself.
    """
    configs: dict[str, EmbedderConfig | None] = {}
    declared = {key: spec.config for key, spec in served.embeddings().items()}
    for names in ((key.name for key in declared), map(title, declared.values())):
        for name, config in zip(names, declared.values(), strict=True):
            # The same model under two names of pipelines is one.
            configs[name] = config if configs.get(name, config) == config else None
    unique = {name: config for name, config in configs.items() if config is not None}
    return {**unique, **{str(key): config for key, config in declared.items()}}


def title(config: EmbedderConfig) -> str:
    """What people call a config's model."""
    return str(getattr(config, "name", None) or getattr(config, "clip_version_id", None) or config.provider)


def config_of(served: Served, name: str) -> EmbedderConfig:
    """What a model is declared as, by name; see `model_names`.

    Raises:
        HttpProblem: 404 there is no such model.
    """
    names = model_names(served)
    if name not in names:
        raise HttpProblem(
            404, f"there is no model {name!r}{suggestion(name, sorted(names))}", param="model", kind="model_not_found"
        )
    return names[name]


def model_of(served: Served, name: str) -> PooledModel:
    """The model of a name; see `model_names`.

    Raises:
        HttpProblem: 404 there is no such model.
        EmbeddingsOrchError: it cannot be had.
    """
    return served.pool.model(config_of(served, name))


def clip_model(app_state: State) -> PooledModel:
    """The model behind the routes of CLIP servers: the settings', else the first that reads texts and pictures.

    Raises:
        HttpProblem: 404 there is none.
        EmbeddingsOrchError: it cannot be had.
    """
    if app_state.settings.model is not None:
        return model_of(app_state.served, app_state.settings.model)
    for model in _models(app_state.served):
        if {"text", "image"} <= model.modalities:
            return model
    raise HttpProblem(
        404, "no declared embedding reads texts and pictures; declare one, or name one of another kind with --model"
    )


async def embed_contents(
    request: Request,
    model: PooledModel,
    modality: Modality,
    contents: Sequence[str | bytes],
    *,
    side: Side,
    names: Sequence[str],
) -> list[Embedded]:
    """The vectors of contents, in order, shape (dimensions,), or why one has none.

    Contents are decoded in a thread, and a client that goes away, or has waited for as long as a search may take, frees
    its places in the model's batches. A text that is too long is a failure.

    Args:
        request: whose contents they are.
        model: makes the vectors.
        modality: what the contents are.
        contents: texts, or encoded files.
        side: what they are for.
        names: what to call them in messages.

    Raises:
        HttpProblem: 400 the model does not read the modality, 504 it took too long.
        TerminalError: the model cannot be had, or the provider refuses.
    """
    app_state = state(request)
    ends = _ends(request, app_state.settings.seconds)

    def prepared() -> list[Prepared | Embedded]:
        if modality not in (reads := model.modalities):
            known = " and ".join(sorted(reads))
            raise HttpProblem(400, f"the model {title(model.config)!r} reads {known}, not {modality}", param=modality)
        short = [not _too_long(content) for content in contents]
        ready = iter(model.prepare(modality, list(compress(contents, short)), side, list(compress(names, short))))
        too_long = f"the text has more than {TEXT:,} bytes"
        return [next(ready) if fits else Failure(b"", name, too_long) for fits, name in zip(short, names, strict=True)]

    large = any(isinstance(content, bytes) and is_large(content) for content in contents)
    ready = await (
        app_state.lanes.run(f"{_LANE} large", prepared, at_once=_LARGE)
        if large
        else of_model(app_state, model, prepared)
    )
    return await _while_connected(request, model.aembed(ready), max(ends - time.monotonic(), 0))


async def blocking(app_state: State, call: Callable[[], ResultT]) -> ResultT:
    """What a thread does for a request that embeds."""
    return await app_state.lanes.run(_LANE, call)


async def of_model(app_state: State, model: PooledModel, call: Callable[[], ResultT]) -> ResultT:
    """What a thread does with a model, which may be slow: those of another wait for none of its threads."""
    return await app_state.lanes.run(f"{_LANE} {model.fingerprint}", call)


async def answer_with(app_state: State, fields: Mapping[str, Any], **rows: Sequence[Any]) -> Response:
    """One JSON object with long lists, made in a thread a row at a time, so that others are answered meanwhile."""

    def text() -> str:
        parts = [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in fields.items()]
        for name, values in rows.items():
            listed = ",".join(json.dumps(value, separators=(",", ":")) for value in values)
            parts.append(f"{json.dumps(name)}:[{listed}]")
        return f"{{{','.join(parts)}}}"

    return Response(await blocking(app_state, text), media_type="application/json")


async def _while_connected(request: Request, work: Awaitable[ResultT], seconds: float) -> ResultT:
    """The result of work that is given up when the client goes away, or after some seconds."""
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((task, disconnect), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if disconnect.done():
            raise HttpProblem(499, "the client went away")
        raise timeout_problem(state(request).settings.seconds)
    finally:
        task.cancel()
        disconnect.cancel()


def _ends(request: Request, seconds: float) -> float:
    """When a request is given up, in monotonic seconds; of several calls for it, the first starts the clock."""
    if not hasattr(request.state, "ends"):
        request.state.ends = time.monotonic() + seconds
    ends: float = request.state.ends
    return ends


def _too_long(content: str | bytes) -> bool:
    return isinstance(content, str) and size_of(content) > TEXT


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _models(served: Served) -> Iterator[PooledModel]:
    """The models that can be had, in the order of their declaration."""
    error: PluginError | None = None
    any_model = False
    for spec in served.embeddings().values():
        try:
            model = served.pool.model(spec.config)
            _ = model.modalities
        except PluginError as problem:
            error = error or problem
        else:
            any_model = True
            yield model
    if error is not None and not any_model:
        raise error
