"""GET /v1/indexes/PIPELINE/INDEX/map: where the items of a generation lie."""

import shutil
import threading

import numpy as np
import pytest

from galleries import Gallery

PATH = "/v1/indexes/gallery/found/map"


@pytest.fixture(scope="module")
def kept(shared_gallery):
    """30 pictures with an embedding of the picture and one of the caption."""
    gallery = shared_gallery(pictures=30)
    gallery.model("words", input="caption", name="words", dim=6)
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "full_text": ["caption"]}})
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def http(kept, shared_served):
    """A client of a server of `kept`."""
    return shared_served(kept).http


@pytest.fixture
def two(kept, tmp_path):
    """A copy of `kept`, to be changed."""
    shutil.copytree(kept.root, tmp_path / "gallery")
    return Gallery(tmp_path / "gallery", kept.attributes, kept.captions)


def store(gallery):
    return gallery.pipeline().store


def published(gallery):
    return store(gallery).published.get("gallery", "found").generation


def forget_maps(gallery):
    """The store as a version of this package left it that knew no maps."""
    store(gallery).drop("maps")


@pytest.mark.slow
def test_it_is_what_the_store_has(kept, http):
    answer = http.get(PATH)

    assert answer.status_code == 200
    stored = store(kept).maps.get(published(kept), "toy")
    said = answer.json()
    assert {name: said[name] for name in ("generation", "column", "method", "rows", "points")} == {
        "generation": published(kept),
        "column": "toy",
        "method": "pca",
        "rows": 30,
        "points": 30,
    }
    assert said["ids"] == stored.ids.to_pylist()
    assert set(said["ids"]) == set(kept.rows())
    assert np.array_equal(np.array([said["x"], said["y"]]).T, stored.places)
    assert said["explained"] == list(stored.header.explained)


def test_each_vector_column_has_its_own(http):
    toy, words = (http.get(PATH, params={"column": column}).json() for column in ("toy", "words"))

    assert (toy["column"], words["column"]) == ("toy", "words")
    assert toy["ids"] == words["ids"]
    assert toy["x"] != words["x"]


@pytest.mark.slow
def test_a_named_generation_is_answered_when_another_one_is_published(gallery, served):
    gallery.run()
    first = published(gallery)
    gallery.add("new.png")
    gallery.run()
    http = served(gallery).http

    old, new = http.get(PATH, params={"generation": first}).json(), http.get(PATH).json()

    assert (old["generation"], len(old["ids"])) == (first, 12)
    assert (new["generation"], len(new["ids"])) == (published(gallery), 13)
    assert [new["x"][new["ids"].index(item)] for item in old["ids"]] == old["x"]


@pytest.mark.slow
def test_a_publish_is_seen(gallery, served):
    gallery.run()
    http = served(gallery).http
    assert len(http.get(PATH).json()["ids"]) == 12

    gallery.add("new.png")
    gallery.run()

    assert len(_until(lambda: http.get(PATH).json()["ids"], lambda ids: len(ids) == 13)) == 13


def test_a_generation_without_a_map_gets_one_when_it_is_asked_for_and_nothing_is_written(two, served):
    stored = store(two).maps.get(published(two), "words")
    forget_maps(two)
    before = two.versions()
    http = served(two).http

    said = http.get(PATH, params={"column": "words"}).json()

    assert np.array_equal(np.array([said["x"], said["y"]]).T, stored.places)
    assert (said["method"], said["explained"]) == ("pca", list(stored.header.explained))
    assert two.versions() == before
    assert http.get("/v1/indexes").json()["indexes"][0]["generations"][0]["maps"] == ["toy", "words"]


def test_it_is_made_once_for_all_who_ask_at_the_same_time(two, served, monkeypatch):
    from embeddings_orch.server.routes import maps

    made, all_here = [], threading.Barrier(2)

    def counting(*arguments):
        made.append(arguments)
        return original(*arguments)

    original = maps.make_map
    monkeypatch.setattr(maps, "make_map", counting)
    forget_maps(two)
    running = served(two)
    answers = []

    def ask():
        all_here.wait()
        answers.append(running.http.get(PATH).content)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert running.http.get(PATH).content == answers[0]
    assert len(made) == 1


def test_an_unchanged_map_is_not_sent_again(http):
    first = http.get(PATH)

    again = http.get(PATH, headers={"If-None-Match": first.headers["etag"]})
    other = http.get(PATH, params={"column": "words"}, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.status_code == 200


def test_it_is_compressed_for_who_reads_that(http):
    answer = http.get(PATH, headers={"Accept-Encoding": "gzip"})

    assert answer.status_code == 200
    assert answer.json()["points"] == 30


def test_an_index_that_wants_no_maps_has_none(two, served):
    two.declare(indexes={"found": {**two.attributes["indexes"]["found"], "map": "none"}})
    http = served(two).http

    answer = http.get(PATH)

    assert answer.status_code == 404
    assert "map: none" in answer.json()["error"]["message"]
    assert "map: pca" in answer.json()["error"]["message"]
    assert http.get("/v1/indexes").json()["indexes"][0]["generations"][0]["maps"] == []


@pytest.mark.parametrize(
    ("path", "param", "words"),
    [
        (PATH + "?column=clip", "column", "it has: toy, words"),
        (PATH + "?generation=abc-1", "generation", "no generation 'abc-1'"),
        ("/v1/indexes/gallery/lost/map", "index", "no index 'gallery/lost'"),
        ("/v1/indexes/other/found/map", "index", "no index 'other/found'"),
    ],
)
def test_what_is_not_there_is_named(http, path, param, words):
    answer = http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == param
    assert words in answer.json()["error"]["message"]


def test_of_an_index_that_is_not_published_there_is_none_yet(gallery, served):
    answer = served(gallery).http.get(PATH)

    assert answer.status_code == 409
    assert "embeddings-orch run" in answer.json()["error"]["message"]


def test_a_generation_whose_table_is_gone_is_not_found(two, served):
    generation = store(two).generations.get(published(two))
    forget_maps(two)
    http = served(two).http
    store(two).drop(generation.table)

    answer = http.get(PATH)

    assert answer.status_code == 404
    assert "gone" in answer.json()["error"]["message"]


def test_a_key_is_needed_where_one_is_set(kept, served, monkeypatch):
    monkeypatch.setenv("MAP_KEY", "a-long-secret-of-the-test")
    http = served(kept, api_key_env="MAP_KEY").http

    assert http.get(PATH).status_code == 401
    assert http.get(PATH, headers={"Authorization": "Bearer a-long-secret-of-the-test"}).status_code == 200


def _until(ask, good, tries=50):
    import time

    for _ in range(tries):
        if good(found := ask()):
            break
        time.sleep(0.05)
    return found
