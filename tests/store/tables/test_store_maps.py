"""The maps that the store keeps: what is written is what is read, by generation and column."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from embeddings_orch.store import Store
from embeddings_orch.store.tables.maps import Basis, Map, MapHeader


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def basis():
    numbers = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    return Basis(numbers[0], numbers[1:], (0.1, -2e-9), 1 / 3, (0.5, 0.25))


def header(generation="t-4", column="clip", **changes):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return replace(MapHeader(generation, column, "index.p.i.t", 4, "pca", 7, 5, 5, 3, (0.5, 0.25), at), **changes)


def drawn(**changes):
    places = np.array([[0, 65535], [1, 2], [3, 40000]], np.uint16)
    return Map(header(**changes), pa.array(["a", "b/ü.png", "it's"]), places, basis())


def test_a_map_is_read_as_it_was_written(store):
    store.maps.put(drawn())

    read = store.maps.get("t-4", "clip")

    assert read.header == header()
    assert read.ids.to_pylist() == ["a", "b/ü.png", "it's"]
    assert read.places.tolist() == [[0, 65535], [1, 2], [3, 40000]]
    assert read.places.dtype == np.uint16
    assert (read.basis.centre, read.basis.span, read.basis.explained) == ((0.1, -2e-9), 1 / 3, (0.5, 0.25))
    assert np.array_equal(read.basis.mean, basis().mean)
    assert np.array_equal(read.basis.axes, basis().axes)
    assert read.checks is None


def test_a_map_without_axes_keeps_the_checksums_of_its_vectors(store):
    made = drawn(method="umap", explained=None)
    store.maps.put(replace(made, basis=None, checks=np.array([0, 1, 2**32 - 1], np.uint32)))

    read = store.maps.get("t-4", "clip")

    assert (read.header.method, read.header.explained, read.basis) == ("umap", None, None)
    assert read.checks.tolist() == [0, 1, 2**32 - 1]


def test_a_map_of_nothing_is_kept(store):
    nothing = Map(header(points=0), pa.array([], pa.string()), np.zeros((0, 2), np.uint16), basis())
    store.maps.put(nothing)

    read = store.maps.get("t-4", "clip")

    assert read.ids.to_pylist() == []
    assert read.places.shape == (0, 2)


def test_a_map_that_is_made_again_replaces_the_first(store):
    store.maps.put(drawn())
    store.maps.put(drawn(column="words"))
    store.maps.put(drawn(method="umap", explained=None))

    assert {one.column: one.method for one in store.maps.headers()} == {"clip": "umap", "words": "pca"}
    assert len(store.maps.headers()) == 2


def test_of_a_table_the_latest_map_of_a_method_is_found(store):
    for version, method in ((9, "pca"), (10, "pca"), (11, "umap")):
        store.maps.put(drawn(generation=f"t-{version}", version=version, method=method))
    store.maps.put(drawn(generation="u-99", table="index.p.i.u", version=99))

    assert store.maps.latest("index.p.i.t", "clip", "pca").header.version == 10
    assert store.maps.latest("index.p.i.t", "clip", "umap").header.version == 11
    assert store.maps.latest("index.p.i.t", "words", "pca") is None


def test_maps_are_forgotten_by_generation_and_by_table(store):
    for generation in ("t-1", "t-2", "t-3"):
        for column in ("clip", "words"):
            store.maps.put(drawn(generation=generation, column=column))
    store.maps.put(drawn(generation="it's-1", table="index.p.i.it's"))

    store.maps.remove(["t-1", "t-3"])
    assert {one.generation for one in store.maps.headers()} == {"t-2", "it's-1"}
    store.maps.remove_table("index.p.i.t")
    assert {one.generation for one in store.maps.headers()} == {"it's-1"}
    store.maps.remove(["it's-1"])
    assert store.maps.headers() == []


def test_where_no_map_was_ever_kept_nothing_is_found_and_nothing_made(store, tmp_path):
    assert store.maps.headers() == []
    assert store.maps.get("t-4", "clip") is None
    assert store.maps.header("t-4", "clip") is None
    assert store.maps.latest("index.p.i.t", "clip", "pca") is None
    store.maps.remove(["t-4"])
    assert list(tmp_path.iterdir()) == []


def test_maps_that_are_kept_at_once_are_all_kept(tmp_path):
    stores = [Store(str(tmp_path / "store")) for _ in range(6)]
    stores[0].maps.put(drawn(generation="first"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: stores[number].maps.put(drawn(generation=f"t-{number}")), range(6)))

    assert {one.generation for one in stores[0].maps.headers()} == {"first", *(f"t-{number}" for number in range(6))}


def test_of_100_000_points_a_map_takes_less_than_a_megabyte(store):
    count = 100_000
    places = np.random.default_rng(0).normal(32768, 9000, size=(count, 2)).clip(0, 65535).astype(np.uint16)
    ids = pa.array([f"pictures/{number:06}.jpg" for number in range(count)])

    store.maps.put(Map(header(points=count), ids, places, basis()))

    assert store.maps.bytes < 1_000_000
