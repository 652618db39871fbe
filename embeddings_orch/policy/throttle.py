"""How many requests are under way at once, and when the next may begin.

Concurrency adapts as TCP's window does (additive increase, multiplicative decrease; D.-M. Chiu and R. Jain, 1989):
halved when the provider refuses because of the rate, one more after as many successes as are allowed at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from embeddings_orch.policy.limiter import Limiter
from embeddings_orch.policy.stopping import Stop

_HALVE_AT_MOST_EVERY = 1.0
"""Seconds: the refusals of requests that were under way together are one piece of news."""

_LONGEST_PAUSE = 60.0
"""Seconds: who asks for an hour is asked again sooner, so that the retries are used up and the run ends."""

_LOOK = 0.2
"""Seconds after which a waiting thread looks whether the run was stopped."""


class Throttle:
    """Lets requests through; shared by the threads of one embed step.

    Args:
        concurrency: requests under way at once, at the most.
        limiter: requests and tokens per minute, None for no limit.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        concurrency: int,
        limiter: Limiter | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = concurrency
        self._allowed = float(concurrency)
        self._running = 0
        self._limiter = limiter
        self._clock = clock
        self._freed = threading.Condition()
        self._halved_at = float("-inf")
        self._paused_until = float("-inf")
        self._refused = 0  # in a row
        self._bound = _Bound()

    @property
    def concurrency(self) -> int:
        """Requests that may be under way at once, by now."""
        return max(1, int(self._allowed))

    @contextmanager
    def request(self, tokens: int, stop: Stop) -> Iterator[float]:
        """Wait for a turn, and hold it; gives the seconds waited.

        Args:
            tokens: of the request, at the most.
            stop: whether it is still wanted.

        Raises:
            CancelledError: it is not.
        """
        waited = 0.0
        with self._freed:
            if self._running >= self.concurrency:
                started = self._clock()
                while self._running >= self.concurrency and not stop.is_set:
                    self._freed.wait(_LOOK)
                waited = self._clock() - started
            self._running += 1
        try:
            until = float("-inf")
            # Only what was asked for meanwhile is waited for once more.
            while until < self._paused_until and (pause := (until := self._paused_until) - self._clock()) > 0:
                stop.wait(pause)
                waited += pause
            if self._limiter is not None:
                waited += self._limiter.acquire(self._bound.likely(tokens), stop.wait)
            stop.check()
            yield waited
        finally:
            with self._freed:
                self._running -= 1
                self._freed.notify()

    def count_success(self, bound: int, tokens: int) -> None:
        """A request went well; ``tokens`` of ``bound`` at the most were counted."""
        self._bound.learn(bound, tokens)
        with self._freed:
            self._refused = 0
            self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)

    def count_refusal(self, retry_after: float | None) -> None:
        """A request was refused because of the rate."""
        with self._freed:
            now = self._clock()
            self._refused += 1
            if now - self._halved_at >= _HALVE_AT_MOST_EVERY:
                self._allowed, self._halved_at = max(1.0, self._allowed / 2), now
            # The first refusal delays its own batch; from the second in a row on, nobody else need ask either.
            if retry_after and self._refused > 1:
                self._paused_until = max(self._paused_until, now + min(retry_after, _LONGEST_PAUSE))


class _Bound:
    """Learns how far the bound on tokens lies above what the provider counts, so that the limiter is not too slow."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=16)

    def learn(self, bound: int, tokens: int) -> None:
        if bound > 0 and tokens > 0:
            self._ratios.append(tokens / bound)

    def likely(self, bound: int) -> int:
        ratio = min(1.0, 1.1 * max(self._ratios)) if self._ratios else 1.0
        return -int(-bound * ratio // 1)
