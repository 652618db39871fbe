"""The outermost layer: counts and logs each request, and turns every error into an answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.policy.secrets import redact, shows_secret
from embeddings_orch.server.gate.metrics import Metrics
from embeddings_orch.server.gate.problems import http_problem, problem_of

access = logging.getLogger("embeddings_orch.access")
log = logging.getLogger("embeddings_orch.serve")


class RequestObserver:
    """Counts requests by their route's template, and logs a line for each, without its query string.

    A query string may hold the API key.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; lifespan messages pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._clock()
        status = 499  # the client went away before there was one

        async def send_and_watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, send_and_watch)
            finally:
                seconds = self._clock() - started
                route = getattr(scope.get("route"), "path", None) or "other"
                self._metrics.count_answer(route, scope["method"], status, seconds)
                client = (scope.get("client") or ("-",))[0]
                access.info(
                    "%s %s %s %d %.0f ms", client, scope["method"], _one_line_path(scope), status, seconds * 1000
                )


class Errors:
    """Turns an error into an answer, if none has begun; what is not ours goes into the log without secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_and_watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_watch)
        except Exception as error:
            if not isinstance(error, EmbeddingsOrchError | HTTPException):
                record(f"{scope['method']} {_one_line_path(scope)}", error)
            if begun:
                raise
            problem = http_problem(error.status_code, error.detail) if isinstance(error, HTTPException) else None
            answer = (problem or problem_of(error)).answer(scope["path"])
            await answer(scope, receive, send)


def record(what: str, error: Exception) -> None:
    """Log a mistake that is not the client's, with its traceback."""
    if shows_secret(error):
        # The traceback would show it.
        log.error("%s failed: %s: %s", what, type(error).__name__, redact(str(error)))
    else:
        log.error("%s failed", what, exc_info=error)


def _one_line_path(scope: Scope) -> str:
    """The path on one line, whatever it holds."""
    return redact(ascii(scope["path"])[1:-1])[:300]
