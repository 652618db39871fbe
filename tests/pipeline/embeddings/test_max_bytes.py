"""Contents that are larger than the media's limits allow."""

import pytest

from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.plan.status import make_failures

LONG = "hay " * 300


def reasons(gallery):
    return {
        failure["id"]: (failure["kind"], failure["reason"]) for failure in make_failures(gallery.pipeline())["failed"]
    }


def too_long(size, limit, modality="text", name="text"):
    return "limit", f"the {name} has {size:,} bytes; the limit is {limit:,} (media.max_bytes.{modality})"


@pytest.fixture
def empty(make_gallery):
    return make_gallery(0)


@pytest.fixture
def texts(empty):
    empty.add("short.txt", "a dog")
    empty.add("long.txt", "\ufeff" + LONG)
    empty.declare(media={"path": "media", "max_bytes": {"text": 1000}})
    empty.tolerate_failures()
    return empty


def test_a_text_beyond_the_limit_is_a_failure_of_its_item_and_is_not_read(texts):
    ran = texts.run()

    assert (ran.embedded(), ran.embeddings["toy"].failed) == (1, 1)
    assert reasons(texts) == {"long.txt": too_long(1203, 1000)}
    row = texts.rows()["long.txt"]
    assert (row["text"], row["size"], row["toy"]) == (None, 1203, None)
    assert texts.plan()["embeddings/toy"].failed == 1


def test_a_failure_of_the_limit_is_the_same_in_the_next_run_whatever_it_retries(texts):
    texts.run()
    texts.forget_calls()
    again = texts.run(retry_failed=True)

    assert (again.embedded(), again.embeddings["toy"].failed, texts.items()) == (0, 1, 0)
    assert not again.published["found"].changed


def test_a_higher_limit_embeds_and_a_lower_one_keeps_the_vector(texts):
    texts.run()
    texts.declare(media={"path": "media"})
    higher = texts.run()
    assert (higher.embedded(), reasons(texts)) == (1, {})
    assert texts.rows()["long.txt"]["text"] == LONG

    texts.declare(media={"path": "media", "max_bytes": {"text": 1000}})
    texts.run()
    assert texts.rows()["long.txt"]["text"] is None
    texts.declare(media={"path": "media"})
    assert texts.run().embedded() == 0


@pytest.mark.parametrize(("name", "modality", "called"), [("a.png", "image", "picture"), ("a.wav", "audio", "sound")])
def test_a_file_beyond_the_limit_is_not_read(empty, name, modality, called):
    path = empty.add(name, b"x" * 50)
    empty.declare(media={"path": "media", "include": [f"**/{name}"], "max_bytes": {modality: 49}})
    pipeline = empty.pipeline()
    scan_media(pipeline)
    path.unlink()  # to read it would be a failure of another kind
    assert embed(pipeline, "toy").failed == 1
    assert reasons(empty) == {name: too_long(50, 49, modality, called)}


@pytest.mark.parametrize("input", ["media", "caption", "note"])
def test_a_cell_beyond_the_limit_is_a_failure_of_its_row(empty, input):
    empty.add("t.csv", f"id,text,caption,note\na,{LONG},{LONG},{LONG}\nb,red,green,blue\n")
    empty.declare(media={"source": "table", "path": "media/t.csv", "max_bytes": {"text": 1000}})
    empty.model(input=input)
    empty.tolerate_failures()
    ran = empty.run()

    assert ran.embedded() == 1
    assert reasons(empty) == {"a": too_long(1200, 1000)}
