"""The table of claims: one holder for each key, and only the claim that was seen is taken over."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

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


def test_asking_for_nothing_writes_nothing(claims, store):
    assert claims.take([], "one", 60) == set()
    assert store.open("claims") is None


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


def test_a_claim_is_taken_over_as_it_was_seen_and_not_as_it_is_since(claims):
    claims.take(["a", "b"], "one", 60)
    claims.take(["c"], "two", 60)
    seen = claims.of(["a", "b", "c"])
    claims.extend("two", 60)
    claims.release("one")
    claims.take(["b"], "one", 60)

    assert claims.take([], "three", 60, list(seen.values())) == {"a"}
    assert claims.take([], "three", 60, list(claims.of(["b", "c"]).values())) == {"b", "c"}


@pytest.mark.parametrize("change", [{"key": "b"}, {"holder": "another"}, {"expires_at": 1060.0000001}])
def test_a_claim_of_another_key_or_holder_or_value_is_not_the_one_that_was_seen(claims, change):
    claims.take(["a"], "one", 60)
    (claim,) = claims.of(["a"]).values()
    assert claims.take([], "two", 60, [replace(claim, **change)]) <= {"b"}
    assert claims.of(["a"]) == {"a": claim}


def test_each_extension_is_another_value_whatever_the_clock_shows(claims, clock):
    claims.take(["a"], "one", 60)
    values = [claims.of(["a"])["a"].expires_at]
    for now in [1000.0, 1000.0, -6200.0, -6200.0, 8200.0, 1000.0]:
        clock.now = now
        claims.extend("one", 60)
        values.append(claims.of(["a"])["a"].expires_at)
    claims.release("one")
    claims.take(["a"], "one", 60)
    values.append(claims.of(["a"])["a"].expires_at)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("before", [0, 1], ids=["free", "over"])
def test_of_many_that_ask_at_the_same_time_one_holds_each_key(store, clock, before):
    keys = [f"k{number}" for number in range(12)]
    if before:
        ClaimsTable(store, clock).take(keys, "dead", 60)
    seen = ClaimsTable(store, clock).of(keys)
    stores = [Store(store.uri) for _ in range(4)]
    barrier = threading.Barrier(4)

    def take(number):
        table = ClaimsTable(stores[number], clock)
        barrier.wait()
        held = []
        order = keys[3 * number :] + keys[: 3 * number]
        for start in range(0, 12, 4):
            part = order[start : start + 4]
            held += table.take([] if before else part, f"h{number}", 60, [seen[key] for key in part if before])
        return held

    with ThreadPoolExecutor(4) as pool:
        held = [key for part in pool.map(take, range(4)) for key in part]

    assert Counter(held) == Counter(keys)
    assert store.open("claims").count_rows() == 12
