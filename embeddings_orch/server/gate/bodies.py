"""The bodies of requests: how large, of what kind, and how long they may take to arrive."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embeddings_orch.server.gate.json_bodies import check_json
from embeddings_orch.server.gate.problems import HttpProblem

_BODY_SECONDS = 30.0
_BODIES = 16
"""Bodies of the largest size that may be in memory at once."""


class Bodies:
    """Reads each request's body before its route is called, up to a size, for at most some seconds.

    Args:
        app: gets the body in one piece.
        most: bytes of a body.
        untyped: paths whose clients send JSON without saying so.
    """

    def __init__(self, app: ASGIApp, most: int, untyped: tuple[str, ...]) -> None:
        self.app = app
        self._most = most
        self._untyped = untyped
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body and pass it on, or answer with 400, 408, 413, 415 or 503."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        if not chunked and declared in ("", "0"):
            await self.app(scope, receive, send)
            return
        if declared.isdecimal() and int(declared) > self._most:
            raise self._too_large()
        self._check_type(scope, headers)
        body = bytearray()
        try:
            await self._read(receive, body)
            data = bytes(body)
            check_json(data)
            await self.app(scope, _replay(data, receive), send)
        finally:
            self._held -= len(body)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    part = message.get("body", b"")
                    if len(body) + len(part) > self._most:
                        raise self._too_large()
                    if self._held + len(part) > self._most * _BODIES:
                        raise HttpProblem(503, "too much is sent at once; try again", headers={"Retry-After": "1"})
                    body += part
                    self._held += len(part)
                    if not message.get("more_body", False):
                        return
        except TimeoutError as error:
            raise HttpProblem(408, f"the body did not arrive within {_BODY_SECONDS:g} s") from error

    def _too_large(self) -> HttpProblem:
        # The rest is not read, so the connection is of no more use.
        return HttpProblem(
            413, f"the body has more than {self._most:,} bytes, which is the limit", headers={"Connection": "close"}
        )

    def _check_type(self, scope: Scope, headers: Headers) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return
        # Not from a page of another site: `Gate` has refused that.
        if scope["path"].startswith(self._untyped) and kind in ("", "application/x-www-form-urlencoded"):
            others = [pair for pair in scope["headers"] if pair[0].lower() != b"content-type"]
            scope["headers"] = [*others, (b"content-type", b"application/json")]
            return
        raise HttpProblem(415, "send JSON, with `Content-Type: application/json`")


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()  # tells when the client goes away
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
