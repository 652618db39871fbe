"""Threads for what blocks: a slow model of one index keeps no other index waiting, and no queue grows for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from embeddings_orch.server.gate.problems import HttpProblem

T = TypeVar("T")

_WAITING = 8
"""Calls that may wait, for each that may run."""

_LIGHT = 8
_PICTURES = 2
_PAGE = 512
"""Calls that may wait for what a page asks for by the hundred: its thumbnails, all at once over HTTP/2."""


class Lanes:
    """Calls side by side, as many as each name may have; of one event loop.

    Args:
        concurrency: of the lanes that are not named here.
        seconds: after which a call is given up.
    """

    def __init__(self, concurrency: int, seconds: float) -> None:
        self._concurrency = concurrency
        self._seconds = seconds
        self._lanes: dict[str, _ThreadLane] = {}

    async def run(self, lane: str, call: Callable[[], T], *, at_once: int | None = None, waiting: int = 0) -> T:
        """A call in a thread of a lane. One that is given up ends for its client; its thread does so by itself.

        Args:
            lane: its name.
            call: what blocks.
            at_once: calls of the lane that run side by side; default the server's ``concurrency``.
            waiting: calls that may wait, at the least.

        Raises:
            HttpProblem: 503 too many wait already, 504 it took too long.
        """
        if lane not in self._lanes:
            self._lanes[lane] = _ThreadLane(lane.strip(), at_once or self._concurrency, waiting)
        future = asyncio.wrap_future(self._lanes[lane].submit(call))
        done, _ = await asyncio.wait([future], timeout=self._seconds)
        if not done:
            future.cancel()
            raise timeout_problem(self._seconds)
        return future.result()

    async def light(self, call: Callable[[], T]) -> T:
        """A call that reads a little of the store."""
        return await self.run(" light", call, at_once=_LIGHT, waiting=_PAGE)

    async def pictures(self, call: Callable[[], T]) -> T:
        """A call that decodes pictures, which take much memory: few at a time."""
        return await self.run(" pictures", call, at_once=_PICTURES, waiting=_PAGE)

    def close(self) -> None:
        """Run nothing any more; what runs ends by itself."""
        for lane in self._lanes.values():
            lane.close()


def timeout_problem(seconds: float) -> HttpProblem:
    """The answer to what took more than some seconds."""
    return HttpProblem(504, f"this took more than {seconds:g} s and was given up")


class _ThreadLane:
    """Threads, and how many calls they have."""

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"serve {name}")
        self._most = at_once + max(at_once * _WAITING, waiting)
        self._calls = 0
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._calls >= self._most:
                raise HttpProblem(
                    503, "too many requests wait already; try again in a moment", headers={"Retry-After": "1"}
                )
            self._calls += 1
        future = self._threads.submit(call)
        future.add_done_callback(self._count_end)
        return future

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count_end(self, _: Future[Any]) -> None:
        with self._lock:
            self._calls -= 1
