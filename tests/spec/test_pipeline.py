from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from embeddings_orch import PipelineSpec
from embeddings_orch_testing import CountingConfig


def declared(**changes):
    return {
        "name": "photos",
        "media": {"path": "/media/photos"},
        "embeddings": {"clip": {"provider": "counting"}},
        "indexes": {"photo_search": {"vectors": ["clip"]}},
        **changes,
    }


def spec_of(**changes):
    return PipelineSpec.model_validate(declared(**changes))


def test_the_shortest_declaration_has_the_documented_defaults():
    spec = spec_of()
    index = spec.indexes["photo_search"]
    assert (spec.media.source, spec.embeddings["clip"].input) == ("folder", "media")
    assert (index.metric, index.full_text, index.keep_generations) == ("cosine", (), 3)
    assert (index.checks.min_recall, index.checks.max_failed) == (0.95, 0.01)
    assert (spec.auto.max_items, spec.auto.max_cost_usd) == (1_000_000, 5.0)
    assert spec.embeddings["clip"].config.retry.max_retries == 7
    assert spec.store.uri == str(Path.cwd() / ".embeddings_orch")


def test_a_plugins_keys_stand_beside_ours_and_become_its_config():
    spec = spec_of(embeddings={"clip": {"provider": "counting", "input": "caption", "dim": 4, "batch_size": 2}})
    assert spec.embeddings["clip"].config == CountingConfig(dim=4, batch_size=2)


def test_a_config_made_in_python_is_as_good():
    spec = spec_of(embeddings={"clip": {"config": CountingConfig(dim=4)}})
    assert spec.embeddings["clip"].provider == "counting"
    assert spec.embeddings["clip"].config.dim == 4


def test_a_spec_dumps_flat_and_loads_again():
    spec = spec_of()
    dumped = spec.model_dump(mode="json")
    assert dumped["embeddings"]["clip"]["provider"] == "counting"
    assert dumped["embeddings"]["clip"]["dim"] == 8
    assert PipelineSpec.model_validate(dumped) == spec


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        spec_of().name = "other"


def test_relative_paths_are_relative_to_the_base_that_is_given():
    data = declared(media={"path": "pictures"}, store={"uri": "../store"})
    spec = PipelineSpec.model_validate(data, context={"base": Path("/projects/one/defs")})
    assert Path(spec.media.config.path) == Path("/projects/one/defs/pictures")
    assert spec.store.uri == "/projects/one/store"


def test_an_object_stores_address_stays_as_it_is():
    assert spec_of(store={"uri": "s3://bucket/prefix"}).store.uri == "s3://bucket/prefix"


@pytest.mark.parametrize("name", ["a", "A1", "snake_case", "x" * 63])
def test_names_that_dagster_and_sql_take_are_taken(name):
    assert spec_of(name=name).name == name


@pytest.mark.parametrize("name", ["", "1st", "with-hyphen", "with space", "a/b", "ünicode", "_hidden", "x" * 64, "a\n"])
def test_other_names_are_refused(name):
    with pytest.raises(ValidationError, match="pattern"):
        spec_of(name=name)


@pytest.mark.parametrize("name", ["media", "caption", "id", "content_hash", "score", "distance", "Caption"])
def test_an_embedding_cannot_have_the_name_of_a_column(name):
    with pytest.raises(ValidationError, match="cannot be named"):
        spec_of(embeddings={name: {"provider": "counting"}}, indexes={})


def test_an_index_can_only_join_declared_embeddings():
    with pytest.raises(ValidationError, match=r"'clipp', which is not declared; did you mean 'clip'\? allowed: clip"):
        spec_of(indexes={"photo_search": {"vectors": ["clipp"]}})


def test_an_index_names_an_embedding_once():
    with pytest.raises(ValidationError, match="names an embedding twice"):
        spec_of(indexes={"photo_search": {"vectors": ["clip", "clip"]}})


@pytest.mark.parametrize(
    "changes",
    [
        {"embeddings": {}},
        {"indexes": {"i": {"vectors": []}}},
        {"indexes": {"i": {"vectors": ["clip"], "metric": "manhattan"}}},
        {"indexes": {"i": {"vectors": ["clip"], "keep_generations": 0}}},
        {"indexes": {"i": {"vectors": ["clip"], "checks": {"min_recall": 1.1}}}},
        {"indexes": {"i": {"vectors": ["clip"], "checks": {"max_failed": -0.1}}}},
        {"auto": {"max_items": -1}},
        {"store": {"uri": ""}},
        {"store": None},
        {"media": None},
        {"media": {"source": "folder"}},
        {"embeddings": {"clip": {}}},
        {"embeddings": {"clip": {"provider": 3}}},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        spec_of(**changes)


def test_the_media_version_follows_the_media_settings_alone():
    base = spec_of()
    assert spec_of(name="other").media_version() == base.media_version()
    assert spec_of(media={"path": "/media/other"}).media_version() != base.media_version()
    assert spec_of(media={"path": "/media/photos", "include": ["*.png"]}).media_version() != base.media_version()


def test_settings_at_their_defaults_are_as_if_they_were_not_said():
    defaults = {"max_bytes": {"text": 8 * 2**20, "image": 256 * 2**20}, "columns": {}}
    assert spec_of(media={"path": "/media/photos", **defaults}).media_version() == spec_of().media_version()
    other = spec_of(media={"path": "/media/photos", "max_bytes": {"text": 1}})
    assert other.media_version() != spec_of().media_version()


@pytest.mark.parametrize("path", ["photos", "../photos", Path("photos")])
def test_the_media_version_stays_where_a_project_moves(path):
    data = {"name": "p", "media": {"path": path}, "embeddings": {"m": {"provider": "counting", "name": "m"}}}
    here, there = (
        PipelineSpec.model_validate(data, context={"base": Path(folder)}) for folder in ("/one/defs", "/two/defs")
    )
    assert here.media.config != there.media.config
    assert here.media_version() == there.media_version()
    other = PipelineSpec.model_validate(data | {"media": {"path": "pictures"}}, context={"base": Path("/one/defs")})
    assert other.media_version() != here.media_version()
    assert pickle.loads(pickle.dumps(here)).media_version() == here.media_version()


@pytest.mark.parametrize(
    "changes",
    [
        {"embeddings": {"clip": {"provider": "counting", "dim": 9}}},
        {"embeddings": {"clip": {"provider": "counting", "input": "caption"}}},
        {"indexes": {"photo_search": {"vectors": ["clip"], "metric": "l2"}}},
        {"indexes": {"photo_search": {"vectors": ["clip"], "full_text": ["caption"]}}},
    ],
)
def test_what_needs_a_new_index_table_changes_the_index_version(changes):
    assert spec_of(**changes).index_version("photo_search") != spec_of().index_version("photo_search")


@pytest.mark.parametrize(
    "changes",
    [
        {"embeddings": {"clip": {"provider": "counting", "batch_size": 9}}},
        {"embeddings": {"clip": {"provider": "counting"}, "more": {"provider": "counting", "dim": 9}}},
        {"indexes": {"photo_search": {"vectors": ["clip"], "checks": {"min_recall": 0.5}, "keep_generations": 9}}},
        {"auto": {"max_items": 5}},
        {"description": "other words"},
    ],
)
def test_what_needs_none_does_not(changes):
    assert spec_of(**changes).index_version("photo_search") == spec_of().index_version("photo_search")


def test_the_order_of_text_columns_does_not_count():
    one = spec_of(indexes={"photo_search": {"vectors": ["clip"], "full_text": ["caption", "text"]}})
    other = spec_of(indexes={"photo_search": {"vectors": ["clip"], "full_text": ["text", "caption"]}})
    assert one.index_version("photo_search") == other.index_version("photo_search")
