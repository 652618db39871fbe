"""Hits in the forms that other programs take; pictures in the forms that they have; search without waiting."""

import asyncio
import io
import sys
import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.search import Hit, Results
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery
from kept import after


def test_arrow_has_a_row_a_hit_with_the_catalogs_types(gallery, right):
    gallery.captions = {
        name: {**row, "shelf": "3", "score": "0.5", "metadata_score": "7"} for name, row in gallery.captions.items()
    }
    gallery.write_captions()
    gallery.run()
    index = right.opened(gallery)
    results = index.search("a dog", limit=4)

    table = results.to_arrow()

    assert table.schema.names[:4] == ["id", "uri", "score", "distance"]
    assert table["id"].to_pylist() == [hit.id for hit in results]
    assert table["score"].to_pylist() == [hit.score for hit in results.hits]
    assert table["caption"].to_pylist() == [hit.metadata["caption"] for hit in results]
    assert table["metadata_score_2"].to_pylist() == [0.5] * 4
    assert table["metadata_score"].to_pylist() == [7] * 4
    assert (table.schema.field("width").type, table.schema.field("shelf").type) == (pa.int32(), pa.int64())
    empty = index.search("a dog", where="caption = 'nothing'")
    assert (len(empty), empty.to_arrow().schema) == (0, table.schema)
    assert index.search(keyword="picture").to_arrow()["distance"].null_count == 10


@after(Gallery.run)
def test_pandas_has_the_same_or_says_how_to_get_it(gallery, right, monkeypatch):
    results = right.opened(gallery).search("a dog", limit=3)
    frame = results.to_pandas()
    assert list(frame["id"]) == [hit.id for hit in results]
    assert list(frame["score"]) == [hit.score for hit in results]
    assert list(frame.columns) == results.to_arrow().schema.names

    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    with pytest.raises(EmbeddingsOrchError, match="pandas is not installed; add it with: pip install pandas"):
        results.to_pandas()


class Emoji(BaseModel):
    """What a program wants of a hit."""

    id: str
    caption: str
    score: float
    wide: int = Field(alias="width")


@after(Gallery.run)
def test_pydantic_objects_take_their_fields_by_name(gallery, right):
    results = right.opened(gallery).search("a dog", limit=3)
    found = results.to_pydantic(Emoji)
    assert [(one.id, one.caption, one.score, one.wide) for one in found] == [
        (hit.id, hit.metadata["caption"], hit.score, 8) for hit in results
    ]

    class Strict(Emoji):
        model_config = ConfigDict(extra="forbid")

    class Whole(BaseModel):
        model_config = ConfigDict(extra="allow")

    class Wrong(BaseModel):
        caption: int

    assert [one.id for one in results.to_pydantic(Strict)] == [hit.id for hit in results]
    whole: Any = results.to_pydantic(Whole)[0]
    assert (whole.mime, whole.distance) == ("image/png", results.hits[0].distance)
    with pytest.raises(EmbeddingsOrchError, match=rf"{results.hits[0].id} does not fit Wrong: caption: .*integer"):
        results.to_pydantic(Wrong)


def test_results_are_iterated_and_counted():
    hits = [Hit("a", "/a", 1.0, None), Hit("b", "/b", 0.5, 0.5)]
    results = Results("found", "g-1", hits)
    assert ([*results], len(results)) == (hits, 2)
    assert results.to_json()["hits"][0]["distance"] is None
    assert results.to_arrow().num_rows == 2


@pytest.mark.slow
def test_a_picture_is_taken_in_every_form(gallery, right):
    gallery.model(decode=True)
    gallery.run()
    index = right.opened(gallery)
    path = gallery.media / "p007.png"
    with Image.open(path) as image:
        image.load()
    # The counting model sees bytes: the ones that a picture in memory becomes.
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    gallery.add("memory.png", encoded.getvalue())
    gallery.run()
    first = {name: index.search(image=one, limit=1).hits[0].id for name, one in {
        "path": path, "text": str(path), "bytes": path.read_bytes(), "pillow": image, "array": np.asarray(image),
    }.items()}  # fmt: skip
    same = encoded.getvalue() == path.read_bytes()
    memory = "memory.png"
    assert first == {**dict.fromkeys(["path", "text", "bytes"], memory if same else "p007.png"),
                     "pillow": memory, "array": memory}  # fmt: skip


@after(Gallery.run)
def test_what_is_no_picture_is_said(gallery, right):
    index = right.opened(gallery)
    for picture, message in (
        (3, "the query picture is int, not a path, bytes, a Pillow image or an array"),
        (np.zeros((2, 2, 2, 2), np.uint8), "the query picture cannot be used: "),
        (np.zeros((2, 2), np.complex64), "the query picture cannot be used: "),
        ("a\x00b", "cannot be read: embedded null"),
        ("http://127.0.0.1/x.png", "URLs are off"),
    ):
        with pytest.raises(EmbeddingsOrchError, match=message):
            index.search(image=picture)


def test_asearch_answers_the_same_and_lets_the_loop_go_on(gallery, right, monkeypatch):
    gallery.run()
    index = right.opened(gallery)
    entered, let_go = threading.Event(), threading.Event()
    embed = CountingEmbedder.embed

    def wait(self, batch):
        entered.set()
        assert let_go.wait(60), "a search held the loop up to its end"
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", wait)
    texts = ("a", "b", "c", "d")

    async def search_all_at_once():
        searches = asyncio.gather(*(index.asearch(text, limit=3) for text in texts))
        assert await asyncio.to_thread(entered.wait, 60), "no search asked the model"
        # Only a loop that goes on comes here while the model is at work.
        let_go.set()
        return dict(zip(texts, await searches, strict=True))

    assert asyncio.run(search_all_at_once()) == {text: index.search(text, limit=3) for text in texts}


@pytest.mark.slow
def test_threads_share_an_index_and_load_each_model_once(words_gallery, right, monkeypatch):
    gallery = words_gallery(pictures=12)
    index = right.opened(gallery)
    made = []
    start = CountingEmbedder.__init__
    monkeypatch.setattr(
        CountingEmbedder, "__init__", lambda self, *a, **k: (made.append(self), start(self, *a, **k))[1]
    )
    answers, errors = [], []

    def ask():
        try:
            answers.append(index.search("red", hybrid=True))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert all(answer == answers[0] for answer in answers)
    assert len(made) == 2
    with index:
        pass  # closes it; a later search loads the models again
    assert index.search("red", hybrid=True) == answers[0]
