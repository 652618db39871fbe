"""The store's tables: what is written, what is not, and what several writers make of it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from content_ids import text_ids, text_keys
from embeddings_orch.errors import StoreError
from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.models.analysis import Analysis
from embeddings_orch.models.content import Failure
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store import Store
from embeddings_orch.store.database import FORMAT
from embeddings_orch.store.tables.generations import CheckResult, Generation, IndexedModel
from embeddings_orch.store.tables.published import Pointer
from embeddings_orch.store.tables.states import EmbeddingState

K1, K2 = b"1" * 32, b"2" * 32
BOTH = Inputs.from_weights({"media": 0.7, "caption": 0.3})


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def catalog(captions):
    rows = [
        {"id": key, "uri": f"/{key}", "content_hash": key * 8, "modality": "image", "caption": caption}
        for key, caption in sorted(captions.items())
    ]
    return pa.Table.from_pylist(rows, schema=CATALOG_SCHEMA)


def captions(table):
    return dict(zip(table["id"].to_pylist(), table["caption"].to_pylist(), strict=True))


def versions(store):
    return {name: store.open(name).version for name in store.table_names()}


def test_reading_a_store_that_is_not_there_finds_nothing_and_makes_no_folder(store, tmp_path):
    assert not store.exists
    assert store.table_names() == []
    assert store.catalog("p").read() is None
    assert store.catalog("p").version() is None
    assert len(store.vectors("f").keys()) == 0
    assert store.vectors("f").dimensions() is None
    assert list(store.vectors("f").scan()) == []
    assert store.failures.of("f") == {}
    assert store.failures.count() == 0
    assert store.states.get("p", "e") is None
    assert store.generations.of("p", "i") == []
    assert store.generations.get("g") is None
    assert store.published.get("p", "i") == Pointer(None)
    assert store.index("index.p.i.0").digests() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("few", [True, False], ids=["merge", "rewrite"])
def test_the_catalog_holds_exactly_what_was_written(store, few):
    many = {f"k{number:04}": f"caption {number}" for number in range(1000)}
    table = store.catalog("p")
    table.write(catalog(many), list(many), [])
    first = table.version()
    edited = dict(many)
    changed = [f"k{number:04}" for number in range(20 if few else 400)]
    for key in changed:
        edited[key] = "it's edited"
    deleted = ["k0998", "k0999"]
    for key in deleted:
        edited.pop(key)
    edited["new"] = "new"

    second = table.write(catalog(edited), [*changed, "new"], deleted)

    assert captions(table.read()) == edited
    assert table.read()["id"].to_pylist() == sorted(edited)
    assert table.version() == second > first
    assert captions(table.read(first)) == many
    assert table.read(second + 100) is None


def test_a_catalog_of_other_columns_is_rewritten_and_the_old_one_stays_readable(store):
    table = store.catalog("p")
    table.write(catalog({"a": "one", "b": "two"}), ["a", "b"], [])
    first = table.version()
    wider = catalog({"a": "one", "b": "two"}).append_column("year", pa.array([1999, None], pa.int64()))

    table.write(wider, ["a"], [])

    assert table.read()["year"].to_pylist() == [1999, None]
    assert "year" not in table.read(first).schema.names


@pytest.mark.parametrize("ids", [["it's"], ["a", "b", "c"]])
def test_only_deletions_are_written_too(store, ids):
    table = store.catalog("p")
    table.write(catalog(dict.fromkeys([*ids, "stays"], "x")), [*ids, "stays"], [])

    table.write(catalog({"stays": "x"}), [], ids)

    assert captions(table.read()) == {"stays": "x"}


def test_catalogs_of_two_pipelines_are_apart(store):
    store.catalog("one").write(catalog({"a": "1"}), ["a"], [])
    store.catalog("two").write(catalog({"b": "2"}), ["b"], [])
    assert captions(store.catalog("one").read()) == {"a": "1"}
    assert captions(store.catalog("two").read()) == {"b": "2"}


def test_vectors_are_taken_in_the_order_asked_for_with_nulls_where_there_are_none(store):
    table = store.vectors("f")
    table.append(text_ids(["a", "b"]), np.array([[1, 2], [3, 4]], np.float32))
    table.append(text_ids(["c"]), [np.array([5, 6], np.float32)])

    taken = table.take(text_keys("c", "missing", "a", None, "c"))

    assert taken.to_pylist() == [[5, 6], None, [1, 2], None, [5, 6]]
    assert table.take(text_keys()).to_pylist() == []
    assert table.dimensions() == 2


def test_a_vector_that_two_writers_appended_counts_once(store):
    table = store.vectors("f")
    table.append(text_ids(["a", "b"]), np.eye(2, dtype=np.float32))
    table.append(text_ids(["b", "c"]), np.array([[0, 1], [1, 1]], np.float32))

    assert sorted(table.keys().to_pylist()) == sorted(text_keys("a", "b", "c").to_pylist())
    assert table.take(text_keys("a", "b", "c")).to_pylist() == [[1, 0], [0, 1], [1, 1]]


def test_vectors_are_taken_in_chunks_of_one_version(store):
    table = store.vectors("f")
    table.append(text_ids(["a", "b", "c"]), np.array([[1], [2], [3]], np.float32))

    chunks = table.chunks(text_keys("c", "missing", "a", "b", "d"), 2)
    first = next(chunks).to_pylist()
    table.append(text_ids(["d"]), np.array([[4]], np.float32))

    assert [first, *(chunk.to_pylist() for chunk in chunks)] == [[[3], None], [[1], [2]], [None]]
    assert [len(chunk) for chunk in table.chunks(text_keys(), 2)] == [0]


def test_the_vectors_of_some_keys_are_scanned_with_their_duplicates(store):
    table = store.vectors("f")
    for start in range(0, 60, 20):
        keys = [str(number) for number in range(start, start + 20)]
        table.append(text_ids(keys), np.arange(start, start + 20, dtype=np.float32)[:, None])
    table.append(text_ids(["7"]), np.array([[7]], np.float32))

    batches = list(table.scan(text_keys("7", "59", "missing", "20"), batch_rows=8))

    rows = [row for batch in batches for row in batch.to_pylist()]
    assert rows == [{"key": text_keys(key)[0].as_py(), "vector": [float(key)]} for key in ("7", "20", "59", "7")]


def test_appending_nothing_writes_nothing(store, tmp_path):
    store.vectors("f").append([], [])
    assert list(tmp_path.iterdir()) == []


def test_writers_at_the_same_time_lose_nothing(store):
    # Each with a store of its own, as in two processes.
    def append(number):
        keys = [f"{number}-{row}" for row in range(20)]
        Store(store.uri).vectors("f").append(text_ids(keys), np.ones((20, 4), np.float32))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(append, range(12)))

    assert len(store.vectors("f").keys()) == 240


def test_failures_are_replaced_and_forgotten(store):
    one, two = Failure(K1, "/1", "broken"), Failure(K2, "/2", "it's empty", "transient")
    store.failures.replace("f", [], [one, two])
    store.failures.replace("other", [], [one])
    assert store.failures.of("f") == {K1: one, K2: two}

    worse = Failure(K1, "/1", "worse")
    store.failures.replace("f", [K2], [worse])

    assert store.failures.of("f") == {K1: worse}
    assert store.failures.of("other") == {K1: one}
    assert store.failures.count() == 2


def test_the_same_failures_again_write_nothing(store):
    one = Failure(K1, "/1", "broken")
    store.failures.replace("f", [bytes(32)], [one])
    before = versions(store)

    store.failures.replace("f", [bytes(32)], [one])
    store.failures.replace("f", [], [])

    assert versions(store) == before


def test_nothing_failed_makes_no_table(store, tmp_path):
    store.failures.replace("f", ["a", "b"], [])
    assert list(tmp_path.iterdir()) == []


def generation(key="g-1", **settings):
    settings_of_model = {"name": "toy", "retry": {"max_retries": 7}}
    model = IndexedModel("clip", "counting", "f" * 64, BOTH, 8, settings_of_model)
    return Generation(key, "p", "i", "index.p.i.0", 3, 12, (model,), "cosine", **settings)


def test_a_generation_comes_back_as_it_was_kept(store):
    kept = generation(
        full_text=("caption",),
        analysis=Analysis("icu", "German", stop_words=("der", "die")),
        search={"nprobes": 20, "refine_factor": 10},
        checks=(CheckResult("row_parity", True, True, {"rows": 12}, "it's all there"),),
    )
    store.generations.put(kept)
    assert store.generations.get("g-1") == kept
    assert store.generations.of("p", "i") == [kept]
    assert store.generations.of("p", "other") == []
    assert store.generations.get("g-2") is None


def test_keeping_a_generation_again_replaces_it(store):
    store.generations.put(generation())
    store.generations.put(generation("g-2"))
    failed = CheckResult("recall_at_10", False, True, {"recall": 0.1}, "too low")
    store.generations.put(generation(checks=(failed,)))

    assert [one.id for one in store.generations.of("p", "i")] == ["g-2", "g-1"]
    assert store.generations.get("g-1").checks == (failed,)


@pytest.mark.parametrize(
    ("checks", "passed"),
    [
        ((), False),
        ((CheckResult("a", True), CheckResult("b", False, blocking=False)), True),
        ((CheckResult("a", True), CheckResult("b", False)), False),
    ],
    ids=["not run", "warning", "failed"],
)
def test_a_generation_passed_when_its_checks_ran_and_no_blocking_one_failed(checks, passed):
    assert generation(checks=checks).passed is passed


def test_publishing_moves_the_pointer_of_one_index_only(store):
    assert store.published.swap("p", "i", None, "g-1")
    assert store.published.swap("p", "j", None, "h-1")
    assert store.published.swap("p", "i", "g-1", "g-2")

    assert store.published.get("p", "i").generation == "g-2"
    assert store.published.get("p", "j").generation == "h-1"
    assert store.published.get("q", "i").generation is None


def test_a_publish_that_expects_another_generation_changes_nothing(store):
    store.published.swap("p", "i", None, "g-1")
    before = versions(store)

    assert not store.published.swap("p", "i", None, "g-2")
    assert not store.published.swap("p", "i", "g-0", "g-2")

    assert store.published.get("p", "i") == Pointer("g-1")
    assert versions(store) == before


@pytest.mark.parametrize("first", [True, False], ids=["first publish", "later publish"])
def test_of_writers_that_publish_at_the_same_time_one_wins(store, first):
    expected = None
    if not first:
        expected = "g-0"
        store.published.swap("p", "i", None, expected)
    stores = [Store(store.uri) for _ in range(5)]
    barrier = threading.Barrier(5)

    def publish(number):
        barrier.wait()
        return stores[number].published.swap("p", "i", expected, f"g-{number + 1}")

    with ThreadPoolExecutor(5) as pool:
        won = list(pool.map(publish, range(5)))

    assert won.count(True) == 1
    assert store.published.get("p", "i").generation == f"g-{won.index(True) + 1}"
    assert store.open("pointers").count_rows() == 1


def test_a_state_is_kept_and_the_same_one_writes_nothing(store):
    state = EmbeddingState("f" * 64, BOTH, {"name": "toy", "dim": 8}, 3, "0d" * 32, None)
    store.states.put("p", "e", state)
    before = versions(store)
    store.states.put("p", "e", state)
    assert store.states.get("p", "e") == state
    assert versions(store) == before

    newer = EmbeddingState(
        "g" * 64, Inputs.ready("made"), {}, 4, "0e" * 32, 12.5, vectors_version=7, contents=3, covered=2, failed=1
    )
    store.states.put("p", "e", newer)

    assert store.states.get("p", "e") == newer
    assert store.states.get("p", "other") is None


def test_a_store_of_a_newer_format_is_refused_with_what_to_do(store, tmp_path):
    store.failures.replace("f", [], [Failure(K1, "/k", "broken")])
    meta = lancedb.connect(store.uri).open_table("meta")
    meta.update(where="key = 'format'", values={"value": str(FORMAT + 1)})

    with pytest.raises(StoreError, match=rf"has format {FORMAT + 1}.*reads up to {FORMAT}: upgrade embeddings-orch"):
        Store(store.uri).catalog("p").read()
    with pytest.raises(StoreError, match="upgrade"):
        Store(store.uri).vectors("f").append(text_ids(["a"]), np.ones((1, 2), np.float32))


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "store").write_text("a file")

    with pytest.raises(StoreError, match=rf"the store {tmp_path}/store cannot be used"):
        Store(str(tmp_path / "store")).catalog("p").write(catalog({"a": "1"}), ["a"], [])


def test_a_table_that_is_damaged_is_an_error_and_not_an_empty_one(store):
    store.failures.replace("f", [], [Failure(K1, "/k", "broken")])
    for file in Path(store.uri).glob("embedding_failures.lance/_versions/*"):
        file.write_bytes(b"garbage")

    with pytest.raises(StoreError, match="embedding_failures of the store .* cannot be read"):
        Store(store.uri).failures.of("f")


def test_a_write_says_what_is_wrong_with_the_place(tmp_path):
    (tmp_path / "file").write_text("x")
    table = pa.table({"id": ["a"]})
    for place in (tmp_path / "file", "/proc/nowhere"):
        store = Store(str(place))
        with pytest.raises(StoreError, match=rf"the store {place} cannot be used"):
            store.create("claims", table.schema)


@pytest.mark.process
def test_the_first_write_of_a_process_warns_of_nothing(tmp_path):
    code = (
        "import sys, pyarrow as pa\nfrom embeddings_orch.store import Store\n"
        "store = Store(sys.argv[1])\nassert store.read('catalog.x') is None\n"
        "rows = pa.table({'id': ['a']}, schema=pa.schema([pa.field('id', pa.string(), nullable=False)]))\n"
        "store.overwrite('catalog.x', rows, primary_key='id')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "LANCEDB_LOG"},
    )
    assert done.stderr == ""


def test_a_store_in_memory_reads_what_it_wrote():
    store = Store("memory://reads-what-it-wrote")
    store.published.swap("p", "i", None, "a-1")
    assert store.exists
    assert store.published.get("p", "i").generation == "a-1"
