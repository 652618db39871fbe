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


def within(times, rate, burst):
    """No stretch of time has more than the burst and the rate allow."""
    times = sorted(times)
    for first in range(0, len(times), 7):
        for last in range(first, len(times), 7):
            allowed = burst + rate / 60 * (times[last] - times[first])
            # What is timed is the return of a call, which may come late.
            assert last - first <= allowed + 0.05 * rate / 60 + 1


def test_without_limits_there_is_nothing_to_wait_for(tmp_path):
    assert not RateLimits().any
    limiter = Limiter("a", RateLimits(), tmp_path)
    assert limiter.acquire(10**9, pytest.fail) == 0


def test_the_rate_holds_over_threads_and_is_used(tmp_path):
    limiter, times, lock = Limiter("a", RateLimits(RATE), tmp_path), [], threading.Lock()
    end = time.monotonic() + 2

    def work(_):
        while time.monotonic() < end:
            limiter.acquire(0)
            with lock:
                times.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    within(times, RATE, BURST)
    assert len(times) >= 0.9 * (BURST + 2 * RATE / 60)


@pytest.mark.process
def test_the_rate_holds_over_processes_that_share_an_account_and_is_used(tmp_path):
    seconds, processes = 3.0, []
    for _ in range(3):
        command = [sys.executable, str(WORKER), str(tmp_path), str(RATE), str(seconds), "3"]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    shares = [[float(at) for at in process.communicate(timeout=60)[0].split()] for process in processes]
    times = [at for share in shares for at in share]
    # The clock is the same for all processes of a machine.
    within(times, RATE, BURST)
    assert len(times) >= 0.9 * (BURST + seconds * RATE / 60)
    assert min(map(len, shares)) > 0.1 * len(times)


def test_two_limiters_of_one_account_in_one_process_share_it(tmp_path):
    first, second = (Limiter("a", RateLimits(60), tmp_path) for _ in range(2))
    assert first.acquire(0, pytest.fail) == 0
    slept = []
    second.acquire(0, lambda seconds: (slept.append(seconds), time.sleep(seconds)))
    assert 0.8 <= sum(slept) <= 1.2


def test_accounts_do_not_share_a_rate(tmp_path):
    for account in ("a", "b", "c"):
        assert Limiter(account, RateLimits(1), tmp_path).acquire(0, pytest.fail) == 0


class Sleeper:
    def __init__(self):
        self.slept = []

    def __call__(self, seconds):
        self.slept.append(seconds)
        time.sleep(seconds)


def test_a_request_of_more_tokens_than_may_be_sent_at_once_waits_for_them_all(tmp_path):
    """A burst of 600,000 tokens a minute is 5,000; a request can have 10,000."""
    limiter, sleep = Limiter("a", RateLimits(tokens_per_minute=600_000), tmp_path), Sleeper()
    started = time.monotonic()
    waited = limiter.acquire(10_000, sleep)
    assert 0.4 <= time.monotonic() - started <= 0.8
    assert waited == pytest.approx(sum(sleep.slept))


def test_tokens_of_small_requests_keep_the_rate(tmp_path):
    limiter = Limiter("a", RateLimits(tokens_per_minute=600_000), tmp_path)
    started, tokens = time.monotonic(), 0
    while time.monotonic() - started < 1.5:
        limiter.acquire(500)
        tokens += 500
    took = time.monotonic() - started
    assert 0.9 * (5_000 + 10_000 * took) <= tokens + 500
    assert tokens <= 5_000 + 10_000 * took + 500


def test_both_limits_hold_at_once(tmp_path):
    limiter = Limiter("a", RateLimits(requests_per_minute=6000, tokens_per_minute=60_000), tmp_path)
    started = time.monotonic()
    for _ in range(15):
        limiter.acquire(100)  # the tokens' burst is 500
    assert 0.9 <= time.monotonic() - started <= 1.6


def test_a_rate_below_one_in_the_burst_still_lets_requests_through(tmp_path):
    slept = []

    class StopError(Exception):
        pass

    def sleep(seconds):
        slept.append(seconds)
        raise StopError

    limiter = Limiter("a", RateLimits(requests_per_minute=1), tmp_path)
    assert limiter.acquire(0, sleep) == 0
    with pytest.raises(StopError):
        limiter.acquire(0, sleep)
    assert slept == [pytest.approx(60, abs=1)]


# State


def state(folder):
    (file,) = folder.glob("*.json")
    return file


@pytest.mark.process
def test_what_was_sent_before_counts_in_a_new_process(tmp_path):
    Limiter("a", RateLimits(60), tmp_path).acquire(0)
    code = """
import sys, pathlib, time
from embeddings_orch.policy.limiter import Limiter, RateLimits
limiter = Limiter("a", RateLimits(60), pathlib.Path(sys.argv[1]))
def sleep(seconds):
    print(seconds)
    time.sleep(seconds)
limiter.acquire(0, sleep)
"""
    state(tmp_path).write_text(
        json.dumps({key: time.monotonic() + 5 for key in json.loads(state(tmp_path).read_text())})
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    slept = [float(line) for line in done.stdout.split()]
    assert 1 < sum(slept) < 6


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


def test_where_nothing_can_be_written_the_rate_holds_in_this_process(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    limiter, sleep = Limiter("a", RateLimits(120), tmp_path / "file" / "limits"), Sleeper()
    for _ in range(3):
        limiter.acquire(0, sleep)
    assert 0.8 <= sum(sleep.slept) <= 1.3
    assert "rate limits are kept by this process alone" in caplog.text


def test_a_cache_folder_that_is_deleted_meanwhile_ends_nothing(tmp_path):
    folder = tmp_path / "limits"
    limiter, sleep = Limiter("a", RateLimits(120), folder), Sleeper()
    limiter.acquire(0, sleep)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    for _ in range(3):
        limiter.acquire(0, sleep)
    assert sum(sleep.slept) >= 0.8


def test_the_users_cache_folder_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Limiter("a", RateLimits(60)).acquire(0)
    assert state(tmp_path / "cache" / "embeddings_orch" / "limits").name == "a.json"
