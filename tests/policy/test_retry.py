from __future__ import annotations

import pickle
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from embeddings_orch.errors import ItemError, TerminalError, TransientError
from embeddings_orch.policy.retry import Attempts, Retrier, RetryPolicy, jitter


class World:
    """A clock that moves only when somebody sleeps, and a function that fails so many times first."""

    def __init__(self, failures=0, *, retry_after=None, takes=0.0, high=True):
        self.now = 1000.0
        self.slept = []
        self.drawn = []
        self.calls = 0
        self.failures = failures
        self.retry_after = retry_after
        self.takes = takes
        self.high = high

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def uniform(self, low, high):
        self.drawn.append((low, high))
        return high if self.high else low

    def function(self):
        self.calls += 1
        self.now += self.takes
        if self.calls <= self.failures:
            raise TransientError(f"failure {self.calls}", retry_after=self.retry_after)
        return f"answer {self.calls}"

    def call(self, policy=None, attempts=None):
        retrier = Retrier(policy or RetryPolicy(), lambda: self.now, self.sleep, self.uniform)
        return retrier.call(self.function, Attempts() if attempts is None else attempts)


def test_a_success_is_neither_retried_nor_waited_for():
    world, attempts = World(), Attempts()
    assert world.call(attempts=attempts) == "answer 1"
    assert attempts == Attempts(requests=1, retries=0, waited=0.0)
    assert world.slept == []


def test_seven_retries_are_the_default_and_the_last_error_is_raised():
    world, attempts = World(failures=100), Attempts()
    with pytest.raises(TransientError, match="failure 8"):
        world.call(attempts=attempts)
    assert world.calls == 8
    assert attempts.requests == 8
    assert attempts.retries == 7


def test_the_last_retry_can_still_succeed():
    world = World(failures=7)
    assert world.call() == "answer 8"


def test_no_retries_switches_retrying_off():
    world, attempts = World(failures=1), Attempts()
    with pytest.raises(TransientError, match="failure 1"):
        world.call(RetryPolicy(max_retries=0), attempts)
    assert world.slept == []
    assert attempts == Attempts(requests=1)


def test_waits_are_drawn_from_zero_to_a_ceiling_that_doubles():
    world = World(failures=5)
    world.call(RetryPolicy(initial_wait=0.5))
    assert world.drawn == [(0.0, 0.5), (0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0)]
    assert world.slept == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_no_wait_is_longer_than_the_cap():
    world = World(failures=7)
    world.call(RetryPolicy(initial_wait=1, max_wait=5))
    assert world.slept == [1, 2, 4, 5, 5, 5, 5]


def test_a_very_large_number_of_retries_does_not_overflow():
    world = World(failures=1500)
    assert world.call(RetryPolicy(max_retries=2000, max_wait=0.001)) == "answer 1501"


def test_retry_after_is_a_floor():
    world = World(failures=3, retry_after=3.0)
    world.call(RetryPolicy(initial_wait=1))
    assert world.slept == [3.0, 3.0, 4.0]


def test_retry_after_may_be_longer_than_the_cap():
    world = World(failures=1, retry_after=90.0)
    world.call(RetryPolicy(max_wait=5))
    assert world.slept == [90.0]


def test_a_retry_that_would_start_after_the_deadline_is_not_waited_for():
    world, attempts = World(failures=100, retry_after=40.0), Attempts()
    with pytest.raises(TransientError, match="failure 3"):
        world.call(RetryPolicy(deadline=100), attempts)
    assert world.slept == [40.0, 40.0]
    assert attempts == Attempts(requests=3, retries=2, waited=80.0)


def test_the_time_that_attempts_take_counts_against_the_deadline():
    world = World(failures=100, takes=30.0, high=False)
    with pytest.raises(TransientError, match="failure 4"):
        world.call(RetryPolicy(deadline=100))
    assert world.now == 1120.0


def test_a_retry_after_beyond_the_deadline_ends_at_once():
    world = World(failures=1, retry_after=3600.0)
    with pytest.raises(TransientError, match="failure 1"):
        world.call(RetryPolicy(deadline=600))
    assert world.slept == []


@pytest.mark.parametrize("error", [TerminalError("no"), ItemError("bad"), ValueError("odd"), KeyboardInterrupt()])
def test_what_is_not_transient_passes_at_once(error):
    def function():
        raise error

    attempts = Attempts()
    with pytest.raises(type(error)):
        Retrier(RetryPolicy(), sleep=lambda _: pytest.fail("it slept")).call(function, attempts)
    assert attempts == Attempts(requests=1)


def test_counts_add_up_over_calls():
    attempts = Attempts()
    World(failures=2).call(RetryPolicy(initial_wait=1), attempts)
    World(failures=1).call(RetryPolicy(initial_wait=1), attempts)
    assert attempts == Attempts(requests=5, retries=3, waited=4.0)


@given(
    failures=st.integers(0, 12),
    retries=st.integers(0, 9),
    initial=st.floats(0, 10),
    cap=st.floats(0, 100),
    deadline=st.floats(0.1, 500),
    asked=st.one_of(st.none(), st.floats(0, 50)),
    seed=st.integers(0, 2**32),
)
def test_any_policy_keeps_its_bounds(failures, retries, initial, cap, deadline, asked, seed):
    world, attempts = World(failures, retry_after=asked), Attempts()
    world.uniform = random.Random(seed).uniform
    policy = RetryPolicy(max_retries=retries, initial_wait=initial, max_wait=cap, deadline=deadline)
    try:
        assert world.call(policy, attempts) == f"answer {failures + 1}"
    except TransientError:
        assert failures > 0
    assert attempts.requests == world.calls <= retries + 1
    assert attempts.retries == len(world.slept) == world.calls - 1
    assert attempts.waited == pytest.approx(sum(world.slept))
    # The clock's own rounding at 1000 seconds.
    assert world.now - 1000.0 <= deadline + 1e-6
    for number, wait in enumerate(world.slept):
        ceiling = min(cap, initial * 2**number)
        assert (asked or 0.0) <= wait <= max(ceiling, asked or 0.0)


def test_jitter_is_spread_over_the_whole_range():
    """Full jitter, not a fixed wait with a little noise: clients that failed together come back apart."""
    waits = []
    for _ in range(400):
        world = World(failures=1)
        world.uniform = jitter
        world.call(RetryPolicy(initial_wait=1))
        waits += world.slept
    quarters = Counter(int(wait * 4) for wait in waits)
    assert all(50 < quarters[quarter] < 150 for quarter in range(4))


def test_a_pickled_retrier_does_not_carry_the_state_of_the_random_numbers():
    """Else all workers that unpickle it would wait alike, and come back together."""
    assert len(pickle.dumps(Retrier(RetryPolicy()))) < 1000
    assert pickle.loads(pickle.dumps(Retrier(RetryPolicy()))) == Retrier(RetryPolicy())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"initial_wait": -1},
        {"max_wait": -1},
        {"deadline": 0},
        {"retries": 3},
        {"max_retries": 1.5},
    ],
)
def test_a_wrong_policy_is_refused(wrong):
    with pytest.raises(ValidationError):
        RetryPolicy(**wrong)


def test_a_policy_cannot_be_changed():
    with pytest.raises(ValidationError):
        RetryPolicy().max_retries = 3


def test_the_wait_for_a_turn_does_not_count_against_the_deadline():
    """A rate limit may make a batch wait for long before its first attempt; it is not the provider's fault."""
    world = World(failures=3, takes=80.0, high=False)
    turns = 0.0

    def function():
        nonlocal turns
        turns += 70.0
        return world.function()

    retrier = Retrier(RetryPolicy(deadline=60), lambda: world.now, world.sleep, world.uniform)
    assert retrier.call(function, Attempts(), turns=lambda: turns) == "answer 4"
