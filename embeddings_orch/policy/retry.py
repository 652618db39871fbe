"""The shared retry policy: exponential backoff with full jitter, a cap and a deadline.

Full jitter after M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: the wait before
retry ``n`` is uniform in ``[0, min(max_wait, initial_wait * 2**n)]``. A provider's ``Retry-After`` is a floor.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity
from pydantic import BaseModel, ConfigDict, Field

from embeddings_orch.errors import TransientError

T = TypeVar("T")


class RetryPolicy(BaseModel):
    """How often and how patiently a failed request is tried again.

    Example:
        >>> RetryPolicy(max_retries=0)  # switches retrying off
        RetryPolicy(max_retries=0, initial_wait=0.5, max_wait=60.0, deadline=600.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: int = Field(default=7, ge=0, description="Retries after the first attempt; 0 switches retrying off.")
    initial_wait: float = Field(default=0.5, ge=0, description="Upper bound of the first wait, seconds; doubles.")
    max_wait: float = Field(default=60.0, ge=0, description="Cap of a single wait, in seconds.")
    deadline: float = Field(default=600.0, gt=0, description="Seconds after which no new attempt of a batch starts.")


@dataclass
class Attempts:
    """What retrying one or more calls cost.

    Attributes:
        requests: attempts made, the first ones included.
        retries: attempts after the first of each call.
        waited: seconds slept between attempts, or spent waiting for a turn.
    """

    requests: int = 0
    retries: int = 0
    waited: float = 0.0


def jitter(low: float, high: float) -> float:
    """A random number of this process; a function of its own, so that pickling does not copy the generator."""
    return random.uniform(low, high)


@dataclass(frozen=True)
class Retrier:
    """Calls a function under a policy; clock, sleep and randomness are injected so that tests wait for nothing."""

    policy: RetryPolicy
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = jitter

    def call(
        self,
        function: Callable[[], T],
        attempts: Attempts,
        *,
        turns: Callable[[], float] = lambda: 0.0,
        is_worth_another: Callable[[TransientError], bool] = lambda _: True,
        seconds_to_outlast: Callable[[TransientError], float] = lambda _: 0.0,
    ) -> T:
        """Call ``function`` until it succeeds, fails for good, or the policy is used up.

        Args:
            function: raises `TransientError` for what is worth another try; anything else passes at once.
            attempts: counters, added to in place.
            turns: seconds that ``function`` spent waiting for its turn so far; they do not count for the deadline.
            is_worth_another: asked once for each error that the policy would try again.
            seconds_to_outlast: for how long it is still worth to wait for what an error tells of, however many attempts
                that takes.

        Raises:
            TransientError: the last one, when retries or the deadline are used up, or it is not worth another try.
        """
        policy, started = self.policy, self.clock()

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            # The exponent is bounded so that a very large max_retries cannot overflow a float.
            ceiling = min(policy.max_wait, policy.initial_wait * 2 ** min(state.attempt_number - 1, 62))
            if not isinstance(error, TransientError):
                return self.uniform(0.0, ceiling)
            seconds = max(error.retry_after or 0.0, self.uniform(0.0, ceiling))
            # The last attempt is at the end of what is waited for, and not some time before.
            left = min(seconds_to_outlast(error), policy.deadline - (self.clock() - started - turns()))
            return min(seconds, left) if left > (error.retry_after or 0.0) else seconds

        def used_up(state: tenacity.RetryCallState) -> bool:
            # tenacity has computed the wait already: an attempt that would start after the deadline is not made.
            elapsed = self.clock() - started - turns() + state.upcoming_sleep
            if elapsed > policy.deadline:
                return True
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, TransientError) and seconds_to_outlast(error) >= state.upcoming_sleep > 0:
                return False
            return state.attempt_number > policy.max_retries

        def is_transient(error: BaseException) -> bool:
            return isinstance(error, TransientError) and is_worth_another(error)

        def sleep(seconds: float) -> None:
            attempts.retries += 1
            attempts.waited += seconds
            self.sleep(seconds)

        def attempt() -> T:
            attempts.requests += 1
            return function()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            wait=wait,
            stop=used_up,
            sleep=sleep,
            reraise=True,
        )
        return retrying(attempt)
