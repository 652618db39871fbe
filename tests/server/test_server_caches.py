"""What the server keeps for a moment, or while there is room."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.server.gate.keys import SESSION_SECONDS, Keys
from embeddings_orch.server.shared.caches import ByteCache, FreshCache


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_bytes_that_several_threads_ask_for_at_once_are_made_once():
    cache, made, gate = ByteCache(100), [], threading.Event()

    def make():
        made.append(1)
        gate.wait()
        return b"made"

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(cache.get_or_make, "a", make) for _ in range(4)]
        assert cache.get_or_make("b", lambda: b"another") == b"another"
        gate.set()
        assert {one.result() for one in asked} == {b"made"}
    assert len(made) == 1
    assert (cache.get("a"), cache.size) == (b"made", len(b"made" + b"another"))


def test_bytes_that_cannot_be_made_are_tried_again():
    cache = ByteCache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("a", lambda: bytes(1 // 0))
    assert cache.get_or_make("a", lambda: b"made") == b"made"


def test_the_bytes_that_were_not_asked_for_the_longest_go_first():
    cache = ByteCache(3)
    for key in "abc":
        cache.get_or_make(key, key.encode)
    cache.get("a")
    cache.get_or_make("d", lambda: b"d")
    assert [cache.get(key) for key in "abcd"] == [b"a", None, b"c", b"d"]
    assert cache.get_or_make("large", lambda: b"1234") == b"1234"
    assert (cache.get("large"), cache.size) == (None, 3)


def test_what_was_read_is_as_old_as_its_readings_begin():
    clock = Clock()
    cache = FreshCache(2, 10.0, clock)

    def read_slowly():
        clock.now += 6
        return "old"

    assert cache.get_or_read("a", read_slowly) == "old"
    clock.now = 9.9
    assert cache.get_or_read("a", pytest.fail) == "old"
    clock.now = 10.0
    assert cache.get_or_read("a", lambda: "new") == "new"


def test_what_is_not_there_is_looked_for_each_time():
    cache = FreshCache(1, 10.0, Clock())
    assert cache.get_or_read("a", lambda: "there") == "there"
    assert cache.get_or_read("b", lambda: None) is None
    assert cache.get_or_read("a", pytest.fail) == "there", "what is not there took a place"
    assert cache.get_or_read("b", lambda: "now there") == "now there"


def test_a_session_ends_by_itself():
    clock = Clock()
    keys = Keys("the key", clock)
    token = keys.open_session()
    clock.now = SESSION_SECONDS - 1
    assert keys.is_session(token)
    clock.now = SESSION_SECONDS
    assert not keys.is_session(token)
    keys.close_session(token)
