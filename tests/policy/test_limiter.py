"""Requests and tokens a minute: over threads, over processes, over restarts."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embeddings_orch.policy.limiter import Limiter, RateLimits

WORKER = Path(__file__).parent / "limiter_worker.py"
RATE = 6000  # a minute, a hundred a second
BURST = 50  # half a second of it


class World:
    """A time that passes only while somebody sleeps; who sleeps at the same time, sleeps together."""

    def __init__(self):
        self.now, self.slept, self._lock = 1000.0, [], threading.Lock()

    def clock(self):
        return self.now

    def sleep(self, seconds):
        until = self.now + seconds
        with self._lock:
            self.now = max(self.now, until)
            self.slept.append(seconds)


@pytest.fixture
def world():
    return World()


def within(times, rate, burst):
    """No stretch of time has more than the burst and the rate allow; the clock may move before it is written down."""
    times = sorted(times)
    for first in range(0, len(times), 7):
        for last in range(first, len(times), 7):
            assert (
                last - first <= burst + rate / 60 * (times[last] - times[first]) + 9
            )  # a clock moves between two steps


def test_without_limits_there_is_nothing_to_wait_for(tmp_path):
    assert not RateLimits().any
    limiter = Limiter("a", RateLimits(), tmp_path)
    assert limiter.acquire(10**9, pytest.fail) == 0


def test_the_rate_holds_over_threads_and_is_used(tmp_path, world):
    limiter, times, lock = Limiter("a", RateLimits(RATE), tmp_path, world.clock), [], threading.Lock()
    start = world.now

    def work(_):
        while world.now < start + 2:
            limiter.acquire(0, world.sleep)
            with lock:
                times.append(world.now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    within(times, RATE, BURST)
    assert len(times) >= 0.9 * (BURST + 2 * RATE / 60)


@pytest.mark.process
def test_the_rate_holds_over_processes_that_share_an_account(tmp_path):
    processes = []
    for _ in range(3):
        command = [sys.executable, str(WORKER), str(tmp_path), str(RATE), "1.5", "3"]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    started = time.monotonic()  # the clock is the same for all processes of a machine
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    shares = [[float(at) for at in process.communicate(timeout=100)[0].split()] for process in processes]
    assert all(shares)
    # A call may return late, which makes the stretch longer and allows more.
    for count, at in enumerate(sorted(at for share in shares for at in share), start=1):
        assert count <= BURST + RATE / 60 * (at - started) + 1


def test_two_limiters_of_one_account_in_one_process_share_it(tmp_path, world):
    first, second = (Limiter("a", RateLimits(60), tmp_path, world.clock) for _ in range(2))
    assert first.acquire(0, pytest.fail) == 0
    assert second.acquire(0, world.sleep) == pytest.approx(1)


def test_accounts_do_not_share_a_rate(tmp_path):
    for account in ("a", "b", "c"):
        assert Limiter(account, RateLimits(1), tmp_path).acquire(0, pytest.fail) == 0


def test_a_request_of_more_tokens_than_may_be_sent_at_once_waits_for_them_all(tmp_path, world):
    """A burst of 600,000 tokens a minute is 5,000; a request can have 10,000."""
    limiter = Limiter("a", RateLimits(tokens_per_minute=600_000), tmp_path, world.clock)
    assert limiter.acquire(10_000, world.sleep) == pytest.approx(0.5)
    assert sum(world.slept) == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [600_000, 7_000_000, 50_000_001])
def test_tokens_of_small_requests_keep_the_rate_and_use_it(tmp_path, world, rate):
    limiter, started, tokens = Limiter("a", RateLimits(tokens_per_minute=rate), tmp_path, world.clock), world.now, 0
    while world.now - started < 1.5:
        limiter.acquire(rate // 1200, world.sleep)
        tokens += rate // 1200
    assert tokens == pytest.approx(rate / 120 + rate / 60 * (world.now - started), rel=0.01)


def test_both_limits_hold_at_once(tmp_path, world):
    limits = RateLimits(requests_per_minute=6000, tokens_per_minute=60_000)
    limiter = Limiter("a", limits, tmp_path, world.clock)
    for _ in range(15):
        limiter.acquire(100, world.sleep)  # the tokens' burst is 500
    assert sum(world.slept) == pytest.approx(1, abs=0.02)


def test_a_rate_below_one_in_the_burst_still_lets_requests_through(tmp_path, world):
    limiter = Limiter("a", RateLimits(requests_per_minute=1), tmp_path, world.clock)
    assert limiter.acquire(0, pytest.fail) == 0
    assert limiter.acquire(0, world.sleep) == pytest.approx(60)


# State


def state(folder):
    (file,) = folder.glob("*.json")
    return file


@pytest.mark.process
def test_what_was_sent_before_counts_in_a_new_process(tmp_path):
    Limiter("a", RateLimits(60), tmp_path).acquire(0)
    code = """
import sys, pathlib
from embeddings_orch.policy.limiter import Limiter, RateLimits
limiter = Limiter("a", RateLimits(60), pathlib.Path(sys.argv[1]))
def sleep(seconds):
    print(seconds)
    sys.exit()
limiter.acquire(0, sleep)
"""
    state(tmp_path).write_text(
        json.dumps({key: time.monotonic() + 100 for key in json.loads(state(tmp_path).read_text())})
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    slept = [float(line) for line in done.stdout.split()]
    assert 1 < sum(slept) < 101


def test_the_state_of_before_a_restart_of_the_machine_holds_nothing_up(tmp_path):
    """The monotonic clock begins anew then: what is kept lies days ahead."""
    Limiter("a", RateLimits(60), tmp_path).acquire(0)
    kept = json.loads(state(tmp_path).read_text())
    state(tmp_path).write_text(json.dumps({key: time.monotonic() + 86_400 for key in kept}))
    assert Limiter("a", RateLimits(60), tmp_path).acquire(0, pytest.fail) == 0


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"x": "y"}', "null", "\0\0"])
def test_a_broken_state_is_as_none(tmp_path, broken):
    Limiter("a", RateLimits(60), tmp_path).acquire(0)
    state(tmp_path).write_text(broken)
    assert Limiter("a", RateLimits(60), tmp_path).acquire(0, pytest.fail) == 0
    assert json.loads(state(tmp_path).read_text())


def test_the_state_shows_nothing_of_the_key(tmp_path):
    from embeddings_orch.policy.secrets import account_of

    Limiter(account_of("openai", "the-key-itself"), RateLimits(60), tmp_path).acquire(0)
    assert "the-key-itself" not in f"{[file.name for file in tmp_path.iterdir()]} {state(tmp_path).read_text()}"


def test_where_nothing_can_be_written_the_rate_holds_in_this_process(tmp_path, caplog, world):
    (tmp_path / "file").write_text("")
    limiter = Limiter("a", RateLimits(120), tmp_path / "file" / "limits", world.clock)
    for _ in range(3):
        limiter.acquire(0, world.sleep)
    assert sum(world.slept) == pytest.approx(1)
    assert "rate limits are kept by this process alone" in caplog.text


def test_a_cache_folder_that_is_deleted_meanwhile_ends_nothing(tmp_path, world):
    folder = tmp_path / "limits"
    limiter = Limiter("a", RateLimits(120), folder, world.clock)
    limiter.acquire(0, world.sleep)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    for _ in range(3):
        limiter.acquire(0, world.sleep)
    assert sum(world.slept) == pytest.approx(1)


def test_the_users_cache_folder_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Limiter("a", RateLimits(60)).acquire(0)
    assert state(tmp_path / "cache" / "embeddings_orch" / "limits").name == "a.json"
