"""The API key in a request's body: Roboflow's clients send it there, and nowhere else."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embeddings_orch.server.gate.keys import Keys
from embeddings_orch.server.gate.problems import HttpProblem

_PATHS = ("/clip/",)
_PUT_OFF = "embeddings_orch.key_in_body"


def no_key() -> HttpProblem:
    """The answer to a request without the key."""
    return HttpProblem(
        401,
        "the API key is missing or wrong; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
        headers={"WWW-Authenticate": "Bearer"},
    )


def put_off(scope: Scope) -> bool:
    """Whether the key may be in the body of a request; then `BodyKeys` looks for it."""
    scope[_PUT_OFF] = scope["method"] == "POST" and scope["path"].startswith(_PATHS)
    return bool(scope[_PUT_OFF])


class BodyKeys:
    """Refuses what was put off and has no key in its JSON body either.

    Args:
        app: what the key protects.
        keys: None where no key is needed.
    """

    def __init__(self, app: ASGIApp, keys: Keys | None) -> None:
        self.app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer with 401."""
        if not scope.get(_PUT_OFF, False):
            await self.app(scope, receive, send)
            return
        first = await receive()  # all of the body, as `Bodies` passes it on
        if self._keys is None or not self._keys.is_key(_key_in(first.get("body", b""))):
            raise no_key()
        left: list[Message] = [first]

        async def replay() -> Message:
            return left.pop() if left else await receive()

        await self.app(scope, replay, send)


def _key_in(body: bytes) -> str:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    key = fields.get("api_key") if isinstance(fields, dict) else None
    return key if isinstance(key, str) else ""
