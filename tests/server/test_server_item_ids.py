"""Items whose ids have line breaks, dots, slashes, quotes, controls: each has its page and its picture."""

import io
from urllib.parse import quote

import pytest
from PIL import Image

from odd_ids import ODD_IDS, odd_gallery

AT = "/v1/indexes/gallery/found/"


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    gallery = odd_gallery(shared_gallery)
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def http(gallery, shared_served):
    return shared_served(gallery).http


def checked(gallery, item, row, thumbnail):
    """Whether they are an item's row and picture."""
    number = ODD_IDS.index(item)
    with Image.open(gallery.media / f"p{number:03}.png") as wanted, Image.open(io.BytesIO(thumbnail.content)) as shown:
        same = wanted.convert("RGB").tobytes() == shown.convert("RGB").tobytes()
    return row.json()["id"] == item and row.json()["metadata"]["caption"] == f"item {number}" and same


@pytest.mark.parametrize("item", ODD_IDS, ids=ascii)
def test_an_item_is_had_by_the_parameter_id(gallery, http, item):
    row, thumbnail = (http.get(AT + what, params={"id": item}) for what in ("items", "thumbnails"))
    assert (row.status_code, thumbnail.status_code) == (200, 200), (row.text, thumbnail.text)
    assert checked(gallery, item, row, thumbnail)


# Clients take dots between slashes for folders, before they ask.
@pytest.mark.parametrize("item", [item for item in ODD_IDS if "." not in item], ids=ascii)
@pytest.mark.parametrize("safe", ["", "/"], ids=["slashes escaped", "slashes as they are"])
def test_an_item_is_had_by_its_path(gallery, http, item, safe):
    row, thumbnail = (http.get(f"{AT}{what}/{quote(item, safe=safe)}") for what in ("items", "thumbnails"))
    assert (row.status_code, thumbnail.status_code) == (200, 200), (row.text, thumbnail.text)
    assert checked(gallery, item, row, thumbnail)


def test_more_like_an_item_is_everything_else(http):
    for item in ODD_IDS:
        answer = http.post("/v1/search", json={"id": item, "limit": 50}).json()
        assert {hit["id"] for hit in answer["hits"]} == set(ODD_IDS) - {item}


def test_an_id_that_is_not_there_is_a_404_with_the_id(http):
    for asked in (AT + "items?id=no%0Asuch", AT + "items/no%0Asuch", AT + "thumbnails?id=no%0Asuch", AT + "items?id="):
        answer = http.get(asked)
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "id")
    assert "has no item 'no\\nsuch'" in http.get(AT + "items?id=no%0Asuch").json()["error"]["message"]
    assert http.get(AT + "items").status_code == 400


def test_files_with_such_names_are_shown_too(make_gallery, served):
    gallery = make_gallery(pictures=0)
    names = ["line\nbreak.png", "a folder/ü & 100%?.png", "it's.png", "a#b.png", "x..png"]
    for name in names:
        gallery.add(name)
    gallery.run()
    http = served(gallery).http
    for name in names:
        for what in ("items", "thumbnails"):
            assert http.get(AT + what, params={"id": name}).status_code == 200
            assert http.get(f"{AT}{what}/{quote(name, safe='/')}").status_code == 200
