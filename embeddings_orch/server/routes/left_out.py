"""``GET /v1/indexes/.../left-out``: the items without a vector, and what the last scan did not take in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch.policy.secrets import redact
from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import ShortName
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["indexes"])

_NAMED = 1000
"""Failed items of an embedding that are named; all are counted."""


@router.get("/v1/indexes/{pipeline}/{index}/left-out", summary="What a search cannot find, and why")
async def left_out(request: Request, *, pipeline: ShortName, index: ShortName) -> Response:
    """The items of the last scan without a vector of one of the index's embeddings, with the reasons.

    Beside them what the scan itself did not take in: rows and files left out, and files passed over. Of each embedding
    the first 1,000 failed items are named, and all are counted.
    """
    app_state = state(request)

    def read() -> dict[str, Any]:
        served_index = app_state.served.index(index, pipeline)
        return app_state.left_out.get_or_read(served_index.key, lambda: _left_out(served_index))

    return json_answer(await app_state.lanes.run(" left out", read, at_once=1))


def _left_out(served_index: ServedIndex) -> dict[str, Any]:
    pipeline = Pipeline(served_index.spec, served_index.index.store)
    status = make_status(pipeline, served_index.spec.indexes[served_index.index.name].vectors, most=_NAMED)
    failed = [{**row, "reason": redact(row["reason"])} for row in status["failed"]]
    media = dict(status["media"])
    media["left_out_named"] = [{**row, "reason": redact(row["reason"])} for row in media["left_out_named"]]
    return {"media": media, "embeddings": status["embeddings"], "failures": status["failures"], "failed": failed}
