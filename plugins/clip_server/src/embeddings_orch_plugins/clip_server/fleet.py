"""Several servers side by side: who gets the next request, who is out, and when it is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

PAUSE = 10.0
"""Seconds until a server that failed is tried again."""


@dataclass
class FleetServer:
    """One server.

    Attributes:
        running: requests under way.
        served: requests it was given so far.
        out_until: when it may be tried again; None while it is in use.
        known: whether its model was compared with the others' since it last came in.
    """

    url: str
    running: int = 0
    served: int = 0
    out_until: float | None = None
    known: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Fleet:
    """Spreads requests over servers: the least busy one first, none that is out.

    A server that is out is tried by one request when its pause is over. Where all are out, the one that is out the
    longest is tried: whoever asks has waited already, as the retry policy says.

    Args:
        urls: of the servers.
        clock: seconds, monotonic.
        pause: seconds that a server is out.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic, pause: float = PAUSE) -> None:
        self.servers = [FleetServer(url) for url in urls]
        self._clock, self._pause = clock, pause
        self._lock = threading.Lock()

    def take(self, tried: Collection[str] = ()) -> FleetServer | None:
        """The server for a request, None where ``tried`` are all there are.

        Give it back by `count_answer` or `count_failure`.

        Args:
            tried: addresses where this request was already.
        """
        with self._lock:
            left = [server for server in self.servers if server.url not in tried]
            now = self._clock()
            out = sorted(
                (server for server in left if server.out_until is not None), key=lambda server: server.out_until or 0.0
            )
            inside = [server for server in left if server.out_until is None]
            if out and (out[0].out_until or 0.0) <= now:
                chosen = out[0]
                chosen.out_until = now + self._pause  # the others keep off until this request has an answer
            elif inside:
                chosen = min(inside, key=lambda server: (server.running, server.served))
            elif out and not tried:
                chosen = out[0]
            else:
                return None
            chosen.running += 1
            chosen.served += 1
            return chosen

    def count_answer(self, server: FleetServer) -> None:
        """The server gave an answer, of whatever status: it is in use (again)."""
        with self._lock:
            server.running -= 1
            server.out_until = None

    def count_failure(self, server: FleetServer) -> None:
        """The server is down: take it out for a while."""
        with self._lock:
            server.running -= 1
        self.take_out(server)

    def take_out(self, server: FleetServer) -> None:
        """Give a server no requests for a while."""
        with self._lock:
            server.out_until = self._clock() + self._pause
            server.known = False  # another container may come back in its place

    def any_in_use(self) -> bool:
        """Whether any server is not out."""
        with self._lock:
            return any(server.out_until is None for server in self.servers)


def difference(first: Any, second: Any, path: str = "") -> str | None:
    """Where two models' configs contradict each other, as ``clip_model.projection_dim: 512 and 768``; else None.

    What only one of them says is no contradiction: newer versions of a library write more.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted(first.keys() & second.keys() - _OF_THE_SOFTWARE):
            if contradiction := difference(first[key], second[key], f"{path}.{key}" if path else str(key)):
                return contradiction
        return None
    return None if first == second else f"{path}: {str(first)[:80]} and {str(second)[:80]}"


_OF_THE_SOFTWARE = frozenset({"transformers_version", "torch_dtype", "dtype"})
