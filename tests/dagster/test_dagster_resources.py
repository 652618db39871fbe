"""Embedders as Dagster resources, and the models that they share with the rest of a process."""

from __future__ import annotations

import numpy as np
import pytest

import embeddings_orch.lancedb as ours
from embeddings_orch import Index
from embeddings_orch.dagster.resources import EmbedderResource
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after


class CountingResource(EmbedderResource, CountingConfig):
    """The counting provider."""


@pytest.fixture
def loads(monkeypatch):
    """The embedders that are in memory, and how many ever were."""
    loaded, ever = [], []
    load = CountingEmbedder.__init__
    monkeypatch.setattr(
        CountingEmbedder,
        "__init__",
        lambda self, config: (loaded.append(self), ever.append(self), load(self, config))[2],
    )
    monkeypatch.setattr(CountingEmbedder, "close", lambda self: loaded.remove(self))  # noqa: PLW0108 -- it binds
    return loaded, ever


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@after(Gallery.run)
def test_all_users_of_a_model_in_a_process_load_it_once_and_the_last_one_frees_it(gallery, loads, order):
    store = gallery.root / "store"
    indexes = [Index.open("found", store=store) for _ in range(2)]
    table = ours.open_table(store, "found")
    resource = CountingResource(name="toy")
    loaded, ever = loads
    for number, index in enumerate(indexes):
        index.search(f"words {number}", limit=1)
    table.search("other words").to_list()
    vectors = resource.embed_texts(["a dog", "a cat"])
    assert vectors.shape == (2, 8)
    assert len(ever) == 1
    closes = [indexes[0].close, indexes[1].close, table.close, lambda: resource.teardown_after_execution(None)]
    for number in order:
        assert len(loaded) == 1
        closes[number]()
    assert loaded == []
    for index in indexes:
        index.search("again", limit=1)
    np.testing.assert_array_equal(resource.embed_texts(["a dog", "a cat"]), vectors)
    assert len(ever) == 2
