"""A browser's session: the page sends the key once, and pictures come with the cookie."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.requests import cookie_parser
from starlette.responses import Response

from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.keys import SESSION_SECONDS
from embeddings_orch.server.gate.limits import ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.gate.safety import cookie_of
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["session"])


class SessionRequest(BaseModel):
    """The API key."""

    # The key must not come back in an error.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: ShortName


@router.post("/v1/session", summary="Open a session: a cookie that counts as the API key")
async def open_session(body: SessionRequest, request: Request) -> Response:
    """Set an HttpOnly cookie for 12 hours; 401 for a wrong key. Without a key on the server it does nothing."""
    keys = state(request).keys
    answer = json_answer({"ok": True})
    if keys is None:
        return answer
    if not keys.is_key(body.key):
        raise HttpProblem(401, "the API key is wrong", param="key")
    answer.set_cookie(
        cookie_of(request.scope),
        keys.open_session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.delete("/v1/session", summary="End the session")
async def close_session(request: Request) -> Response:
    """End the session and take the cookie back."""
    keys = state(request).keys
    name = cookie_of(request.scope)
    if keys is not None:
        keys.close_session(cookie_parser(request.headers.get("cookie", "")).get(name, ""))
    answer = json_answer({"ok": True})
    answer.delete_cookie(name, httponly=True, samesite="strict")
    return answer
