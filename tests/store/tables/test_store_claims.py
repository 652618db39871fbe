"""Claims: one holder for each key, whoever asks at the same time, and none for ever."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.store import Store, tidy
from embeddings_orch.store.tables.claims import ClaimsTable


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def claims(store, clock):
    return ClaimsTable(store, clock)


def test_what_one_holds_another_cannot_take(claims):
    assert claims.take(["a", "b"], "one", 60) == {"a", "b"}
    assert claims.take(["b", "c"], "two", 60) == {"c"}
    assert claims.take(["a"], "one", 60) == {"a"}
    assert claims.free(["a", "b", "c", "d"]) == ["d"]


def test_asking_for_what_others_hold_writes_nothing(claims, store):
    claims.take(["a"], "one", 60)
    before = store.open("claims").version
    assert claims.take(["a"], "two", 60) == set()
    assert store.open("claims").version == before


def test_what_is_released_can_be_taken(claims):
    claims.take(["a"], "one", 60)
    claims.take(["b"], "two", 60)
    claims.release("one")
    assert claims.take(["a", "b"], "three", 60) == {"a"}


@pytest.mark.parametrize("takes", [1, 2])
def test_old_versions_go_also_where_each_run_makes_the_same_number_of_commits(claims, store, monkeypatch, takes):
    pruned = []
    monkeypatch.setattr(tidy, "prune", lambda table, *_: pruned.append(table.at().version))

    while claims.take(["a"], "one", 60) and store.open("claims").version < 45:
        for number in range(1, takes):
            claims.take([f"a{number}"], "one", 60)
        claims.release("one")

    assert {version // 20 for version in pruned} >= {1, 2}


def test_an_expired_claim_is_taken_over_and_an_extended_one_is_not(claims, clock):
    claims.take(["a"], "one", 60)
    claims.take(["b"], "two", 60)
    clock.now += 40
    claims.extend("two", 60)
    clock.now += 30

    assert claims.free(["a", "b"]) == ["a"]
    assert claims.take(["a", "b"], "three", 60) == {"a"}
    assert claims.take(["a"], "one", 60) == set()


def test_the_claim_of_a_holder_that_is_gone_is_taken_over_before_it_expires(claims):
    claims.take(["a"], "dead", 60)
    claims.take(["b"], "living", 60)
    assert claims.take(["a", "b"], "two", 60, gone=lambda holder: holder == "dead") == {"a"}


@pytest.mark.parametrize("before", [0, 1], ids=["free", "expired"])
def test_of_many_that_ask_at_the_same_time_one_holds_each_key(store, clock, before):
    keys = [f"k{number}" for number in range(12)]
    if before:
        ClaimsTable(store, clock).take(keys, "dead", 60)
        clock.now += 61
    stores = [Store(store.uri) for _ in range(4)]
    barrier = threading.Barrier(4)

    def take(number):
        table = ClaimsTable(stores[number], clock)
        barrier.wait()
        order = keys[3 * number :] + keys[: 3 * number]
        return [key for start in range(0, 12, 4) for key in table.take(order[start : start + 4], f"h{number}", 60)]

    with ThreadPoolExecutor(4) as pool:
        held = [key for part in pool.map(take, range(4)) for key in part]

    assert Counter(held) == Counter(keys)
    assert store.open("claims").count_rows() == 12
