"""One connection's HTTP, with the times that it has for each part."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from embeddings_orch.server.connections import Connections, peer_of
from embeddings_orch.server.gate.safety import SPARE

HEAD_SECONDS = 30.0
"""Seconds that a request's line and headers may take to arrive, and what is left of a body that nobody waits for: who
never sends them would keep a connection."""

_SPARE_SECONDS = 5.0
"""The same for a connection beyond the limit."""

READING_SECONDS = 30.0
"""Seconds in which a client that lets an answer wait has to take some of it."""

_SLOWEST = 1024
"""Bytes a second that such a client has to take."""


class ServerConfig(uvicorn.Config):
    """Uvicorn's settings, and the connections of the server, which its protocol reads there."""

    def __init__(self, app: Any, connections: Connections, **options: Any) -> None:
        super().__init__(app, http=HttpProtocol, **options)
        self.connections = connections


class HttpProtocol(H11Protocol):
    """Counts its connection, and closes it where a request does not begin, or an answer is not read, in time.

    Uvicorn has a limit of time only between requests, and its limit of connections knows no peers.
    """

    config: ServerConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, as a spare connection where there are too many."""
        super().connection_made(transport)
        # Whatever is left to be read counts as such: else the last part of an answer could wait for ever.
        transport.set_write_buffer_limits(0)
        self.peer = peer_of(self.client)
        self._late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._since = self.loop.time()
        self._spare = not self.config.connections.add(self)
        if self._spare:
            self.app_state = {**self.app_state, SPARE: True}
        self._watch_head()

    @property
    def silent_since(self) -> float | None:
        """The loop's time since when no request has come, None while one is read or answered."""
        # An answer that waits to be read stays in memory.
        return None if self._answering or self.transport.get_write_buffer_size() else self._since

    def close(self) -> None:
        """Close the connection, when what was written has gone out."""
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Wait for the next request; a spare connection has none."""
        super().on_response_complete()
        self._since = self.loop.time()
        if self._spare:
            self.close()

    def pause_writing(self) -> None:
        """A part of an answer waits to be read."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """The client has read all of it."""
        self._stop_reading_watch()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.config.connections.remove(self)
        self._stop_head_watch()
        self._stop_reading_watch()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_head(self) -> None:
        if self._answering:
            self._stop_head_watch()
        elif self._late is None:
            seconds = _SPARE_SECONDS if self._spare else HEAD_SECONDS
            self._late = self.loop.call_later(seconds, self.transport.close)

    def _watch_reading(self) -> None:
        waiting = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() > waiting - _SLOWEST * READING_SECONDS:
                self.transport.abort()
            else:
                self._watch_reading()

        self._stalled = self.loop.call_later(READING_SECONDS, check)

    def _stop_head_watch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _stop_reading_watch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
