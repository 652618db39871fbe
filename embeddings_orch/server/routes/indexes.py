"""``GET /v1/indexes`` and the items of an index."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.routes.facets import facets_json
from embeddings_orch.server.shared.rows import read_row
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["indexes"])

_INDEX = "/v1/indexes/{pipeline}/{index}"


@router.get("/v1/indexes", summary="What there is to search")
async def indexes(request: Request) -> Response:
    """The indexes with their generations, models and columns; `published` is null before the first publish."""
    own = state(request)
    return json_answer({"indexes": await own.lanes.run(" list", own.listing.indexes, at_once=2)})


@router.get(_INDEX + "/facets", summary="The values of an index's columns, for filters")
async def facets(request: Request, pipeline: str, index: str, generation: str | None = None) -> Response:
    """For each column its most frequent values, or its least and greatest."""
    own = state(request)

    def read() -> bytes:
        one = own.served.index(index, pipeline)
        found = one.generation(generation)
        return own.facets.get_or_make(one.identity(found), lambda: facets_json(one, found))

    return Response(await own.lanes.run(" facets", read, at_once=4), media_type="application/json")


@router.get(_INDEX + "/items/{id:path}", summary="One item")
async def item(request: Request, *, pipeline: str, index: str, id: str, generation: str | None = None) -> Response:
    """An item's URI and columns; 404 where there is none."""
    own = state(request)

    def read() -> dict[str, Any]:
        one = own.served.index(index, pipeline)
        row = read_row(one, one.generation(generation), id)
        return {"id": row.pop("id"), "uri": row.pop("uri"), "metadata": row}

    return json_answer(await own.lanes.light(read))
