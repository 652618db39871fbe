"""Galleries that are restored for each test have nothing of what another test made of them."""

from functools import partial

import pytest

from embeddings_orch.media.sources.files import stat_of
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from galleries import Gallery
from kept import KeptGallery, after


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def two_models(gallery):
    gallery.run()
    gallery.model(name="b")
    gallery.run()


@pytest.mark.slow
def test_whatever_is_done_to_a_gallery_it_is_restored_as_it_was(once):
    gallery = once(two_models)
    before, rows = files(gallery.root), gallery.rows()
    attributes, captions = repr(gallery.attributes), repr(gallery.captions)
    assert rollback(gallery.pipeline(), "found").changed
    gallery.captions["p003.png"]["caption"] = "edited"
    gallery.attributes["embeddings"]["toy"]["dim"] = 3
    gallery.add("p000.png", b"of another content")
    gallery.add("new.png")
    gallery.remove("p001.png")
    gallery.tolerate_failures()
    gallery.run()
    assert gallery.rows() != rows
    for file in (gallery.root / "store").rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"damaged")

    again = once(two_models)

    assert again.root == gallery.root
    assert files(again.root) == before
    assert (repr(again.attributes), repr(again.captions)) == (attributes, captions)
    assert again.rows() == rows
    assert len(Index(again.pipeline().store, "gallery", "found").search("x", limit=100).hits) == 12


@after(Gallery.run)
def test_a_restored_gallery_has_nothing_to_do(gallery):
    versions = gallery.versions()
    gallery.forget_calls()
    assert not any(asset.changes for asset in gallery.plan().values())
    assert (gallery.run().scan.unchanged, gallery.calls(), gallery.versions()) == (12, [], versions)


def test_the_pictures_of_a_restored_gallery_are_the_files_that_were_prepared(once):
    stats = {}

    def remember(gallery):
        stats.update({path.name: stat_of(path) for path in gallery.media.iterdir()})

    for _ in range(2):
        gallery = once(remember)
        assert {path.name: stat_of(path) for path in gallery.media.iterdir()} == stats != {}


def test_what_is_prepared_otherwise_is_another_gallery(once):
    named_a, named_b = (partial(Gallery.model, name=name) for name in "ab")
    prepared = (once(named_a), once(named_b), once(named_a, pictures=3), once(named_a, name="other"))
    assert len({gallery.root for gallery in prepared}) == 4
    assert [gallery.attributes["embeddings"]["toy"]["name"] for gallery in prepared] == ["a", "b", "a", "a"]
    assert [len(gallery.captions) for gallery in prepared] == [12, 12, 3, 12]
    assert [gallery.attributes["name"] for gallery in prepared] == [*["gallery"] * 3, "other"]


def test_a_test_that_writes_into_the_pictures_of_all_is_told(make_gallery):
    gallery = make_gallery(pictures=2)
    kept = KeptGallery.of(gallery)
    kept.restore()
    (gallery.media / "p000.png").write_bytes(b"written in place")
    with pytest.raises(AssertionError, match="wrote into a picture of all tests"):
        kept.restore()
