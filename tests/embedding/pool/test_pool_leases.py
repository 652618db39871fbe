"""Who keeps a model in memory: whoever has a lease on it, and nobody else."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from embeddings_orch.embedding.contents import vectors_of
from embeddings_orch.embedding.pool.pool import ModelPool, shared_pool
from embeddings_orch.errors import CancelledError
from embeddings_orch.models.identity import operational
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

LONG = 60.0
TOY = CountingConfig(name="toy")


class Loads:
    """The embedders that were made and closed."""

    def __init__(self, monkeypatch):
        self.made, self.closed = [], []
        load = CountingEmbedder.__init__

        def counted(embedder, config):
            self.made.append(config.name)
            load(embedder, config)

        monkeypatch.setattr(CountingEmbedder, "__init__", counted)
        monkeypatch.setattr(CountingEmbedder, "close", lambda embedder: self.closed.append(embedder.config.name))


@pytest.fixture
def loads(monkeypatch):
    return Loads(monkeypatch)


@pytest.fixture
def pool():
    pool = ModelPool()
    yield pool
    pool.close()


def use(lease, config=TOY):
    """Ask the model of a config for something."""
    model = lease.model(config)
    (vector,) = model.embed(model.prepare("text", ["a dog"], "document"))
    return vector


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_model_is_loaded_once_and_goes_with_the_last_lease(pool, loads, order):
    leases = [pool.lease() for _ in range(3)]
    for lease in leases:
        use(lease)
    assert loads.made == ["toy"]
    for number in order:
        assert loads.closed == []
        leases[number].close()
    assert loads.closed == ["toy"]


def test_a_closed_lease_can_be_asked_again(pool, loads):
    with pool.lease() as lease:
        use(lease)
    use(lease)
    assert (loads.made, loads.closed) == (["toy", "toy"], ["toy"])


def test_a_dropped_lease_frees_its_model_when_another_is_asked_for(pool, loads):
    kept, dropped = pool.lease(), pool.lease()
    use(dropped)
    del dropped
    gc.collect()
    assert loads.closed == []
    use(kept, CountingConfig(name="other"))
    assert loads.closed == ["toy"]


def test_who_asks_for_the_model_of_a_dropped_lease_keeps_it(pool, loads):
    lease = pool.lease()
    use(lease)
    lease = None  # as a notebook does that opens its index again
    gc.collect()
    lease = pool.lease()
    use(lease)
    assert (loads.made, loads.closed) == (["toy"], [])


def test_a_lease_that_is_closed_meanwhile_leaves_the_model_to_who_holds_it(pool, loads):
    lease = pool.lease()
    with lease.holding(TOY) as model:
        lease.close()
        with model.bulk() as step:
            assert vectors_of(step, "text", ["a dog"]).shape == (1, 8)
        assert loads.closed == []
    assert loads.closed == ["toy"]


def test_a_held_model_stays_with_its_lease(pool, loads):
    lease = pool.lease()
    for _ in range(2):
        with lease.holding(TOY) as model:
            model.load()
    assert (loads.made, loads.closed) == (["toy"], [])
    lease.close()
    assert loads.closed == ["toy"]


def test_a_pools_own_models_stay_until_it_is_closed(pool, loads):
    lease = pool.lease()
    use(lease)
    use(pool)
    lease.close()
    assert loads.closed == []
    pool.close()
    assert loads.closed == ["toy"]


def test_a_closed_pool_takes_the_models_from_everyone(pool, loads):
    lease = pool.lease()

    def interrupted():
        with lease.model(TOY).bulk() as step:
            assert vectors_of(step, "text", ["a dog"]).shape == (1, 8)
            pool.close()
            vectors_of(step, "text", ["a dog"])

    with pytest.raises(CancelledError, match="the model is released"):
        interrupted()
    use(lease)
    assert (loads.made, loads.closed) == (["toy", "toy"], ["toy"])


class OnDevice(CountingConfig):
    provider: ClassVar[str] = "on-device"

    device: str = operational("auto", description="Where it computes.")


def test_a_local_model_is_one_for_each_device_that_is_asked_for(pool):
    first, same, other = (
        OnDevice(device=device, batch_size=size) for device, size in (("cpu", 1), ("cpu", 2), ("b", 1))
    )
    assert first.fingerprint() == other.fingerprint()
    assert pool.model(first) is pool.model(same)
    assert pool.model(first) is not pool.model(other)
    assert pool.model(first).config.batch_size == 1


def test_the_first_use_by_many_threads_loads_a_model_once(pool, loads):
    barrier = threading.Barrier(8)

    def ask(number):
        lease = pool.lease()
        barrier.wait(LONG)
        if number % 2:
            use(lease)
        else:
            with lease.holding(TOY) as model, model.bulk() as step:
                vectors_of(step, "text", [f"text {number}"])
        return lease

    with ThreadPoolExecutor(8) as threads:
        leases = list(threads.map(ask, range(8)))
    assert loads.made == ["toy"]
    for lease in leases:
        lease.close()
    assert loads.closed == ["toy"]


def test_leases_that_come_and_go_in_many_threads_leave_nothing(pool, loads):
    def ask(number):
        for _ in range(20):
            config = CountingConfig(name=f"toy {number % 2}")
            with pool.lease() as lease, lease.holding(config) as model, model.bulk() as step:
                vectors_of(step, "text", ["a dog"])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(ask, range(6)))
    assert len(loads.made) == len(loads.closed)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_loads_its_models_itself():
    """It has none of the threads that run the batches, so that a model of its parent would never answer."""
    lease = shared_pool().lease()
    before = use(lease)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        signal.alarm(60)  # ends it, where it waits for ever
        try:
            os.write(writer, use(lease).tobytes())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        np.testing.assert_array_equal(np.frombuffer(answer.read(), np.float32), before)
    os.waitpid(child, 0)
