"""Tables that deployments share: each reads and writes its own rows, and a generation stays while one has it."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from embeddings_orch.errors import StoreError
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store import Store
from embeddings_orch.store.tables.generations import CheckResult, Generation
from embeddings_orch.store.tables.index_states import IndexState
from embeddings_orch.store.tables.published import Pointer
from embeddings_orch.store.tables.states import DeployedState, EmbeddingState

STATE = EmbeddingState("f" * 64, Inputs.from_weights({"media": 1}), {}, 3, "0d" * 32, None)


@pytest.fixture
def main(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.fixture
def branch(tmp_path):
    return Store(str(tmp_path / "store"), "branch")


def generation(key="g-1", **settings):
    return Generation(key, "p", "i", "index.p.i.g", 1, 12, (), "cosine", **settings)


def deployments_of(store, key="g-1"):
    return store.generations.get(key).deployments


def versions(store):
    return {name: store.open(name).version for name in store.table_names()}


def test_a_store_keeps_its_deployment_through_a_pickle(branch):
    copy = pickle.loads(pickle.dumps(branch))
    assert (copy.uri, copy.deployment) == (branch.uri, "branch")


def test_a_deployment_that_cannot_be_one_is_refused(tmp_path):
    with pytest.raises(StoreError, match="'a/b' cannot be the name of a deployment"):
        Store(str(tmp_path), "a/b")


def test_a_pointer_is_of_one_deployment(main, branch):
    assert main.published.swap("p", "i", None, "g-1")
    assert branch.published.get("p", "i") == Pointer(None)
    assert branch.published.swap("p", "i", None, "g-2")

    assert main.published.all() == {("p", "i"): Pointer("g-1")}
    branch.published.remove("p", "i")
    assert branch.published.all() == {}
    assert main.published.get("p", "i") == Pointer("g-1")


def test_moves_are_logged_of_one_deployment(main, branch):
    main.publications.add("p", "i", generation="g-1", previous=None, kind="publish")
    branch.publications.add("p", "i", generation="g-1", previous=None, kind="publish")

    branch.publications.remove("g-1")

    assert branch.publications.of("p", "i") == []
    assert [move.index for move in main.publications.of_pipeline("p")] == ["i"]
    # A table that is made again counts its versions anew, for whoever published one of them.
    branch.publications.remove_table("index.p.i.g")
    assert main.publications.of("p", "i") == []


def test_a_state_is_of_one_deployment(main, branch):
    main.states.put("p", "e", STATE)
    assert branch.states.get("p", "e") is None
    assert branch.states.all() == branch.states.of_pipeline("p") == {}
    assert branch.states.everywhere() == [DeployedState("main", "p", "e", STATE)]

    branch.states.remove("p", "e")

    assert main.states.of_pipeline("p") == {"e": STATE}


def test_an_index_state_is_of_one_deployment_and_the_same_one_writes_nothing(main, branch):
    state = IndexState("g-1", 3, {"f" * 64: 7}, bytes(32))
    main.index_states.put("p", "i", state)
    before = versions(main)
    main.index_states.put("p", "i", state)
    assert versions(main) == before
    branch.index_states.put("p", "i", IndexState("g-2", 1, {}))

    assert main.index_states.get("p", "i") == state
    assert branch.index_states.all() == {("p", "i"): IndexState("g-2", 1, {})}
    branch.index_states.remove("p", "i")
    assert branch.index_states.of_pipeline("p") == {}
    assert main.index_states.of_pipeline("p") == {"i": state}


def test_catalogs_and_tombstones_are_of_one_deployment(main, branch):
    assert main.catalog("p").name == "items.main.p"
    assert branch.catalog("p").name == "items.branch.p"
    assert (branch.tombstones("p").name, branch.tombstones("p").catalog) == ("tombstones.branch.p", "items.branch.p")
    assert main.vectors("f").name == branch.vectors("f").name == "embeddings.f"


def test_a_generation_that_another_deployment_keeps_too_is_of_both(main, branch):
    main.generations.put(generation())
    assert branch.generations.of("p", "i") == branch.generations.of_pipeline("p") == []
    assert [kept.id for kept in branch.generations.all()] == ["g-1"]

    failed = CheckResult("recall_at_10", False, True, {"recall": 0.1}, "too low")
    branch.generations.put(generation(checks=(failed,), digest=bytes(32)))

    assert deployments_of(main) == {"main", "branch"}
    assert main.generations.of("p", "i") == branch.generations.of("p", "i")
    assert (main.generations.get("g-1").checks, main.generations.get("g-1").digest) == ((failed,), bytes(32))


def test_adopting_writes_once_and_says_where_there_is_nothing(main, branch):
    main.generations.put(generation())
    assert branch.generations.adopt("g-1")
    before = versions(main)
    assert branch.generations.adopt("g-1")
    assert versions(main) == before
    assert not branch.generations.adopt("g-2")


def test_a_generation_goes_when_the_last_deployment_forgets_it(main, branch):
    main.generations.put(generation())
    branch.generations.adopt("g-1")

    main.generations.remove(["g-1", "g-2"])

    assert deployments_of(branch) == {"branch"}
    assert main.generations.of("p", "i") == []
    branch.generations.remove(["g-1"])
    assert branch.generations.get("g-1") is None


def test_deployments_that_adopt_at_the_same_time_are_all_in_the_list(main):
    main.generations.put(generation())
    names = [f"branch-{number}" for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        adopted = list(pool.map(lambda name: Store(main.uri, name).generations.adopt("g-1"), names))

    assert all(adopted)
    assert deployments_of(main) == {"main", *names}
