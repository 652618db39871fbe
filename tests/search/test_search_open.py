"""Opening an index by name: in the project around, by a YAML, or in a store alone."""

import shutil

import pytest

from embeddings_orch.errors import SpecError, StoreError
from embeddings_orch.search import Index
from embeddings_orch.store import Store

PROJECT = '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "definitions"\n'


@pytest.fixture
def project(make_gallery, tmp_path):
    """A project with two pipelines that have run: ``one`` has the index ``found``, ``two`` has that and ``other``."""
    root = tmp_path / "project"
    for name, indexes in (("one", ["found"]), ("two", ["found", "other"])):
        gallery = make_gallery(pictures=3, folder=f"project/definitions/defs/{name}")
        index = {"vectors": ["toy"], "full_text": ["caption"]}
        gallery.declare(name=name, store={"uri": str(root / "store")}, indexes=dict.fromkeys(indexes, index))
        gallery.run()
    (root / "pyproject.toml").write_text(PROJECT)
    return root


@pytest.mark.slow
def test_an_index_of_the_project_around_is_found_by_name(project, monkeypatch):
    monkeypatch.chdir(project / "definitions" / "defs")
    index = Index.open("other")
    assert (index.pipeline, index.search("a", limit=1).index) == ("two", "other")
    assert Index.open("found", pipeline="one").pipeline == "one"
    with pytest.raises(SpecError, match="several pipelines have an index 'found'; choose one with pipeline=: one, two"):
        Index.open("found")
    with pytest.raises(SpecError, match="there is no index 'othre' in any pipeline; did you mean 'other'"):
        Index.open("othre")
    with pytest.raises(SpecError, match="there is no index 'other'"):
        Index.open("other", pipeline="one")
    with pytest.raises(SpecError, match="there is no pipeline 'three'"):
        Index.open("other", pipeline="three")


@pytest.mark.slow
def test_a_broken_pipeline_beside_stops_nothing(project, monkeypatch):
    monkeypatch.chdir(project)
    file = project / "definitions" / "defs" / "one" / "defs.yaml"
    file.write_text(file.read_text().replace("source: folder", "source: nothing"))
    assert Index.open("found").pipeline == "two"
    with pytest.raises(SpecError, match="nothing"):  # it may be the one that is meant
        Index.open("missing")


@pytest.mark.slow
def test_a_yaml_or_a_store_is_enough(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, store = project / "definitions" / "defs" / "one" / "defs.yaml", project / "store"
    expected = Index.open("found", file=str(file)).search("a")
    assert len(expected.hits) == 3
    assert Index.open("found", store=str(store), pipeline="one").search("a") == expected
    assert Index.open("other", store=Store(str(store))).search("a", limit=3).index == "other"
    moved = tmp_path / "moved"
    shutil.copytree(store, moved)
    assert Index.open("found", file=file, store=moved).search("a") == expected
    assert Index.open("found", file=file, store=moved).store.uri == str(moved)
    with pytest.raises(StoreError, match="several pipelines have published an index 'found'.*one, two"):
        Index.open("found", store=store)
    with pytest.raises(StoreError, match="no index 'othre' is published in .*store; did you mean 'other'"):
        Index.open("othre", store=store)
    with pytest.raises(StoreError, match="no index 'found' is published in"):
        Index.open("found", store=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()
    with pytest.raises(SpecError, match="is in no dg project"):
        Index.open("found")


@pytest.mark.slow
def test_the_deployment_is_the_one_that_is_said_or_declared_or_the_environments(make_gallery, monkeypatch):
    gallery = make_gallery(pictures=3, store={"uri": "store", "deployment": "branch"})
    gallery.run()
    store = str(gallery.root / "store")

    assert Index.open("found", file=gallery.file).store.deployment == "branch"
    assert len(Index.open("found", store=store, deployment="branch").search("a").hits) == 3
    with pytest.raises(StoreError, match="no index 'found' is published in .*store"):
        Index.open("found", store=store)
    for opened in (store, Store(str(store), "branch")):
        with pytest.raises(StoreError, match="no index 'found' is published in .* by the deployment other"):
            Index.open("found", store=opened, deployment="other")
    monkeypatch.setenv("EMBEDDINGS_ORCH_DEPLOYMENT", "branch")
    assert Index.open("found", store=store).pipeline == "gallery"
    monkeypatch.delenv("EMBEDDINGS_ORCH_DEPLOYMENT")
    with pytest.raises(StoreError, match="s3://bucket/store may be shared"):
        Index.open("found", store="s3://bucket/store")
