"""``GET /v1/indexes/{pipeline}/{index}/map``: where the items of a generation lie on a plane."""

from __future__ import annotations

import hashlib
import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.pipeline.maps.layout import make_map
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import state
from embeddings_orch.store.generations import Generation
from embeddings_orch.store.maps import Map

router = APIRouter(tags=["indexes"])

_AT_ONCE = 2
"""Maps that are read or made at a time; each takes the memory of its points."""


@router.get("/v1/indexes/{pipeline}/{index}/map", summary="Where the items lie on a plane")
async def index_map(
    request: Request, *, pipeline: str, index: str, column: str | None = None, generation: str | None = None
) -> Response:
    """The ids and the coordinates, 0..65535, of up to 200,000 items with a vector in `column`, by default the first.

    Of a generation that has no map a PCA map is made, once. 404 where the index declares `map: none`.
    """
    own = state(request)
    one = own.served.index(index, pipeline)

    def find() -> tuple[Generation, str, str]:
        found = one.generation(generation)
        named = _column(one, found, column)
        return found, named, _tag(one, found, named)

    found, named, tag = await own.lanes.light(find)
    # To be asked again each time: the published generation may be another, and its map made by another method.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)

    def read() -> bytes:
        return own.maps.get_or_make((one.key, named, tag), lambda: _json(_map(one, found, named)))

    data = await own.lanes.run(" maps", read, at_once=_AT_ONCE)
    return Response(data, media_type="application/json", headers=headers)


def _column(one: ServedIndex, generation: Generation, wanted: str | None) -> str:
    """The vector column that is meant.

    Raises:
        HttpProblem: 404, there is none of that name, or the index declares that it has no maps.
    """
    if one.spec.indexes[one.index.name].map == "none":
        raise HttpProblem(
            404,
            f"index {one.key} has no maps: it declares map: none; with map: pca, or without it, it has",
            param="index",
        )
    names = [model.column for model in generation.models]
    if wanted is not None and wanted not in names:
        raise HttpProblem(
            404,
            f"generation {generation.id} of index {one.key} has no vectors {wanted!r}; it has: {', '.join(names)}",
            param="column",
        )
    return wanted or names[0]


def _tag(one: ServedIndex, generation: Generation, column: str) -> str:
    """What changes when the answer does."""
    header = one.index.store.maps.header(generation.id, column)
    made = "asked" if header is None else f"{header.method} {header.made_at.isoformat()}"
    told = " ".join((*one.identity(generation), column, made))
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


def _map(one: ServedIndex, generation: Generation, column: str) -> Map:
    store = one.index.store
    stored = store.maps.get(generation.id, column)
    if stored is not None:
        return stored
    if store.index(generation.table).at(generation.version) is None:
        raise HttpProblem(
            404, f"generation {generation.id} of index {one.key} is gone from the store", param="generation"
        )
    return make_map(store, generation, column, "pca")


def _json(made: Map) -> bytes:
    header = made.header
    # Plain numbers and names: a third of the time of `answers.to_json`.
    return json.dumps(
        {
            "generation": header.generation,
            "column": header.column,
            "method": header.method,
            "rows": header.rows,
            "points": header.points,
            "ids": made.ids.to_pylist(),
            "x": made.places[:, 0].tolist(),
            "y": made.places[:, 1].tolist(),
            "explained": header.explained,
        },
        separators=(",", ":"),
    ).encode()
