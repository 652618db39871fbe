"""How many requests are under way, and when the next begins."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.errors import CancelledError
from embeddings_orch.policy.stopping import Stop
from embeddings_orch.policy.throttle import Throttle


class World:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 100.0, []
        self.stop = Stop(self.sleep)

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def throttle(self, concurrency=8, limiter=None):
        return Throttle(concurrency, limiter, clock=self.clock)


class Asked:
    """A limiter that lets everything in, and remembers what for."""

    def __init__(self):
        self.tokens = []

    def acquire(self, tokens, sleep):
        self.tokens.append(tokens)
        sleep(0.5)
        return 0.5


def test_no_more_than_allowed_are_under_way_and_all_get_their_turn():
    throttle, lock = Throttle(3), threading.Lock()
    running = most = done = 0

    def work(_):
        nonlocal running, most, done
        with throttle.request(1, Stop()):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1
                done += 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(60)))
    assert (most, done) == (3, 60)


def test_a_turn_is_given_back_also_after_an_error():
    throttle = Throttle(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), throttle.request(1, Stop()):
            raise ZeroDivisionError
    with throttle.request(1, Stop()) as waited:
        assert waited == 0


def test_the_wait_for_a_turn_is_told():
    throttle = Throttle(1)
    inside, waits = threading.Event(), []

    def first():
        with throttle.request(1, Stop()):
            inside.set()
            time.sleep(0.2)

    def second():
        inside.wait()
        with throttle.request(1, Stop()) as waited:
            waits.append(waited)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        pool.submit(second).result()
    assert 0.1 <= waits[0] <= 1.0


# Adapting


def test_a_refusal_halves_what_may_be_under_way_down_to_one():
    world = World()
    throttle = world.throttle(8)
    seen = []
    for _ in range(5):
        throttle.count_refusal(None)
        seen.append(throttle.concurrency)
        world.now += 2
    assert seen == [4, 2, 1, 1, 1]


def test_refusals_of_requests_that_were_under_way_together_are_one_piece_of_news():
    throttle = World().throttle(8)
    for _ in range(8):
        throttle.count_refusal(None)
    assert throttle.concurrency == 4


def test_as_many_successes_as_are_allowed_at_once_allow_one_more_up_to_the_most():
    world = World()
    throttle = world.throttle(8)
    throttle.count_refusal(None)
    needed = []
    while throttle.concurrency < 8:
        before, count = throttle.concurrency, 0
        while throttle.concurrency == before:
            throttle.count_success(1, 1)
            count += 1
        needed.append(count)
    assert all(before <= count <= before + 1 for before, count in zip(range(4, 8), needed, strict=True))
    for _ in range(100):
        throttle.count_success(1, 1)
    assert throttle.concurrency == 8


def test_the_halved_number_is_kept():
    throttle = Throttle(4)
    throttle.count_refusal(None)
    lock = threading.Lock()
    running = most = 0

    def work(_):
        nonlocal running, most
        with throttle.request(1, Stop()):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert most == 2


# Pausing


def test_one_refusal_pauses_nobody_else():
    world = World()
    throttle = world.throttle()
    throttle.count_refusal(30)
    with throttle.request(1, world.stop) as waited:
        assert waited == 0


def test_the_second_refusal_in_a_row_pauses_all_for_what_was_asked():
    world = World()
    throttle = world.throttle()
    throttle.count_refusal(30)
    throttle.count_refusal(20)
    with throttle.request(1, world.stop) as waited:
        assert waited == 20
    with throttle.request(1, world.stop) as waited:
        assert waited == 0
    assert world.slept == [20]


def test_a_success_in_between_is_the_end_of_the_row():
    world = World()
    throttle = world.throttle()
    throttle.count_refusal(30)
    throttle.count_success(1, 1)
    throttle.count_refusal(30)
    with throttle.request(1, world.stop) as waited:
        assert waited == 0


def test_a_pause_is_never_shortened_and_can_grow_while_it_is_waited_for():
    world = World()
    throttle = world.throttle()
    throttle.count_refusal(30)
    throttle.count_refusal(30)
    throttle.count_refusal(5)
    sleep = world.sleep

    def grows(seconds):
        if not world.slept:
            throttle.count_refusal(50)
        sleep(seconds)

    with throttle.request(1, Stop(grows)) as waited:
        assert waited == 50
    assert world.slept == [30, 20]


def test_a_clock_that_stands_still_waits_once():
    throttle = Throttle(1, clock=lambda: 0.0)
    throttle.count_refusal(30)
    throttle.count_refusal(30)
    with throttle.request(1, Stop(lambda _: None)) as waited:
        assert waited == 30


# Cancelling


def test_nothing_begins_after_a_cancel():
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError), Throttle(1).request(1, stop):
        pytest.fail("a request began")


def test_a_cancel_ends_the_wait_for_a_turn():
    stop, inside, leave = Stop(), threading.Event(), threading.Event()
    throttle = Throttle(1)

    def first():
        with throttle.request(1, Stop()):
            inside.set()
            leave.wait(5)

    def second():
        inside.wait()
        with throttle.request(1, stop):
            pytest.fail("a request began")

    with ThreadPoolExecutor(2) as pool:
        holding, waiting = pool.submit(first), pool.submit(second)
        inside.wait()
        time.sleep(0.05)
        stop.set()
        # The request that it waits for goes on until `leave`.
        assert isinstance(waiting.exception(60), CancelledError)
        leave.set()
        holding.result()


# Tokens


def test_the_limiter_is_asked_for_what_a_request_probably_has():
    """A bound of one token for each byte is four times what is counted: a quarter of the rate would be used."""
    world, limiter = World(), Asked()
    throttle = world.throttle(limiter=limiter)
    with throttle.request(1000, world.stop) as waited:
        assert waited == 0.5
    throttle.count_success(1000, 250)
    with throttle.request(1000, world.stop):
        pass
    throttle.count_success(1000, 400)
    with throttle.request(1000, world.stop):
        pass
    # A tenth more than the largest share seen lately.
    assert limiter.tokens == [1000, 275, pytest.approx(440, abs=1)]


def test_a_provider_that_counts_no_tokens_leaves_the_bound():
    limiter = Asked()
    world = World()
    throttle = world.throttle(limiter=limiter)
    throttle.count_success(1000, 0)
    throttle.count_success(0, 0)
    with throttle.request(1000, world.stop):
        pass
    with throttle.request(0, world.stop):
        pass
    assert limiter.tokens == [1000, 0]
