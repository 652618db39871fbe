"""Promises: no more requests under way than configured, and none after a cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import CancelledError, TerminalError
from embeddings_orch_testing.remote.base import RemoteBase, embed, prepare
from embeddings_orch_testing.servers import Fault

_CONCURRENCY = 3
_THREADS = 8
_PATIENCE = 20.0


class FlowPromises(RemoteBase):
    """How requests follow each other."""

    def test_no_more_requests_are_under_way_than_configured(self) -> None:
        """However many threads ask; and as many as that, so that a slow provider is used well."""
        items = self.sample(4 * _THREADS)
        with self.fresh(concurrency=_CONCURRENCY) as step:
            batches = [[content] for content in prepare(step, items)]
            step(batches[0])
            self.calm()
            self.server.latency = 0.05
            with ThreadPoolExecutor(_THREADS) as pool:
                outcomes = list(pool.map(step, batches))
        assert all(outcome.keys for outcome in outcomes), "an item has no vector where many threads ask"
        most = self.server.most_under_way
        assert most <= _CONCURRENCY, f"{most} requests were under way at once, {_CONCURRENCY} are allowed"
        assert most > 1, f"requests follow each other although {_CONCURRENCY} may be under way at once"

    def test_no_request_is_made_after_a_cancel(self) -> None:
        """What is under way ends, and nothing begins."""
        items = self.sample(2 * _THREADS)
        with self.fresh(concurrency=2) as step:
            batches = [[content] for content in prepare(step, items)]
            step(batches[0])
            self.calm()
            self.server.latency = 1.5
            with ThreadPoolExecutor(_THREADS) as pool:
                running = [pool.submit(step, batch) for batch in batches]
                _until(lambda: self.count_sent() >= 2, "two requests are under way")
                step.cancel()
                before = self.count_sent()
                errors = [future.exception() for future in running]
        assert self.count_sent() == before, f"{self.count_sent() - before} requests were made after the cancel"
        stopped = [error for error in errors if error is not None]
        assert len(stopped) >= len(batches) - before, f"{len(stopped)} of {len(batches)} batches were stopped"
        assert all(isinstance(error, CancelledError) for error in stopped), f"a cancelled batch: {stopped}"

    def test_a_cancel_wakes_up_what_waits_to_try_again(self) -> None:
        """However long it was asked to wait."""
        items = self.sample(1)
        self.always_meets(Fault.status_code(429, headers={"retry-after": "120"}))
        step = EmbedStep(self.config_with())
        errors: list[BaseException] = []

        def run() -> None:
            try:
                embed(step, items)
            except TerminalError as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            _until(lambda: self.count_sent() == 1, "a request was sent")
            time.sleep(0.1)
            cancelled = time.monotonic()
            step.cancel()
            thread.join(_PATIENCE)
            took = time.monotonic() - cancelled
        finally:
            step.close()
        assert not thread.is_alive(), "a batch sleeps on after the cancel"
        assert took < 2, f"a batch that waited to try again ended {took:.1f} s after the cancel"
        assert [type(error) for error in errors] == [CancelledError], f"a cancelled batch ended with {errors}"
        assert self.count_sent() == 1, f"{self.count_sent() - 1} requests were made after the cancel"


def _until(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"within {_PATIENCE:.0f} s it did not come to it that {what}"
        time.sleep(0.005)
