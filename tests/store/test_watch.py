"""A watch: how long claims stood unchanged, and how much of them is remembered."""

import pytest

from embeddings_orch.store import watch as watch_module
from embeddings_orch.store.tables.claims import Claim
from embeddings_orch.store.watch import Watch


class Reads:
    """A table whose reads take seconds of the clock."""

    def __init__(self, clock):
        self.claims, self.clock, self.seconds = {}, clock, 0.0

    def put(self, key, value):
        self.claims[key] = Claim(key, "holder", value)

    def of(self, keys):
        self.clock.now += self.seconds
        return {key: self.claims[key] for key in keys if key in self.claims}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reads(clock):
    return Reads(clock)


@pytest.fixture
def unchanged(clock, reads):
    watch = Watch(clock)

    def unchanged(store, *keys):
        return {key: sight.unchanged for key, sight in watch.look(store, reads, keys).items()}

    return unchanged


def test_a_claim_is_as_old_as_the_time_since_it_was_seen_to_change(reads, clock, unchanged):
    reads.put("a", 1.0)
    assert unchanged("store", "a", "b") == {"a": 0}
    clock.now = 50
    assert unchanged("store", "a") == {"a": 50}
    reads.put("a", 2.0)
    assert unchanged("store", "a") == {"a": 0}
    clock.now = 1000
    assert unchanged("store", "a") == {"a": 950}


def test_a_claim_that_was_given_up_meanwhile_is_met_for_the_first_time(reads, clock, unchanged):
    reads.put("a", 1.0)
    unchanged("store", "a")
    del reads.claims["a"]
    clock.now = 50
    assert unchanged("store", "a") == {}
    reads.put("a", 1.0)
    assert unchanged("store", "a") == {"a": 0}


def test_the_time_that_a_read_takes_is_not_counted(reads, clock, unchanged):
    reads.put("a", 1.0)
    reads.seconds = 40
    assert unchanged("store", "a") == {"a": 0}
    clock.now += 10
    assert unchanged("store", "a") == {"a": 10}


def test_each_store_is_watched_for_itself(reads, clock, unchanged):
    reads.put("a", 1.0)
    unchanged("store", "a")
    clock.now = 50
    assert unchanged("another", "a") == {"a": 0}


def test_what_was_met_first_is_forgotten_when_there_is_too_much(reads, clock, unchanged, monkeypatch):
    monkeypatch.setattr(watch_module, "_MOST", 2)
    for key in "abc":
        reads.put(key, 1.0)
    unchanged("store", "a", "b")
    # It changed, and so is known last.
    reads.put("a", 2.0)
    unchanged("store", "a")
    unchanged("store", "c")
    clock.now = 50
    assert unchanged("store", "a", "c") == {"a": 50, "c": 50}
    assert unchanged("store", "b") == {"b": 0}
