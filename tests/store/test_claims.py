"""A step's claims: kept alive while it works, given up at its end, and taken over from the dead."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.errors import DiskFullError
from embeddings_orch.store import Store
from embeddings_orch.store.claims import Claims, alone, has_ended
from embeddings_orch.store.tables.claims import ClaimsTable
from embeddings_orch.store.watch import Watch


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.mark.process
def test_a_process_that_has_ended_is_known_to_be_gone(store):
    code = "import sys; from embeddings_orch.store import Store; from embeddings_orch.store.claims import Claims\n"
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


@pytest.mark.parametrize("wrong", [None, KeyboardInterrupt])
def test_claims_that_could_not_be_given_up_keep_no_later_step_of_the_process(store, monkeypatch, wrong):
    def fail(*_):
        raise DiskFullError("full")

    def work():
        with Claims(store) as claims:
            claims.take(["a"])
            if wrong:
                raise wrong

    with monkeypatch.context() as patch:
        patch.setattr(ClaimsTable, "release", fail)
        with pytest.raises(wrong or DiskFullError):
            work()
    with Claims(store) as claims:
        assert claims.take(["a"]) == {"a"}


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Machine:
    """A run on a machine whose clocks show what they like.

    Its claims are extended by ``extend`` alone, and by no thread.
    """

    def __init__(self, store, name, wall=0.0, monotonic=0.0):
        self.wall, self.monotonic = Clock(1.7e9 + wall), Clock(monotonic)
        self.claims = Claims(Store(store.uri), sleep=self.live, clock=self.wall, watch=Watch(self.monotonic))
        self.claims.holder = f"{name}#1#0"
        self.claims._extend = lambda: None

    def live(self, seconds):
        self.wall.now += seconds
        self.monotonic.now += seconds

    def extend(self):
        self.claims.table.extend(self.claims.holder, self.claims.seconds)


@pytest.fixture
def make_machine(store):
    machines = []

    def make(*arguments, **clocks):
        machines.append(Machine(store, *arguments, **clocks))
        return machines[-1]

    yield make
    for machine in machines:
        machine.claims.__exit__(None, None, None)


@pytest.mark.parametrize("wall", [-7200, 0, 7200])
@pytest.mark.parametrize("monotonic", [3.0, 9e6])
def test_a_live_run_keeps_its_claims_whatever_the_clock_of_another_shows(make_machine, wall, monotonic):
    holder, observer = make_machine("holder"), make_machine("observer", wall=wall, monotonic=monotonic)
    assert holder.claims.take(["a", "b"]) == {"a", "b"}
    for _ in range(12):
        assert observer.claims.take(["a", "b"]) == set()
        assert observer.claims.free(["a", "b", "c"]) == ["c"]
        for machine in (holder, observer):
            machine.live(20)
        holder.extend()
    assert holder.claims.take(["a"]) == {"a"}


@pytest.mark.parametrize("wall", [-7200, 0, 7200])
def test_clocks_that_go_back_or_stand_still_neither_keep_a_claim_nor_lose_it(make_machine, wall):
    holder, observer = make_machine("holder"), make_machine("observer")
    holder.claims.take(["a"])
    for _ in range(6):
        assert observer.claims.take(["a"]) == set()
        observer.live(40)
        holder.wall.now += wall
        observer.wall.now -= 7200
        holder.extend()
    assert observer.claims.take(["a"]) == set()
    observer.wall.now -= 7200
    observer.monotonic.now += 60
    assert observer.claims.take(["a"]) == {"a"}


@pytest.mark.parametrize("wall", [-7200, 0, 7200])
def test_who_stands_still_loses_its_claims_after_their_time_and_not_before(make_machine, wall):
    holder, observer = make_machine("holder", wall=wall), make_machine("observer")
    holder.claims.take(["a"])
    # However long ago that was: who meets a claim for the first time watches it for its whole time.
    observer.live(86400)
    assert observer.claims.take(["a"]) == set()
    observer.live(59.75)
    assert observer.claims.take(["a"]) == set()
    observer.live(0.25)
    assert observer.claims.free(["a"]) == ["a"]
    assert observer.claims.take(["a"]) == {"a"}

    holder.extend()
    assert holder.claims.take(["a"]) == set()
    holder.claims.release()
    assert observer.claims.take(["a"]) == {"a"}


def test_waiting_for_a_dead_run_lasts_as_long_as_its_claim(make_machine):
    holder, observer = make_machine("holder"), make_machine("observer")
    holder.claims.take(["a"])
    observer.claims.wait(["a"])
    assert 60 <= observer.monotonic.now < 61


def test_of_two_that_find_a_dead_run_at_the_same_time_one_takes_over(make_machine):
    holder, first, second = (make_machine(name) for name in ["holder", "first", "second"])
    holder.claims.take(["a"])
    for observer in (first, second):
        observer.claims.take(["a"])
        observer.live(60)
        assert observer.claims.free(["a"]) == ["a"]
    barrier = threading.Barrier(2)

    def take(observer):
        barrier.wait()
        return observer.claims.take(["a"])

    with ThreadPoolExecutor(2) as pool:
        held = list(pool.map(take, [first, second]))
    assert sorted(held, key=len) == [set(), {"a"}]
    # The other watches the one that took over for as long again.
    assert (first if held[1] else second).claims.free(["a"]) == []


def test_a_claim_that_is_extended_between_the_look_and_the_take_over_stays(make_machine, monkeypatch):
    holder, observer = make_machine("holder"), make_machine("observer")
    holder.claims.take(["a", "b"])
    observer.claims.take(["a", "b"])
    observer.live(60)
    take = observer.claims.table.take

    def take_late(*arguments):
        holder.extend()
        return take(*arguments)

    monkeypatch.setattr(observer.claims.table, "take", take_late)
    assert observer.claims.take(["a", "b", "c"]) == {"c"}
    monkeypatch.undo()
    assert observer.claims.free(["a", "b"]) == []
    observer.live(60)
    assert observer.claims.take(["a", "b"]) == {"a", "b"}


def test_who_looks_rarely_takes_over_from_the_dead_and_not_from_the_living(make_machine):
    holder, observer = make_machine("holder"), make_machine("observer")
    holder.claims.take(["a"])
    for _ in range(3):
        assert observer.claims.take(["a"]) == set()
        observer.live(5000)
        holder.extend()
    assert observer.claims.take(["a"]) == set()
    observer.live(5000)
    assert observer.claims.take(["a"]) == {"a"}


def test_what_one_step_has_watched_the_next_of_the_process_need_not(store):
    now = Clock(0.0)
    watch = Watch(now)
    ClaimsTable(store).take(["a"], "another machine#1#0", 60)
    with Claims(store, watch=watch) as claims:
        assert claims.take(["a"]) == set()
    now.now = 60
    with Claims(Store(store.uri), watch=watch) as claims:
        assert claims.take(["a"]) == {"a"}


def test_asking_for_what_others_hold_writes_nothing(make_machine, store):
    make_machine("holder").claims.take(["a"])
    before = store.open("claims").version
    assert make_machine("observer").claims.take(["a"]) == set()
    assert store.open("claims").version == before


@pytest.mark.parametrize("alive", [True, False])
def test_who_watches_sees_that_a_run_lives_or_is_dead(make_machine, alive):
    holder, observer = make_machine("holder"), make_machine("observer")
    holder.claims.take(["a"])
    looks = []

    def sleep(seconds):
        looks.append(None)
        observer.live(seconds)
        if alive and len(looks) == 5:
            holder.extend()

    observer.claims._sleep = sleep
    observer.claims.watch("a")
    assert len(looks) == 5 if alive else observer.monotonic.now >= 60
    assert observer.claims.free(["a"]) == ([] if alive else ["a"])


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
