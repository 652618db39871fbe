"""Whether the server can answer, and what it counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["operations"])


@router.get("/health", summary="Whether the server is up and its stores can be read")
async def health(request: Request) -> Response:
    """200 with `{"status": "ok"}`, else 503; `models` tells those that are loaded at the start. Needs no key."""
    app_state = state(request)
    broken = await app_state.health.broken()
    body: dict[str, Any] = {"status": "error" if broken else "ok", "models": dict(app_state.loading)}
    if broken:
        # Without the reasons: whoever has no key may ask.
        body["unreadable"] = broken
    return json_answer(body, status=503 if broken else 200)


@router.get("/metrics", summary="Counters in Prometheus's text format")
async def metrics(request: Request) -> Response:
    """Requests, latencies, searches, model batches, thumbnails."""
    return state(request).metrics.answer()
