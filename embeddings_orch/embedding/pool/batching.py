"""Dynamic batching: what callers ask for at the same time goes through the model together."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait

from embeddings_orch.embedding.outcome import Outcome, Prepared, StoppedError
from embeddings_orch.embedding.pool.lanes import BatchLane, Embedded, Entry
from embeddings_orch.embedding.pool.report import BatchListener, BatchReport
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import CancelledError
from embeddings_orch.models.content import Failure, Modality, Side
from embeddings_orch.policy.packing import Limits

BATCH_WAIT = 0.004
"""Seconds that a batch waits for more, at the most."""

LINGER = 5.0
"""Seconds that a thread without work stays."""

MEMORY = 0.1
"""Seconds after a batch in which as many callers as it had are expected again."""

_log = logging.getLogger(__name__)


class Batcher:
    """Runs the contents of any number of threads through one embed step, together.

    While a batch runs the next one gathers. A batch waits for more only where more can be expected: as many callers
    as the batch before had, if that was a moment ago; so one who is alone never waits. Callers take turns within a
    batch, so that one with thousands of contents does not hold up the others; so do texts and pictures, queries and
    documents, which go in batches of their own. A content that waits or is under way is not embedded twice.

    Args:
        step: embeds the batches, as many at a time as ``concurrency`` of its config says.
        batch_wait: seconds that a batch waits for more, at the most; 0 for not at all.
        fingerprint: of the model, for reports.
        listener: told of each batch, in the thread that ran it.
        clock: seconds, monotonic.
        pause: waits on a condition for so many seconds, or until it is notified.
    """

    def __init__(
        self,
        step: EmbedStep,
        *,
        batch_wait: float = BATCH_WAIT,
        fingerprint: str = "",
        listener: BatchListener | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[threading.Condition, float], object] = threading.Condition.wait,
    ) -> None:
        self._step = step
        self._wait = batch_wait
        self._fingerprint, self._listener = fingerprint, listener
        self._clock, self._pause = clock, pause
        self._changed = threading.Condition()
        self._lanes: dict[tuple[Modality, Side], BatchLane] = {}  # whose turn is next stands first
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False

    def submit(self, contents: Sequence[Prepared]) -> list[Future[Embedded]]:
        """Hand contents in without waiting; a future that is cancelled frees its place.

        Raises:
            CancelledError: the batcher is closed.
        """
        futures: list[Future[Embedded]] = [Future() for _ in contents]
        by_lane: dict[tuple[Modality, Side], list[tuple[Prepared, Future[Embedded]]]] = {}
        for content, future in zip(contents, futures, strict=True):
            by_lane.setdefault((content.modality, content.side or self._step.side), []).append((content, future))
        with self._changed:
            if self._closed:
                raise released_error()
            for key, entries in by_lane.items():
                self._lanes.setdefault(key, BatchLane(*key)).add(entries, self._clock())
            self._staff()
            self._changed.notify_all()
        return futures

    def embed(self, contents: Sequence[Prepared], *, timeout: float | None = None) -> list[Embedded]:
        """The vectors of contents, in order, or why one has none.

        Raises:
            TerminalError: the model cannot be had, the provider refuses, or the batcher was closed.
            TimeoutError: they took longer than ``timeout`` seconds.
        """
        futures = self.submit(contents)
        try:
            done, missing = wait(futures, timeout, FIRST_EXCEPTION)
            for future in done:
                future.result()
            if missing:
                raise TimeoutError(f"the model gave no answer within {timeout:g} s")
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    async def aembed(self, contents: Sequence[Prepared]) -> list[Embedded]:
        """`embed` for an event loop; a task that is cancelled frees its places."""
        futures = [asyncio.wrap_future(future) for future in self.submit(contents)]
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Refuse what waits and what comes later, let what runs end, and leave no thread."""
        with self._changed:
            self._closed = True
            waiting = [(lane, lane.drain()) for lane in self._lanes.values()]
            threads = list(self._threads)
            self._changed.notify_all()
        for lane, entries in waiting:
            self._settle(lane, entries, Outcome(), released_error())
        for thread in threads:
            thread.join()

    def _staff(self) -> None:
        """Start a thread for a lane that none is free for, where another may run."""
        free = self._idle
        for lane in self._lanes.values():
            if len(lane) and not lane.gathering:
                if not free and len(self._threads) < self._step.config.concurrency:
                    # A daemon, so that a program ends that forgot to close.
                    thread = threading.Thread(target=self._work, name="embed-batches", daemon=True)
                    self._threads.add(thread)
                    thread.start()
                free = max(0, free - 1)

    def _work(self) -> None:
        while (lane := self._next()) is not None:
            self._run(lane)

    def _next(self) -> BatchLane | None:
        """The lane whose turn it is, to gather a batch; None after a while without work, and when all is over."""
        with self._changed:
            until = self._clock() + LINGER
            while not self._closed:
                for key, lane in self._lanes.items():
                    if len(lane) and not lane.gathering:
                        lane.gathering = True
                        self._lanes[key] = self._lanes.pop(key)
                        return lane
                # Only now: who handed something in while this thread was waking up counted on it.
                if (left := until - self._clock()) <= 0:
                    break
                self._idle += 1
                self._pause(self._changed, left)
                self._idle -= 1
            # Before the lock is let go: who hands something in later starts another thread.
            self._threads.discard(threading.current_thread())
            return None

    def _run(self, lane: BatchLane) -> None:
        limits, error = Limits(1), None
        try:
            limits = self._step.limits(lane.modality)  # makes the embedder, perhaps for long
        except BaseException as problem:
            error = problem
        with self._changed:
            entries = lane.drain() if error is not None else self._gather(lane, limits)
            lane.gathering = False
            self._staff()
            self._changed.notify_all()  # what is left may be taken by another thread
        if error is not None:
            self._settle(lane, entries, Outcome(), error)
        elif entries:
            self._embed(lane, entries)

    def _gather(self, lane: BatchLane, limits: Limits) -> list[Entry]:
        while len(lane) and not self._closed:
            now = self._clock()
            left = lane.since() + self._wait - now
            if left <= 0 or lane.complete(limits, now, MEMORY):
                break
            self._pause(self._changed, left)
        return lane.take(limits)

    def _embed(self, lane: BatchLane, entries: list[Entry]) -> None:
        error: BaseException | None = None
        started = self._clock()
        try:
            outcome = self._step([entry.prepared for entry in entries])
        except StoppedError as stop:
            outcome, error = stop.outcome, stop.error
        except BaseException as problem:
            outcome, error = Outcome(), problem
        seconds = self._clock() - started
        callers = self._settle(lane, entries, outcome, error)
        if self._listener is not None:
            waits = tuple(started - entry.at for entry in entries)
            config, failed = self._step.config, len(entries) - len(outcome.keys)
            report = BatchReport(
                config.provider,
                self._fingerprint,
                lane.modality,
                lane.side,
                len(entries),
                callers,
                waits,
                seconds,
                failed,
            )
            try:
                self._listener(report)
            except Exception:
                _log.exception("the listener to batches failed")

    def _settle(self, lane: BatchLane, entries: list[Entry], outcome: Outcome, error: BaseException | None) -> int:
        """Give all who wait their vector or failure, or else the error; how many they are."""
        answers: dict[bytes, Embedded] = dict(zip(outcome.keys, outcome.vectors, strict=True))
        answers |= {failure.key: failure for failure in outcome.failures}
        with self._changed:
            futures = lane.settle(entries, self._clock())
        callers = 0
        for entry, waiting in zip(entries, futures, strict=True):
            key, uri = entry.prepared.key, entry.prepared.uri
            result = answers.get(key) if error is not None else answers.get(key, Failure(key, uri, "it has no vector"))
            for future in waiting:
                if not future.set_running_or_notify_cancel():
                    continue
                callers += 1
                if result is not None:
                    future.set_result(result)
                else:
                    assert error is not None
                    future.set_exception(error)
        return callers


def released_error() -> CancelledError:
    """What is raised to those who ask a model that was released."""
    return CancelledError("the model is released: nothing is embedded any more")
