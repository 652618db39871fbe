"""A project that moves: the catalog says where media are relative to the folder that the declaration names."""

from __future__ import annotations

import os
import shutil

import pytest

from embeddings_orch.errors import MassDeleteError
from embeddings_orch.lancedb import open_table
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.plan.status import make_failures
from embeddings_orch.pipeline.run.here import execute_steps
from embeddings_orch.search import Index
from embeddings_orch.store.names import TableName
from galleries import Gallery

PICTURES = 30
"""More than the least for which the mass-delete check counts."""


@pytest.fixture
def made(make_gallery):
    gallery = make_gallery(PICTURES)
    assert execute_steps(gallery.pipeline().spec).success
    gallery.forget_calls()
    return gallery


def at(root, gallery):
    """The gallery in another folder, of which nothing but its model's log is declared anew."""
    moved = Gallery(root, gallery.attributes, gallery.captions)
    moved.forget_calls()
    moved.model(log=str(moved.log))
    return moved


def generations(gallery):
    return [generation.id for generation in gallery.pipeline().store.generations.of("gallery", "found")]


def uris(gallery):
    with Index.open("found", file=gallery.file) as declared, Index.open("found", store=gallery.root / "store") as alone:
        found = [[hit.uri for hit in index.search("a", limit=3)] for index in (declared, alone)]
    assert found[0] == found[1]
    table = open_table(gallery.root / "store", "found")
    assert [row["uri"] for row in table.search("a").limit(3).to_list()] == found[0]
    return found[0]


def test_the_store_has_relative_uris_and_who_asks_gets_absolute_ones(made):
    assert made.pipeline().catalog()["uri"].to_pylist() == sorted(os.listdir(made.media))[1:]
    assert {row["uri"] for row in made.rows().values()} == set(os.listdir(made.media)) - {"metadata.csv"}
    assert all(os.path.isfile(uri) and uri.startswith(f"{made.media}/") for uri in uris(made))


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_project_in_another_place_embeds_nothing_and_makes_no_generation(made, tmp_path, move):
    before, version = generations(made), made.pipeline().spec.media_version()
    move(made.root, tmp_path / "elsewhere")
    moved = at(tmp_path / "elsewhere", made)

    outcome = execute_steps(moved.pipeline().spec)

    assert outcome.success
    assert (outcome.assets[0]["changed"], outcome.assets[0]["new"], moved.items()) == (0, 0, 0)
    assert (generations(moved), moved.pipeline().spec.media_version()) == (before, version)
    assert all(os.path.isfile(uri) and uri.startswith(f"{moved.media}/") for uri in uris(moved))
    versions = moved.versions()
    assert execute_steps(moved.pipeline().spec).success
    assert moved.versions() == versions


def test_a_moved_project_is_searched_before_its_next_run_by_its_declaration(made, tmp_path):
    shutil.move(made.root, tmp_path / "elsewhere")
    moved = at(tmp_path / "elsewhere", made)
    with Index.open("found", file=moved.file) as index:
        assert all(os.path.isfile(hit.uri) for hit in index.search("a", limit=3))


def test_a_moved_project_that_lost_its_media_deletes_nothing(made, tmp_path):
    shutil.move(made.root, tmp_path / "elsewhere")
    moved = at(tmp_path / "elsewhere", made)
    for name in sorted(moved.captions)[1:]:
        (moved.media / name).unlink()
    with pytest.raises(MassDeleteError):
        scan_media(moved.pipeline())
    assert moved.pipeline().catalog().num_rows == PICTURES


def test_a_link_to_the_media_is_the_root_where_it_is_declared(made, tmp_path):
    (tmp_path / "link").symlink_to(made.media)
    made.declare(media={"source": "folder", "path": str(tmp_path / "link")})
    before = generations(made)
    outcome = execute_steps(made.pipeline().spec)
    assert (outcome.assets[0]["changed"], made.items(), generations(made)) == (0, 0, before)
    assert all(uri.startswith(f"{tmp_path / 'link'}/") for uri in uris(made))


def test_failures_are_listed_where_the_media_are_now(make_gallery, tmp_path):
    gallery = make_gallery(3)
    gallery.model(input="caption", reject="picture 1")
    gallery.tolerate_failures()
    gallery.run()
    shutil.move(gallery.root, tmp_path / "elsewhere")
    moved = at(tmp_path / "elsewhere", gallery)
    uri = str(moved.media / "p001.png")
    assert [row["uri"] for row in make_failures(moved.pipeline())["failed"]] == [uri]
    outcome = execute_steps(moved.pipeline().spec)
    assert ([failure.item for failure in outcome.item_failures()], moved.items()) == ([uri], 0)


def test_a_scan_notes_what_it_deletes_before_the_catalog_lacks_it(make_gallery):
    gallery = make_gallery(5)
    scan_media(gallery.pipeline())
    store = gallery.pipeline().store
    first = store.catalog("gallery").version()
    gallery.remove("p001.png")
    gallery.remove("p002.png")
    scan_media(gallery.pipeline())
    assert sorted(store.tombstones("gallery").deleted_since(first).to_pylist()) == ["p001.png", "p002.png"]
    gallery.add("p001.png", caption="again")
    scan_media(gallery.pipeline())
    assert store.tombstones("gallery").deleted_since(first).to_pylist() == ["p002.png"]
    assert store.tombstones("gallery").name == TableName.of_tombstones("gallery")


def test_every_way_to_read_lancedbs_table_gives_absolute_uris(made):
    table = open_table(made.root / "store", "found")
    uris = {f"{made.media / name}" for name in made.captions}
    assert set(table.to_arrow()["uri"].to_pylist()) == uris
    assert set(table.to_pandas()["uri"]) == uris
    assert set(table.head(PICTURES)["uri"].to_pylist()) == uris
    places = list(range(PICTURES))
    assert {row["uri"] for row in table.take_offsets(places).to_list()} == uris
    assert set(table.take_offsets(places).to_arrow()["uri"].to_pylist()) == uris
    assert set(table.take_offsets(places).to_pandas()["uri"]) == uris
    assert set(table.take_offsets(places).to_batches().read_all()["uri"].to_pylist()) == uris
    assert "uri" not in table.search("a").select(["id"]).limit(1).to_list()[0]
    assert {row["uri"] for row in table.search("picture", query_type="fts").limit(PICTURES).to_list()} == uris
    assert table.search("picture", query_type="hybrid").limit(1).to_list()[0]["uri"] in uris
    assert {row["id"] for row in table.search().where("uri = 'p003.png'").to_list()} == {"p003.png"}
