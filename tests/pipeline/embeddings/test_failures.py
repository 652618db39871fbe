"""Bad pictures and failing providers: what is kept, what is tried again, and what is said."""

import io
import math
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import TerminalError
from embeddings_orch.pipeline.checks.run import check_embedding
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery
from kept import after

NO_WAIT = {"initial_wait": 0.0}


def picture(format="PNG", mode="RGB", size=(16, 16), **options):
    encoded = io.BytesIO()
    Image.new(mode, size, 77 if mode in ("L", "I;16") else "teal").save(encoded, format, **options)
    return encoded.getvalue()


def huge_png(width, height):
    """One bit a pixel, all black: a hundred megapixels in a few kilobytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" * (1 + width // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row * 100) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def animated():
    frames = [Image.new("P", (16, 16), color) for color in (1, 2, 3)]
    encoded = io.BytesIO()
    frames[0].save(encoded, "GIF", save_all=True, append_images=frames[1:])
    return encoded.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", size=(32, 16), exif=exif)


GOOD = {
    "cmyk.jpg": lambda: picture("JPEG", "CMYK"),
    "sixteen.png": lambda: picture("PNG", "I;16"),
    "animated.gif": animated,
    "rotated.jpg": rotated,
    "alpha.webp": lambda: picture("WEBP", "RGBA"),
    "hundred_megapixels.png": lambda: huge_png(10_000, 10_000),
}
BAD = {
    "broken.png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(200)), "corrupt"),
    "empty.jpg": (lambda: b"", "empty"),
    "truncated.jpg": (lambda: picture("JPEG", size=(640, 480))[:2000], "truncated"),
    "renamed.png": (lambda: b"Dear diary, this is no picture.", "not a picture: text found"),
    "page.jpg": (lambda: b"<!DOCTYPE html><html></html>", "not a picture: HTML found"),
    "too_large.png": (lambda: huge_png(12_000, 12_000), "too many pixels: 12000 x 12000"),
}


@pytest.fixture
def zoo(once):
    """Six pictures of unusual kinds and six files that are none, after their first run."""
    return once(run_zoo, pictures=0)


def run_zoo(gallery):
    fill_zoo(gallery)
    gallery.run()


def fill_zoo(gallery):
    gallery.model(decode=True)
    gallery.tolerate_failures()
    for name, make in GOOD.items():
        gallery.add(name, make())
    for name, (make, _) in BAD.items():
        gallery.add(name, make())


def reasons(gallery):
    failures = gallery.pipeline().store.failures.of(fingerprint(gallery))
    return {failure.uri.rsplit("/", 1)[1]: failure.reason for failure in failures.values()}


def fingerprint(gallery, name="toy"):
    return gallery.pipeline().spec.embeddings[name].config.fingerprint()


@pytest.mark.slow
def test_every_picture_is_embedded_or_fails_with_its_reason(make_gallery):
    zoo = make_gallery(pictures=0)
    fill_zoo(zoo)
    ran = zoo.run()

    assert ran.embedded() == len(GOOD)
    assert ran.embeddings["toy"].failed == len(BAD)
    found = reasons(zoo)
    assert sorted(found) == sorted(BAD)
    for name, (_, reason) in BAD.items():
        assert reason in found[name]
    rows = zoo.rows()
    assert {name for name, row in rows.items() if row["toy"] is None} == set(BAD)
    assert len(rows) == len(GOOD) + len(BAD)
    assert ran.indexes["found"].without_vector == len(BAD)


@pytest.mark.slow
def test_bad_pictures_are_counted_not_tried_again_until_asked(zoo):
    zoo.forget_calls()
    before = zoo.versions()
    plan = zoo.plan()
    assert (plan["embeddings/toy"].failed, plan["embeddings/toy"].estimate.contents) == (len(BAD), 0)

    ran = zoo.run()

    assert (zoo.calls(), ran.embeddings["toy"].failures) == ([], [])
    assert ran.embeddings["toy"].failed == len(BAD)
    assert zoo.versions() == before

    assert zoo.plan(retry_failed=True)["embeddings/toy"].estimate.contents == len(BAD)
    ran = zoo.run(retry_failed=True)
    assert len(ran.embeddings["toy"].failures) == len(BAD)
    assert zoo.calls() == []  # they fail before they reach the model


@pytest.mark.slow
def test_the_failed_share_check_shows_the_share_and_the_limit(zoo):
    zoo.declare(indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 0.25}}})

    checks = {check.name: check for check in check_embedding(zoo.pipeline(), "toy")}

    share = checks.pop("failed_share")
    assert (share.passed, share.blocking) == (False, False)
    assert share.metadata == {"failed": 6, "items": 12, "share": 0.5, "limit": 0.25}
    assert share.description == "6 of 12 items have no vector (50.00%; the limit is 25.00%)"
    assert all(check.passed for check in checks.values())
    assert checks["coverage"].metadata == {"contents": 12, "with_vector": 6, "failed_contents": 6}
    zoo.declare(indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 0.5}}})
    assert all(check.passed for check in check_embedding(zoo.pipeline(), "toy"))


@pytest.mark.slow
def test_a_bad_picture_replaced_by_a_good_one_is_embedded_alone(zoo):
    zoo.forget_calls()
    zoo.add("broken.png")

    ran = zoo.run()

    assert zoo.calls() == [("image", 1)]
    assert ran.embeddings["toy"].failed == len(BAD) - 1
    assert zoo.rows()["broken.png"]["toy"] is not None


@pytest.mark.slow
def test_status_counts_failures_of_media_that_are_still_there(zoo):
    assert make_status(zoo.pipeline())["failures"] == len(BAD)
    zoo.add("broken.png")
    zoo.media.joinpath("page.jpg").unlink()

    zoo.run()

    assert make_status(zoo.pipeline())["failures"] == len(BAD) - 2


def test_a_gallery_of_bad_pictures_only_runs_and_finds_nothing(make_gallery):
    gallery = make_gallery(pictures=0)
    gallery.model(decode=True)
    gallery.tolerate_failures()
    gallery.add("one.png", b"no picture")

    ran = gallery.run()

    assert (ran.embedded(), ran.embeddings["toy"].failed) == (0, 1)
    assert gallery.rows()["one.png"]["toy"] is None
    assert not make_plan(gallery.pipeline()).changes


def test_an_empty_folder_runs_and_finds_nothing(make_gallery):
    gallery = make_gallery(pictures=0)

    gallery.run()

    assert gallery.rows() == {}
    assert not make_plan(gallery.pipeline()).changes


def test_a_text_that_is_not_utf8_fails_and_says_so(make_gallery):
    gallery = make_gallery(pictures=0)
    gallery.tolerate_failures()
    gallery.add("good.txt", "Grüße")
    gallery.add("latin.txt", "Grüße".encode("latin-1"))

    ran = gallery.run()

    assert gallery.calls() == [("text", 1)]
    assert [failure.kind for failure in ran.embeddings["toy"].failures] == ["item"]
    assert "not UTF-8" in reasons(gallery)["latin.txt"]
    gallery.forget_calls()
    assert gallery.run().embeddings["toy"].failures == []


@pytest.mark.slow
def test_one_refused_item_in_a_batch_of_100_costs_few_calls_and_only_itself(make_gallery):
    gallery = make_gallery(pictures=99)
    gallery.add("poison.png", b"this one is poisonous")
    gallery.model(batch_size=100, reject="poisonous")

    ran = gallery.run()

    assert ran.embedded() == 99
    assert [failure.reason for failure in ran.embeddings["toy"].failures] == ["an input holds 'poisonous'"]
    assert len(gallery.calls()) <= 1 + 2 * math.ceil(math.log2(100)) + 1
    assert ran.embeddings["toy"].usage.requests == len(gallery.calls())
    assert ran.embeddings["toy"].usage.retries == 0
    gallery.forget_calls()
    gallery.run()
    assert gallery.calls() == []


def test_a_terminal_error_stops_at_once_with_the_providers_words(gallery):
    gallery.model(broken=True, batch_size=1)

    with pytest.raises(TerminalError, match="the counting provider is configured as broken"):
        gallery.run()

    assert len(gallery.calls()) <= 3  # the one that failed, and what was in flight


@pytest.mark.slow
@after(Gallery.run)
def test_a_terminal_error_leaves_earlier_vectors_and_the_published_index(gallery):
    rows = gallery.rows()
    gallery.add("new.png")
    gallery.model(broken=True)
    with pytest.raises(TerminalError):
        gallery.run()

    assert gallery.rows() == rows
    gallery.forget_calls()
    gallery.model(broken=False)
    assert gallery.run().embedded() == 1
    assert len(gallery.rows()) == 13


@pytest.mark.slow
def test_vectors_made_before_a_terminal_error_are_committed(make_gallery, monkeypatch):
    gallery = make_gallery(pictures=50)
    gallery.model(batch_size=10)
    embed = CountingEmbedder.embed

    def quota(self, batch):
        if sum(items for _, items in gallery.calls()) >= 30:
            raise TerminalError("the quota is used up")
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", quota)
    with pytest.raises(TerminalError, match="the quota is used up"):
        gallery.run()
    assert len(gallery.pipeline().store.vectors(fingerprint(gallery)).keys()) == 30
    monkeypatch.undo()

    assert gallery.plan()["embeddings/toy"].estimate.contents == 20
    assert gallery.run().embedded() == 20
    assert gallery.items() == 50


def test_transient_errors_are_retried_and_counted(gallery):
    gallery.model(flaky=3, retry=NO_WAIT)

    ran = gallery.run()

    usage = ran.embeddings["toy"].usage
    assert (ran.embedded(), ran.embeddings["toy"].failed) == (12, 0)
    assert (usage.requests, usage.retries) == (4, 3)
    assert len(gallery.calls()) == 4


def test_no_retries_means_one_attempt(gallery):
    gallery.model(flaky=3, retry={"max_retries": 0})

    with pytest.raises(TerminalError, match="the request was tried once: .*fails 3 times first"):
        gallery.run()


@pytest.mark.slow
def test_what_ran_out_of_retries_is_tried_in_the_next_run(make_gallery, monkeypatch):
    gallery = make_gallery(pictures=20)
    gallery.tolerate_failures()
    gallery.model(batch_size=10, retry={"max_retries": 1, "initial_wait": 0.0})
    embed = CountingEmbedder.embed

    def unreachable(self, batch):
        if sum(items for _, items in gallery.calls()) >= 10:
            raise ConnectionError("the network is down")
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", unreachable)
    ran = gallery.run()
    assert (ran.embedded(), ran.embeddings["toy"].failed) == (10, 10)
    assert {failure.kind for failure in ran.embeddings["toy"].failures} == {"transient"}
    assert "the network is down" in ran.embeddings["toy"].failures[0].reason
    monkeypatch.undo()

    assert gallery.plan()["embeddings/toy"].estimate.contents == 10
    ran = gallery.run()
    assert (ran.embedded(), ran.embeddings["toy"].failed) == (10, 0)
    assert all(row["toy"] is not None for row in gallery.rows().values())
    assert make_status(gallery.pipeline())["failures"] == 0


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not finite"), (0.0, "zeros")])
def test_a_useless_vector_is_a_failure_and_not_stored(gallery, monkeypatch, value, reason):
    gallery.tolerate_failures()
    vector = CountingEmbedder._vector
    bad = (gallery.media / "p003.png").read_bytes()
    monkeypatch.setattr(
        CountingEmbedder, "_vector",
        lambda self, content: vector(self, content) * (value if content == bad else 1),
    )  # fmt: skip

    ran = gallery.run()

    assert (ran.embedded(), ran.embeddings["toy"].failed) == (11, 1)
    assert reason in reasons(gallery)["p003.png"]
    assert gallery.rows()["p003.png"]["toy"] is None


SAME_BYTES = pytest.mark.parametrize("names", [("a.png", "b.txt"), ("b.png", "a.txt")])


@SAME_BYTES
def test_the_same_bytes_as_a_text_and_as_a_broken_picture_are_two_contents(make_gallery, names):
    gallery = run_twice(make_gallery, names, b"words that are no picture")

    broken, text = names
    assert list(reasons(gallery)) == [broken]
    rows = gallery.rows()
    assert (rows[broken]["toy"], rows[text]["text"]) == (None, "words that are no picture")
    assert rows[text]["toy"] is not None


@SAME_BYTES
def test_a_good_picture_that_is_called_a_text_too_is_found_as_the_picture(make_gallery, names):
    gallery = run_twice(make_gallery, names, picture())

    good, called_text = names
    assert list(reasons(gallery)) == [called_text]
    assert gallery.rows()[good]["toy"] is not None
    assert gallery.rows()[called_text]["toy"] is None


def run_twice(make_gallery, names, data):
    """A gallery of files with the same bytes; the second run has nothing to do."""
    gallery = make_gallery(pictures=0)
    gallery.model(decode=True)
    gallery.tolerate_failures()
    for name in names:
        gallery.add(name, data)
    assert gallery.run().embedded() == 1
    gallery.forget_calls()
    assert gallery.run().embedded() == 0
    assert gallery.calls() == []
    return gallery
