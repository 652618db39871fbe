"""The ASGI application: every route over what is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response

from embeddings_orch import __version__
from embeddings_orch.policy.secrets import read_secret
from embeddings_orch.server.gate.bodies import Bodies
from embeddings_orch.server.gate.body_key import BodyKeys
from embeddings_orch.server.gate.heading import Heads
from embeddings_orch.server.gate.keys import Keys
from embeddings_orch.server.gate.metrics import Metrics
from embeddings_orch.server.gate.observed import Errors, RequestObserver
from embeddings_orch.server.gate.problems import http_problem, invalid
from embeddings_orch.server.gate.safety import Gate, SecurityHeaders
from embeddings_orch.server.page import routes as page
from embeddings_orch.server.routes import (
    documentation,
    health,
    indexes,
    left_out,
    maps,
    openai,
    roboflow,
    session,
    thumbnails,
    values,
    weaviate,
)
from embeddings_orch.server.routes import (
    search as searching,
)
from embeddings_orch.server.settings import ServeSettings
from embeddings_orch.server.shared.caches import ByteCache
from embeddings_orch.server.shared.listing import IndexListing
from embeddings_orch.server.shared.loading import end_within, load_models
from embeddings_orch.server.shared.served import Served
from embeddings_orch.server.shared.state import State
from embeddings_orch.server.shared.stores import StoreHealth
from embeddings_orch.server.shared.threads import Lanes

_CLOSING = 5.0
_THREADS = 128
_UNTYPED = ("/vectorize", "/clip/")
"""Routes whose clients send JSON without its content type (Weaviate's, Roboflow's)."""


def create_app(served: Served, settings: ServeSettings | None = None) -> FastAPI:
    """The application over the indexes and models of ``served``, which it closes when it ends.

    Args:
        served: what is searched.
        settings: what is allowed; default loopback without a key.

    Raises:
        TerminalError: the variable of the API key is not set.
    """
    settings = settings or ServeSettings()
    keys = Keys(read_secret(settings.api_key_env, "the server's API key")) if settings.api_key_env else None
    lanes = Lanes(settings.concurrency, settings.seconds)
    app_state = State(
        served,
        settings,
        Metrics(),
        keys,
        lanes,
        IndexListing(served),
        ByteCache(settings.thumbnail_cache),
        StoreHealth(served, lanes),
    )

    served.listeners.append(lambda report: app_state.metrics.batch(served.model_name(report.fingerprint), report.items))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Of the handlers that are plain functions; ours have lanes of their own.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        if settings.load:
            load_models(served, app_state.loading)
        try:
            yield
        finally:
            app_state.lanes.close()
            end_within(min(_CLOSING, settings.graceful), served.close)

    app = FastAPI(
        title="embeddings_orch",
        version=__version__,
        description="Search over published indexes.",
        lifespan=lifespan,
        # FastAPI's pages load their scripts from another host.
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(RequestObserver, metrics=app_state.metrics),
            Middleware(Heads),
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, minimum_size=2048, compresslevel=5),
            Middleware(Errors),
            Middleware(Gate, settings=settings, keys=keys),
            Middleware(Bodies, most=settings.max_body, untyped=_UNTYPED),
            Middleware(BodyKeys, keys=keys),
        ],
    )
    app.state.own = app_state
    app.state.served = served
    app.state.settings = settings
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _answer_refusal)
    for module in (
        page,
        indexes,
        left_out,
        maps,
        values,
        thumbnails,
        searching,
        session,
        health,
        documentation,
        openai,
        weaviate,
        roboflow,
    ):
        app.include_router(module.router)
    return app


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid(error.errors()).answer(request.url.path)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http_problem(error.status_code, error.detail).answer(request.url.path)
