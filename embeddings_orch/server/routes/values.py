"""``GET .../values``: one column's value of every item, by which a map is coloured."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.server.gate.answers import to_json
from embeddings_orch.server.gate.limits import ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.columns import columns_of
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import state
from embeddings_orch.store.tables.generations import Generation

router = APIRouter(tags=["indexes"])

MOST = 50
"""Different values that are told apart, as many as facets have."""


@router.get("/v1/indexes/{pipeline}/{index}/values", summary="One column's value of every item")
async def values(
    request: Request, *, pipeline: ShortName, index: ShortName, column: ShortName, generation: ShortName | None = None
) -> Response:
    """The ids, and for each the place of its value among `values`, -1 where it has none.

    Of a column of texts or booleans with at most 50 different values; 400 for another.
    """
    app_state = state(request)

    def read() -> bytes:
        served_index = app_state.served.index(index, pipeline)
        index_generation = served_index.generation(generation)
        return app_state.maps.get_or_make(
            ("values", *served_index.identity(index_generation), column),
            lambda: _values_json(served_index, index_generation, column),
        )

    return Response(await app_state.lanes.run(" values", read, at_once=2), media_type="application/json")


def _values_json(served_index: ServedIndex, generation: Generation, column: str) -> bytes:
    table = served_index.index.store.index(generation.table)
    kinds = columns_of(table.schema(generation.version), generation)
    if column not in kinds:
        raise HttpProblem(
            404, f"index {served_index.key} has no column {column!r}; it has: {', '.join(kinds)}", param="column"
        )
    if kinds[column] not in ("string", "boolean"):
        raise HttpProblem(400, f"the column {column!r} is {kinds[column]}, not of texts or booleans", param="column")
    places: dict[Any, int] = {None: -1}
    ids: list[str] = []
    codes: list[int] = []
    for batch in table.scan(generation.version, ["id", column]):
        ids += batch.column("id").to_pylist()
        codes += _codes(batch.column(column), places)
        if len(places) > MOST + 1:
            raise HttpProblem(400, f"the column {column!r} has more than {MOST} different values", param="column")
    del places[None]
    return to_json({"generation": generation.id, "column": column, "values": list(places), "ids": ids, "codes": codes})


def _codes(batch: pa.Array, places: dict[Any, int]) -> list[int]:
    return [places.setdefault(value, len(places) - 1) for value in batch.to_pylist()]
