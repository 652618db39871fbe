"""Files whose bytes changed while nothing else tells so."""

from __future__ import annotations

from embeddings_orch.media.sources.files import stat_of
from embeddings_orch.models.rows.notes import STAT_COLUMN
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.run.here import execute_steps
from embeddings_orch.pipeline.run.settings import RunSettings


def test_bytes_that_changed_behind_the_same_stat_are_found_by_reading_all_again(gallery):
    path = gallery.media / "p000.png"
    assert execute_steps(gallery.pipeline().spec).success
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    # A file system that does not tell when: the catalog's stat is that of the file as it is now.
    items = gallery.pipeline().store.catalog("gallery").at()
    items.update(where="id = 'p000.png'", values={STAT_COLUMN: stat_of(str(path))})
    assert scan_media(gallery.pipeline(), write=False).changed == 0
    assert scan_media(gallery.pipeline(), write=False, rehash=True).changed == 1
    gallery.forget_calls()
    outcome = execute_steps(gallery.pipeline().spec, settings=RunSettings(rehash=True))
    assert (outcome.assets[0]["changed"], gallery.items()) == (1, 1)
    before = gallery.versions()
    assert execute_steps(gallery.pipeline().spec, settings=RunSettings(rehash=True)).success
    assert gallery.versions() == before
