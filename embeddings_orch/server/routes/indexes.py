"""``GET /v1/indexes`` and the items of an index."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import ItemId, ShortName
from embeddings_orch.server.routes.facets import facets_json
from embeddings_orch.server.shared.item_paths import AT_END
from embeddings_orch.server.shared.rows import read_row
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["indexes"])

_INDEX = "/v1/indexes/{pipeline}/{index}"


@router.get("/v1/indexes", summary="What there is to search")
async def indexes(request: Request) -> Response:
    """The indexes with their generations, models and columns; `published` is null before the first publish."""
    app_state = state(request)
    return json_answer({"indexes": await app_state.lanes.run(" list", app_state.listing.indexes, at_once=2)})


@router.get(_INDEX + "/facets", summary="The values of an index's columns, for filters")
async def facets(
    request: Request, pipeline: ShortName, index: ShortName, generation: ShortName | None = None
) -> Response:
    """For each column its most frequent values, or its least and greatest."""
    app_state = state(request)

    def read() -> bytes:
        served_index = app_state.served.index(index, pipeline)
        index_generation = served_index.generation(generation)
        return app_state.facets.get_or_make(
            served_index.identity(index_generation), lambda: facets_json(served_index, index_generation)
        )

    return Response(await app_state.lanes.run(" facets", read, at_once=4), media_type="application/json")


@router.get(_INDEX + "/items", summary="One item, by the parameter id")
@router.get(_INDEX + "/items" + AT_END, summary="One item")
async def item(
    request: Request, *, pipeline: ShortName, index: ShortName, id: ItemId, generation: ShortName | None = None
) -> Response:
    """An item's URI and columns; 404 where there is none."""
    app_state = state(request)

    def read() -> dict[str, Any]:
        served_index = app_state.served.index(index, pipeline)
        row = read_row(served_index, served_index.generation(generation), id)
        return {"id": row.pop("id"), "uri": row.pop("uri"), "metadata": row}

    return json_answer(await app_state.lanes.light(read))
