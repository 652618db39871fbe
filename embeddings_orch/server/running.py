"""Runs an application: in this thread until a signal, or in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.server.connections import SPARE_CONNECTIONS, Connections
from embeddings_orch.server.protocol import ServerConfig
from embeddings_orch.server.settings import ServeSettings

_log = logging.getLogger(__name__)

_BACKLOG = 2048
_HEADERS = 64 * 1024
_OTHER_FILES = 1024
"""Open files beside the connections: those of the store, and of the models."""

_START = 60.0


def bind(settings: ServeSettings) -> socket.socket:
    """A socket that listens, so that its port is known and nobody else's.

    Raises:
        EmbeddingsOrchError: the port is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, for asyncio switches Nagle's algorithm off only then; with it an answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise EmbeddingsOrchError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror or error}; "
            "choose another with --port, 0 for any that is free"
        ) from error
    listener.setblocking(False)
    return listener


def address(listening: socket.socket) -> str:
    """The URL of a socket that listens, as this machine calls it."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; open requests may end within ``graceful`` seconds, a second signal ends them."""
    settings: ServeSettings = app.state.settings
    files = _allow_files(settings.connections + SPARE_CONNECTIONS + _OTHER_FILES)
    server = _server(app, _connections(settings, files))

    def stop(*_: object) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(server.serve([listening]))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def in_thread(app: FastAPI, listening: socket.socket) -> Iterator[str]:
    """Serve in a thread of its own meanwhile; gives the URL."""
    settings: ServeSettings = app.state.settings
    server = _server(app, Connections(settings.connections, settings.peer_connections))
    url = address(listening)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="serve", daemon=True)
    thread.start()
    try:
        for _ in range(int(_START / 0.01)):
            if server.started or not thread.is_alive():
                break
            thread.join(0.01)
        if not server.started:
            raise EmbeddingsOrchError("the server did not start; its log says why")
        yield url
    finally:
        server.should_exit = True
        thread.join(_START)
        with suppress(OSError):
            listening.close()


class _Server(uvicorn.Server):
    """Leaves signals to `run`: uvicorn would raise them again when it is done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _allow_files(count: int) -> int:
    """Let this process have so many files open, if the system lets it; some begin with 256. Returns how many it may."""
    if sys.platform == "win32":
        return count
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        with suppress(OSError, ValueError):
            limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return count if soft == resource.RLIM_INFINITY else min(count, soft)


def _connections(settings: ServeSettings, files: int) -> Connections:
    """The connections for which there are files; where all files are taken, nobody is even told to come again."""
    room, wanted = files - min(_OTHER_FILES, files // 2), settings.connections + SPARE_CONNECTIONS
    if room >= wanted:
        return Connections(settings.connections, settings.peer_connections)
    most = max(1, settings.connections * room // wanted)
    of_peer = max(1, settings.peer_connections * room // wanted)
    _log.warning(
        "this process may have %d files open, so the server takes %d connections, %d of one address; raise the limit "
        "(ulimit -n)",
        files,
        most,
        of_peer,
    )
    return Connections(most, of_peer, max(1, room - most))


def _server(app: FastAPI, connections: Connections) -> _Server:
    settings: ServeSettings = app.state.settings
    config = ServerConfig(
        app,
        connections,
        access_log=False,  # it shows query strings, and a key may be in one; there is one of our own
        log_config=None,
        ws="none",
        h11_max_incomplete_event_size=_HEADERS,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=settings.graceful,
    )
    return _Server(config)
