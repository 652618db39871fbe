"""A step's claims: kept alive while it works, given up at its end, and taken over from the dead."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.pipeline.claims import Claims, alone, has_ended
from embeddings_orch.store import Store
from embeddings_orch.store.tables.claims import ClaimsTable


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.mark.process
def test_a_process_that_has_ended_is_known_to_be_gone(store):
    code = "import sys; from embeddings_orch.store import Store; from embeddings_orch.pipeline.claims import Claims\n"
    code += "claims = Claims(Store(sys.argv[1])); claims.take(['a']); print(claims.holder); sys.stdout.flush()\n"
    code += "import os; os._exit(9)"
    ended = subprocess.run([sys.executable, "-c", code, store.uri], capture_output=True, text=True, check=False)

    assert has_ended(ended.stdout.strip())
    with Claims(store) as claims:
        assert not has_ended(claims.holder)
        assert claims.take(["a"]) == {"a"}
    assert not has_ended(f"another machine#{os.getpid()}#0")


def test_claims_live_as_long_as_their_step_and_are_given_up_when_it_fails(store):
    table = ClaimsTable(store)

    def work():
        with Claims(store, seconds=0.3) as claims:
            claims.take(["a"])
            taken = table.of(["a"])["a"]
            # It is extended again and again, however late this machine is.
            while table.of(["a"])["a"].expires_at <= taken.expires_at + 0.3:
                threading.Event().wait(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert table.of(["a"]) == {}


def test_who_works_alone_makes_the_others_wait(store):
    inside, most = [], []

    def work(number):
        with alone(Store(store.uri), "job", sleep=lambda _: threading.Event().wait(0.01)):
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert most == [1, 1, 1, 1]


def test_a_step_that_claims_nothing_writes_nothing(store, tmp_path):
    with Claims(store):
        pass
    assert list(tmp_path.iterdir()) == []
