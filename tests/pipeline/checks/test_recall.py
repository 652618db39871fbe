"""Approximate indexes: built above a size, measured against exact search, not published where they miss too much."""

import csv

import numpy as np
import pyarrow as pa
import pytest

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.indexes import recall
from embeddings_orch.pipeline.indexes.delta import current_generation
from embeddings_orch.pipeline.indexes.recall import distances
from embeddings_orch.search import Index
from embeddings_orch.store import Store
from embeddings_orch.store.tables import index_table
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.vector_column import VectorColumn
from galleries import Gallery
from kept import after

ROWS = 2000
TABLE = {"source": "table", "path": "texts.csv"}


def write_texts(gallery, count):
    with (gallery.root / "texts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows([f"t{number:05}", f"text number {number}"] for number in range(count))


def declare_texts(gallery):
    write_texts(gallery, ROWS)
    gallery.model(dim=32, batch_size=512)
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["text"], "metric": "cosine"}})


def run_texts(gallery):
    declare_texts(gallery)
    gallery.run()


@pytest.fixture
def texts(make_gallery, monkeypatch):
    """2,000 texts with vectors of 32 dimensions, where search above 500 rows is approximate."""
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    gallery = make_gallery(pictures=0, media=TABLE)
    declare_texts(gallery)
    return gallery


@pytest.fixture
def published_texts(once, monkeypatch):
    """The `texts` after their first run."""
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    return once(run_texts, pictures=0, media=TABLE)


def results(pipeline):
    return {check.name: check for check in check_index(pipeline, "found")}


def weaken(monkeypatch):
    """Leave no search parameters but ones that look at one partition, by its rough vectors alone."""
    monkeypatch.setattr(recall, "_PARAMETERS", ({"nprobes": 1, "refine_factor": 1},))


@pytest.mark.slow
def test_a_large_index_is_approximate_and_reaches_the_recall_that_is_wanted(published_texts):
    generation = current_generation(published_texts.pipeline(), "found")
    assert generation.search["nprobes"] >= 1
    check = results(published_texts.pipeline())["recall_at_10"]
    assert check.passed
    assert 0.95 <= check.metadata["recall"] <= 1
    assert (check.metadata["wanted"], check.metadata["k"], check.metadata["queries"]) == (0.95, 10, 100)
    assert "nprobes" in check.description


@pytest.mark.slow
def test_a_small_index_is_exact(texts):
    write_texts(texts, 400)

    ran = texts.run()

    assert ran.indexes["found"].generation.search == {}
    check = results(texts.pipeline())["recall_at_10"]
    assert check.metadata["recall"] == 1
    assert "exact search" in check.description


@pytest.mark.slow
def test_the_recall_that_is_measured_is_the_share_of_exact_neighbours_found(texts, monkeypatch):
    weaken(monkeypatch)
    texts.declare(indexes={"found": {"vectors": ["toy"], "checks": {"min_recall": 0}}})
    texts.run()
    pipeline = texts.pipeline()
    generation = current_generation(pipeline, "found")
    table = pipeline.store.index(generation.table)
    measured = results(pipeline)["recall_at_10"].metadata["recall"]
    asked = recall.queries(VectorColumn(table, generation, generation.models[0]))
    rows = table.at(generation.version).to_arrow()
    exact = np.argsort(distances(asked, np.stack(rows["toy"].to_numpy()), "cosine"), axis=1)[:, :10]
    ids = np.array(rows["id"].to_pylist())

    reader = table.reader(generation.version)
    found = [
        len(
            set(ids[nearest])
            & set(reader.nearest(query, "toy", metric="cosine", limit=10, search=generation.search)["id"].to_pylist())
        )
        for query, nearest in zip(asked, exact, strict=True)
    ]

    assert measured == pytest.approx(sum(found) / 1000, abs=1e-3)
    assert measured < 0.95


@pytest.mark.slow
def test_an_index_that_misses_too_much_is_refused_and_the_published_one_stays(published_texts, monkeypatch):
    published = published_texts.rows()
    weaken(monkeypatch)
    write_texts(published_texts, ROWS + 5)
    published_texts.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["text"], "checks": {"min_recall": 1}}})

    with pytest.raises(
        PublishRefusedError, match=r"gallery/published/found: generation .* failed recall_at_10: recall@10 is 0\.\d+"
    ) as refused:
        published_texts.run()

    assert "1.0 is wanted" in str(refused.value)
    assert published_texts.rows() == published
    monkeypatch.undo()
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    published_texts.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["text"]}})
    published_texts.run()
    assert len(published_texts.rows()) == ROWS + 5


@pytest.mark.slow
def test_a_wanted_recall_that_is_raised_is_reached_by_a_wider_search(texts, monkeypatch):
    parameters = recall._PARAMETERS
    weaken(monkeypatch)
    texts.declare(indexes={"found": {"vectors": ["toy"], "checks": {"min_recall": 0}}})
    texts.run()
    version = texts.versions()
    monkeypatch.setattr(recall, "_PARAMETERS", parameters)
    texts.declare(indexes={"found": {"vectors": ["toy"], "checks": {"min_recall": 0.95}}})

    ran = texts.run()

    assert ran.indexes["found"].generation.search["refine_factor"] > 1
    assert results(texts.pipeline())["recall_at_10"].passed
    changed = {name for name, number in texts.versions().items() if version[name] != number}
    assert changed == {"index_generations"}  # the same rows and indexes, searched wider


@pytest.mark.slow
def test_rows_added_later_are_found_by_approximate_search(published_texts):
    write_texts(published_texts, ROWS + 50)
    published_texts.run()
    index = Index(published_texts.pipeline().store, "gallery", "found")

    for number in (0, 777, ROWS, ROWS + 49):
        assert index.search(f"text number {number}", limit=1).hits[0].id == f"t{number:05}"


@pytest.mark.slow
def test_a_run_killed_between_rows_and_indexes_is_completed_by_the_next(texts, monkeypatch):
    build = index_table.IndexTable.build_indexes

    def killed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(index_table.IndexTable, "build_indexes", killed)
    with pytest.raises(KeyboardInterrupt):
        texts.run()
    monkeypatch.setattr(index_table.IndexTable, "build_indexes", build)

    generation = texts.run().indexes["found"].generation

    table = texts.pipeline().store.index(generation.table).at(generation.version)
    assert sorted(index.columns[0] for index in table.list_indices()) == ["text", "toy"]


def test_search_is_as_wide_as_the_column_that_needs_most(monkeypatch):
    needed = {"first": 3, "second": 1}

    def measured(column, *_):
        return float(recall._PARAMETERS.index(column.generation.search) >= needed[column.name])

    class Approximate:
        def approximate(self, *_):
            return True

    for name, stub in {"queries": None, "farthest_exact": None, "recall": measured}.items():
        monkeypatch.setattr(recall, name, stub or (lambda *_: None))
    models = tuple(IndexedModel(name, "counting", "f", Inputs.from_weights({"media": 1}), 8, {}) for name in needed)
    generation = Generation("g-1", "p", "i", "t", 1, 1, models, "cosine")

    assert recall.tune(Approximate(), generation, 0.95).search == recall._PARAMETERS[3]


@after(Gallery.run)
def test_recall_counts_what_search_does_not_find(gallery, monkeypatch):
    monkeypatch.setattr(
        index_table.IndexTable, "nearest_distances", lambda _self, vectors, *_, **__: [[] for _ in vectors]
    )
    check = results(gallery.pipeline())["recall_at_10"]
    assert (check.metadata["recall"], check.passed) == (0, False)


@pytest.mark.parametrize("pictures", [1, 2, 11])
def test_small_galleries_are_searched_in_full(make_gallery, pictures):
    gallery = make_gallery(pictures=pictures)
    gallery.run()
    check = results(gallery.pipeline())["recall_at_10"]
    assert (check.metadata["recall"], check.metadata["queries"]) == (1, pictures)


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_distances_are_the_ones_that_lancedb_returns(gallery, metric):
    gallery.model(normalize=False)
    gallery.declare(indexes={"found": {"vectors": ["toy"], "metric": metric}})
    gallery.run()
    rows = gallery.rows()
    query = np.arange(8, dtype=np.float32)

    hits = Index(gallery.pipeline().store, "gallery", "found").search(vector=query, limit=12).hits

    expected = distances(query[None], np.array([rows[hit.id]["toy"] for hit in hits], dtype=np.float32), metric)[0]
    np.testing.assert_allclose([hit.distance for hit in hits], expected, rtol=1e-5, atol=1e-5)


def test_a_filter_that_leaves_few_rows_still_finds_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    count, rare = 30_000, {f"t{number:05}" for number in range(0, 30_000, 3000)}
    vectors = np.random.default_rng(0).standard_normal((count, 16)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 16)
    rows = pa.table({"id": [f"t{number:05}" for number in range(count)], "toy": column})
    schema = rows.schema.set(0, pa.field("id", pa.string(), nullable=False))
    table = Store(str(tmp_path / "store")).index("index.some")
    table.write(iter([rows]), schema, [])
    table.build_indexes(["toy"], "cosine", [])

    found = table.reader(table.latest()).nearest(
        vectors[1],
        "toy",
        metric="cosine",
        limit=10,
        where=f"id IN ({', '.join(repr(name) for name in rare)})",
        search={"nprobes": 1, "refine_factor": 1},
    )

    assert set(found["id"].to_pylist()) == rare


@pytest.mark.slow
def test_rows_without_vectors_neither_train_an_index_nor_count_as_queries(texts):
    texts.tolerate_failures()
    texts.model(reject="text number 1")
    texts.declare(media=TABLE)
    texts.model(reject="text number")  # all fail but the one below
    with (texts.root / "texts.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["other", "something else"])
    texts.run()

    shown = results(texts.pipeline())

    assert shown["recall_at_10"].metadata["search"] == "exact search"
    assert shown["recall_at_10"].metadata["queries"] == 1


@pytest.mark.parametrize("length", [1, 20, 200])
def test_exact_search_has_full_recall_for_long_vectors_under_l2(make_gallery, length):
    numbers = np.random.default_rng(0)
    stored = (numbers.standard_normal((300, 64)) * 0.05 + length).astype(np.float32)
    asked = stored[:5] + 0.001
    exact = np.sort(((asked[:, None].astype(np.float64) - stored[None].astype(np.float64)) ** 2).sum(-1), axis=1)
    np.testing.assert_allclose(np.sort(distances(asked, stored, "l2"), axis=1), exact, rtol=1e-3, atol=1e-6)
