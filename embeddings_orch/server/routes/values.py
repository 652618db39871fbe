"""``GET .../values``: one column's value of every item, by which a map is coloured."""

from __future__ import annotations

from typing import Any

import numpy as np
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

_KINDS = frozenset({"string", "boolean", "number", "time"})


@router.get("/v1/indexes/{pipeline}/{index}/values", summary="One column's value of every item")
async def values(
    request: Request, *, pipeline: ShortName, index: ShortName, column: ShortName, generation: ShortName | None = None
) -> Response:
    """The ids, and for each the place of its value among `values`, the most frequent first; -1 where it has none.

    At most 50 values are told apart: those of the other items, `others` in number, have the place after the last.
    Of a column of texts, booleans, numbers or times; 400 for another.
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
    if kinds[column] not in _KINDS:
        raise HttpProblem(400, f"the column {column!r} is {kinds[column]}, not of single values", param="column")
    ids: list[str] = []
    parts: list[pa.Array] = []
    for batch in table.scan(generation.version, ["id"] if column == "id" else ["id", column]):
        ids += batch.column("id").to_pylist()
        parts.append(batch.column(column))
    different, codes, others = _most_frequent(
        pa.chunked_array(parts, table.schema(generation.version).field(column).type)
    )
    answer = {"generation": generation.id, "column": column, "values": different, "others": others}
    return to_json({**answer, "ids": ids, "codes": codes})


def _most_frequent(column: pa.ChunkedArray) -> tuple[list[Any], list[int], int]:
    """The most frequent values, each item's place among them, and how many items have another."""
    encoded = column.combine_chunks().dictionary_encode()
    indices = np.array(encoded.indices.fill_null(-1))
    counts = np.bincount(indices[indices >= 0], minlength=len(encoded.dictionary))
    order = np.argsort(-counts, kind="stable")
    shown = order[:MOST]
    # One place more, for an item without a value: -1 is the last of them.
    places = np.full(len(counts) + 1, len(shown))
    places[shown] = np.arange(len(shown))
    places[-1] = -1
    return encoded.dictionary.take(shown).to_pylist(), places[indices].tolist(), int(counts[order[MOST:]].sum())
