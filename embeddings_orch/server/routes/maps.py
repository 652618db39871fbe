"""``GET /v1/indexes/{pipeline}/{index}/map``: where the items of a generation lie on a plane."""

from __future__ import annotations

import hashlib
import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.pipeline.maps.layout import make_map
from embeddings_orch.server.gate.limits import ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import state
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.maps import Map

router = APIRouter(tags=["indexes"])

_AT_ONCE = 2
"""Maps that are read or made at a time; each takes the memory of its points."""


@router.get("/v1/indexes/{pipeline}/{index}/map", summary="Where the items lie on a plane")
async def index_map(
    request: Request,
    *,
    pipeline: ShortName,
    index: ShortName,
    column: ShortName | None = None,
    generation: ShortName | None = None,
) -> Response:
    """The ids and the coordinates, 0..65535, of up to 200,000 items with a vector in `column`, by default the first.

    Of a generation that has no map a PCA map is made, once. 404 where the index declares `map: none`.
    """
    app_state = state(request)
    served_index = app_state.served.index(index, pipeline)

    def find() -> tuple[Generation, IndexedModel, str]:
        index_generation = served_index.generation(generation)
        model = _model(served_index, index_generation, column)
        return index_generation, model, _tag(served_index, index_generation, model)

    index_generation, model, tag = await app_state.lanes.light(find)
    # To be asked again each time: the published generation may be another, and its map made by another method.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)

    def read() -> bytes:
        key = (served_index.key, model.column, tag)
        return app_state.maps.get_or_make(key, lambda: _json(_map(served_index, index_generation, model)))

    data = await app_state.lanes.run(" maps", read, at_once=_AT_ONCE)
    return Response(data, media_type="application/json", headers=headers)


def _model(served_index: ServedIndex, generation: Generation, column: str | None) -> IndexedModel:
    """The model of the vector column that is meant.

    Raises:
        HttpProblem: 404, there is none of that name, or the index declares that it has no maps.
    """
    if served_index.spec.indexes[served_index.index.name].map == "none":
        raise HttpProblem(
            404,
            f"index {served_index.key} has no maps: it declares map: none; with map: pca, or without it, it has",
            param="index",
        )
    for model in generation.models:
        if column in (None, model.column):
            return model
    names = ", ".join(model.column for model in generation.models)
    raise HttpProblem(
        404,
        f"generation {generation.id} of index {served_index.key} has no vectors {column!r}; it has: {names}",
        param="column",
    )


def _tag(served_index: ServedIndex, generation: Generation, model: IndexedModel) -> str:
    """What changes when the answer does."""
    header = served_index.index.store.maps.header(generation.id, model.column)
    origin = "asked" if header is None else f"{header.method} {header.made_at.isoformat()}"
    identity = " ".join((*served_index.identity(generation), model.column, origin))
    return f'"{hashlib.sha256(identity.encode()).hexdigest()[:32]}"'


def _map(served_index: ServedIndex, generation: Generation, model: IndexedModel) -> Map:
    store = served_index.index.store
    stored = store.maps.get(generation.id, model.column)
    if stored is not None:
        return stored
    if store.index(generation.table).at(generation.version) is None:
        raise HttpProblem(
            404, f"generation {generation.id} of index {served_index.key} is gone from the store", param="generation"
        )
    return make_map(store, generation, model, "pca")


def _json(item_map: Map) -> bytes:
    header = item_map.header
    # Plain numbers and names: a third of the time of `answers.to_json`.
    return json.dumps(
        {
            "generation": header.generation,
            "column": header.column,
            "method": header.method,
            "rows": header.rows,
            "points": header.points,
            "ids": item_map.ids.to_pylist(),
            "x": item_map.places[:, 0].tolist(),
            "y": item_map.places[:, 1].tolist(),
            "explained": header.explained,
        },
        separators=(",", ":"),
    ).encode()
