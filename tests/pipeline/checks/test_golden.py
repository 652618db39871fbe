"""Golden queries: what has to be found before a generation is published."""

import re

import pytest

from embeddings_orch.embedding.pool.pool import shared_pool
from embeddings_orch.errors import PublishRefusedError, UnavailableError
from embeddings_orch.pipeline.checks.golden import check_golden
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.indexes.delta import current_generation
from embeddings_orch.search import Index
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after


def declare(gallery, *golden, **index):
    gallery.declare(
        indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], **index, "checks": {"golden": list(golden)}}}
    )


def golden_of(gallery):
    return next(check for check in check_index(gallery.pipeline(), "found") if check.name == "golden")


def order(gallery, text, limit=100):
    """The ids that search finds, nearest first."""
    return [hit.id for hit in Index(gallery.pipeline().store, "gallery", "found").search(text, limit=limit).hits]


@after(Gallery.run)
def test_without_golden_queries_the_check_passes_and_calls_no_model(gallery):
    gallery.forget_calls()
    golden = golden_of(gallery)
    assert (golden.passed, golden.description, golden.metadata) == (True, "none declared", {"queries": 0})
    assert gallery.calls() == []


@after(Gallery.run)
def test_what_is_found_in_time_passes_and_its_place_is_told(gallery):
    found = order(gallery, "a dog")
    declare(
        gallery,
        {"query": "a dog", "expect": [found[4], found[0]], "within": 5},
        {"image": str(gallery.media / "p007.png"), "expect": ["p007.png"], "within": 1},
    )

    golden = golden_of(gallery)

    assert golden.passed
    assert golden.blocking
    assert golden.description == "2 of 2 queries find what is expected"
    assert golden.metadata["findings"] == [
        {"query": '"a dog"', "expected": found[4], "found": "is at place 5", "passed": True},
        {"query": '"a dog"', "expected": found[0], "found": "is at place 1", "passed": True},
        {"query": "p007.png", "expected": "p007.png", "found": "is at place 1", "passed": True},
    ]


@pytest.mark.slow
@after(Gallery.run)
def test_what_is_found_too_late_is_not_published(gallery):
    rows, found = gallery.rows(), order(gallery, "a dog")
    declare(
        gallery,
        {"query": "a cat", "expect": order(gallery, "a cat", 1)},
        {"query": "a dog", "expect": [found[0], found[5], found[8]], "within": 5},
    )

    told = f'golden: "a dog": {found[5]} is at place 6, wanted within 5 (and 1 more)'
    with pytest.raises(PublishRefusedError) as refused:
        gallery.run()

    assert told in str(refused.value)
    assert gallery.rows() == rows
    golden = golden_of(gallery)
    assert (golden.metadata["queries"], golden.metadata["failed"]) == (2, 1)
    assert [one["passed"] for one in golden.metadata["findings"]] == [True, True, False, False]
    declare(gallery, {"query": "a dog", "expect": [found[8]], "within": 9})
    gallery.run()


def test_an_item_far_down_is_said_to_be_not_among_those_looked_at(make_gallery):
    gallery = make_gallery(pictures=130)
    gallery.run()
    found = order(gallery, "a dog", 130)
    declare(gallery, {"query": "a dog", "expect": [found[120]], "within": 5})
    assert golden_of(gallery).description == (f'"a dog": {found[120]} is not among the first 100, wanted within 5')


def test_an_item_that_is_not_there_or_has_no_vector_is_said_to_be_so(gallery):
    gallery.tolerate_failures()
    gallery.model(reject="poison")
    gallery.add("bad.png", "poison")
    gallery.run()
    declare(gallery, {"query": "a dog", "expect": ["p999.png", "bad.png"], "within": 3})
    found = [one["found"] for one in golden_of(gallery).metadata["findings"]]
    assert found == ["is not in the catalog", "has no vector, wanted within 3"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "the query picture .*/query.png cannot be read: No such file"), (b"words", "not a picture: text found")],
)
def test_a_golden_picture_that_cannot_be_read_fails_with_the_reason(gallery, data, reason):
    gallery.model(decode=True)
    gallery.run()
    path = gallery.root / "query.png"
    if data is not None:
        path.write_bytes(data)
    declare(gallery, {"image": "query.png", "expect": ["p000.png"]})
    golden = golden_of(gallery)
    assert not golden.passed
    assert golden.description.startswith("query.png: p000.png cannot be searched for: ")
    assert re.search(reason, golden.description)


@pytest.mark.slow
def test_a_golden_picture_that_was_exchanged_is_searched_for_anew(gallery):
    path = gallery.root / "query.png"
    path.write_bytes((gallery.media / "p000.png").read_bytes())
    declare(gallery, {"image": "query.png", "expect": ["p000.png"], "within": 1})
    gallery.run()
    path.write_bytes((gallery.media / "p001.png").read_bytes())
    assert not golden_of(gallery).passed


@after(Gallery.run)
@pytest.mark.parametrize("error", [OSError("the weights are gone"), ImportError("no module named torch")])
def test_a_model_that_cannot_be_loaded_fails_the_check_with_the_reason(gallery, monkeypatch, error):
    declare(gallery, {"query": "a dog", "expect": ["p000.png"]}, {"query": "a cat", "expect": ["p001.png"]})
    made = []

    def gone(self, config):
        made.append(config)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(CountingEmbedder, "__init__", gone)
        golden = golden_of(gallery)

    assert not golden.passed
    assert str(error) in golden.description
    assert golden.metadata["failed"] == 2
    assert len(made) == 1  # not once more for each query


@after(Gallery.run)
def test_a_model_that_is_not_the_generations_fails_the_check(gallery, monkeypatch):
    declare(gallery, {"query": "a dog", "expect": ["p000.png"]})
    pipeline = gallery.pipeline()
    generation = current_generation(pipeline, "found")
    monkeypatch.setattr(CountingConfig, "vector_version", 2)
    result = check_golden(pipeline, "found", generation, lambda: {"p000.png"})
    assert not result.passed
    assert "is not the one that made index 'found'" in result.description


@pytest.mark.slow
def test_a_provider_that_does_not_answer_is_no_verdict(gallery, monkeypatch):
    """Stored as a failed gate it would not be tried again."""
    gallery.run()
    declare(gallery, {"query": "a dog", "expect": ["p000.png"]})
    gallery.model(retry={"max_retries": 0})

    def down(self, batch):
        raise ConnectionError("the network is down")

    monkeypatch.setattr(CountingEmbedder, "embed", down)
    with pytest.raises(UnavailableError, match="the network is down"):
        golden_of(gallery)
    assert gallery.pipeline().store.generations.of("gallery", "found")[-1].passed


@pytest.mark.slow
def test_the_named_embedding_is_searched(gallery):
    gallery.model("words", input="caption", name="words")
    declare(
        gallery,
        {"query": "picture 4", "expect": ["p004.png"], "within": 1, "embedding": "words"},
        vectors=["toy", "words"],
    )
    gallery.run()
    golden = golden_of(gallery)
    assert golden.metadata["findings"][0]["query"] == '"picture 4" in words'
    declare(
        gallery,
        {"query": "picture 4", "expect": ["p004.png"], "within": 1, "embedding": "toy"},
        vectors=["toy", "words"],
    )
    assert golden_of(gallery).passed == (order(gallery, "picture 4", 1) == ["p004.png"])


@pytest.mark.slow
@after(Gallery.run)
def test_the_built_generation_is_searched_by_its_own_model_and_not_the_published_one(gallery):
    by_toy = order(gallery, "a dog")
    gallery.model(name="another")
    gallery.run()
    by_another = order(gallery, "a dog")
    assert by_toy[0] != by_another[0]
    gallery.model(name="toy")
    declare(gallery, {"query": "a dog", "expect": [by_another[0]], "within": 1})
    with pytest.raises(PublishRefusedError, match="golden"):
        gallery.run()
    declare(gallery, {"query": "a dog", "expect": [by_toy[0]], "within": 1})
    gallery.run()
    assert order(gallery, "a dog") == by_toy


@after(Gallery.run)
def test_a_failed_query_is_asked_again_and_one_that_passed_is_not(gallery):
    found = order(gallery, "a dog")
    declare(gallery, {"query": "a dog", "expect": [found[3]], "within": 2})
    for _ in range(2):
        shared_pool().close()  # which remembers the vectors of a process's queries
        gallery.forget_calls()
        golden_of(gallery)
        assert gallery.calls() != []
    declare(gallery, {"query": "a dog", "expect": [found[3]], "within": 4})
    golden_of(gallery)
    shared_pool().close()
    gallery.forget_calls()
    assert golden_of(gallery).passed
    assert gallery.calls() == []
