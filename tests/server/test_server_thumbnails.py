"""Thumbnails: of the picture that was indexed, by its id, in bounded time and memory."""

import io
import random
import threading
import time

import pytest
from PIL import Image

AT = "/v1/indexes/gallery/found/thumbnails/"


def noise(width, height, seed=0, kind="PNG", **options):
    data = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3)).save(
        data, kind, **options
    )
    return data.getvalue()


def filled(gallery):
    """A gallery with pictures of two kinds, a text and a picture that is cut off; it was run."""
    gallery.add("wide.png", noise(600, 300))
    gallery.add("photo.jpg", noise(400, 800, kind="JPEG"))
    gallery.add("words.txt", "a text about dogs")
    gallery.add("cut.png", noise(300, 300)[:5000])
    gallery.add(
        "drawing.png", '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
    )
    gallery.add("page.jpg", "<!doctype html><script>alert(1)</script>")
    gallery.add("both.jpg", noise(40, 40, kind="JPEG") + b"<script>alert(1)</script>")
    gallery.add("page.txt", "<!doctype html><script>alert(1)</script>")
    gallery.tolerate_failures()
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def kept(shared_gallery):
    """A gallery that no test changes."""
    return filled(shared_gallery(pictures=2))


@pytest.fixture(scope="module")
def http(kept, shared_served):
    """A client of a server of `kept`."""
    return shared_served(kept).http


@pytest.fixture
def gallery(make_gallery):
    return filled(make_gallery(pictures=2))


def opened(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/webp"
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(("asked", "side"), [(None, 192), (1, 64), (64, 64), (65, 96), (192, 192), (500, 512)])
def test_a_size_is_rounded_up_to_one_of_a_few(http, asked, side):
    picture = opened(http.get(AT + "wide.png", params={"size": asked} if asked else {}))
    assert picture.size == (side, side // 2)
    assert max(opened(http.get(AT + "photo.jpg", params={"size": asked} if asked else {})).size) == side


def test_sizes_that_nobody_needs_are_refused(http):
    for size in ("0", "513", "100000", "-5", "x", "NaN"):
        assert http.get(AT + "wide.png", params={"size": size}).status_code == 400


def test_what_has_no_picture_is_not_found_and_says_why(http):
    for item, why in (
        ("words.txt", "is text and has no picture"),
        ("cut.png", "cannot be shown: truncated"),
        ("nope.png", "no item 'nope.png'"),
    ):
        answer = http.get(AT + item)
        assert answer.status_code == 404
        assert why in answer.json()["error"]["message"]


@pytest.mark.parametrize("item", ["drawing.png", "page.jpg", "page.txt"])
def test_a_drawing_or_a_page_that_is_called_a_picture_is_never_sent(http, item):
    answer = http.get(AT + item)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"<" not in answer.content


def test_what_follows_a_picture_in_its_file_is_not_sent(http):
    answer = http.get(AT + "both.jpg")
    assert opened(answer).size == (40, 40)
    assert b"script" not in answer.content


def test_a_file_that_changed_or_went_since_is_not_shown(gallery, served):
    http = served(gallery).http
    (gallery.media / "p000.png").write_bytes(noise(50, 50, seed=1))
    (gallery.media / "p001.png").unlink()
    changed, gone = http.get(AT + "p000.png"), http.get(AT + "p001.png")
    assert (changed.status_code, gone.status_code) == (404, 404)
    assert "changed since it was indexed" in changed.json()["error"]["message"]
    assert "cannot be read any more" in gone.json()["error"]["message"]
    assert str(gallery.root) not in changed.text + gone.text
    secret = gallery.root / "secret.png"
    secret.write_bytes(noise(64, 64, seed=2))
    (gallery.media / "p001.png").symlink_to(secret)
    assert http.get(AT + "p001.png").status_code == 404


@pytest.mark.slow
def test_a_browser_asks_again_only_for_what_changed(gallery, served):
    http = served(gallery).http
    first = http.get(AT + "wide.png")
    tag = first.headers["etag"]
    again = http.get(AT + "wide.png", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get(AT + "wide.png", params={"size": 64}).headers["etag"] != tag
    assert "private" in first.headers["cache-control"]
    (gallery.media / "wide.png").write_bytes(noise(600, 300, seed=3))
    gallery.run()
    time.sleep(0.25)
    changed = http.get(AT + "wide.png", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert changed.content != first.content


@pytest.mark.slow
def test_the_cache_is_bounded_in_bytes(gallery, served):
    one = served(gallery, thumbnail_cache=20_000)
    for number in range(8):
        gallery.add(f"n{number}.png", noise(64, 64, seed=number))
    gallery.run()
    time.sleep(0.25)
    sizes = [len(one.http.get(AT + f"n{number}.png", params={"size": 64}).content) for number in range(8)]
    assert sum(sizes) > 20_000 > max(sizes)
    assert 0 < one.app.state.own.thumbnails.size <= 20_000
    told = one.http.get("/metrics").text
    assert f"embeddings_orch_thumbnail_cache_bytes {float(one.app.state.own.thumbnails.size)}" in told


def test_many_ask_for_one_thumbnail_and_it_is_made_once(kept, served):
    one = served(kept)
    source = one.app.state.own.served.indexes[0].source
    reads = []
    lock = threading.Lock()

    class Counted(type(source)):
        def read(self, uri):
            with lock:
                reads.append(uri)
            return super().read(uri)

    one.app.state.own.served.indexes[0].source = Counted(source.config)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(one.http.get(AT + "wide.png").content)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    assert len(set(answers)) == 1
    assert len(reads) == 1


@pytest.mark.slow
def test_a_picture_of_very_many_pixels_is_not_unpacked(make_gallery, served, unpacked):
    gallery = make_gallery(pictures=1)
    data = io.BytesIO()
    Image.new("1", (16_000, 16_000)).save(data, "PNG")
    gallery.add("huge.png", data.getvalue())
    gallery.run()
    http = served(gallery).http
    assert http.get(AT + "p000.png").status_code == 200
    assert unpacked, "it is not seen here what is unpacked"
    answer = http.get(AT + "huge.png")
    assert answer.status_code == 404
    assert "too many pixels" in answer.json()["error"]["message"]
    assert (16_000, 16_000) not in unpacked


@pytest.mark.slow
def test_a_page_may_ask_for_all_its_thumbnails_at_once(make_gallery, served):
    gallery = make_gallery(pictures=2)
    for number in range(60):
        gallery.add(f"n{number}.png", noise(200, 200, seed=number))
    gallery.run()
    one = served(gallery)
    answers = []

    def ask(number):
        answers.append(one.http.get(f"{AT}n{number}.png", timeout=60).status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
