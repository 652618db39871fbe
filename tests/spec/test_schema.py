from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch.spec import schema

WHOLE = {
    "type": "embeddings_orch.EmbeddingPipeline",
    "attributes": {
        "name": "photos",
        "store": {"uri": "s3://bucket/prefix"},
        "media": {"source": "folder", "path": "media", "include": ["**/*.png"]},
        "embeddings": {
            "clip": {"provider": "counting", "input": "media", "dim": 4, "retry": {"max_retries": 3}},
            "captions": {"provider": "counting", "input": "caption"},
        },
        "indexes": {"photo_search": {"vectors": ["clip"], "checks": {"min_recall": 0.9}, "full_text": ["caption"]}},
        "auto": {"max_items": 10},
    },
}


@pytest.fixture(scope="module")
def validator():
    made = schema.file_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def changed(path, value):
    """The whole declaration with one value set, or removed where it is None."""
    data = copy.deepcopy(WHOLE)
    *parents, last = path.split(".")
    inner = data["attributes"]
    for part in parents:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return data


def test_a_whole_declaration_is_valid(validator):
    validator.validate(WHOLE)


def test_the_repositorys_own_pipelines_are_valid(validator):
    files = sorted((Path(__file__).parents[2] / "definitions" / "defs").rglob("defs.yaml"))
    assert files
    for file in files:
        for document in yaml.safe_load_all(file.read_text()):
            validator.validate(document)


def test_the_source_is_a_folder_where_none_is_named(validator):
    validator.validate(changed("media.source", None))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nam", "photos"),
        ("media.includes", []),
        ("media.source", "table"),  # which has no `include`
        ("media.path", None),
        ("embeddings.clip.dimm", 3),
        ("embeddings.clip.dim", "four"),
        ("embeddings.clip.dim", 1),
        ("embeddings.clip.provider", "unknown"),
        ("embeddings.clip.provider", None),
        ("embeddings.clip.retry.max_retrys", 3),
        ("embeddings.clip.retry.max_retries", -1),
        ("embeddings", {}),
        ("indexes.photo_search.metrik", "cosine"),
        ("indexes.photo_search.metric", "cosinus"),
        ("indexes.photo_search.vectors", []),
        ("indexes.photo_search.checks.min_recall", 2),
        ("store.url", "x"),
        ("name", None),
    ],
)
def test_a_wrong_key_or_value_is_not(validator, path, value):
    assert not validator.is_valid(changed(path, value))


def test_another_type_is_not(validator):
    assert not validator.is_valid({**WHOLE, "type": "acme.Component"})


def test_every_installed_plugins_keys_are_there_with_descriptions():
    definitions = schema.file_schema()["$defs"]
    alternatives = {alternative["title"]: alternative for alternative in definitions["EmbeddingSpec"]["anyOf"]}
    for plugin in plugins.list_plugins("embedders"):
        if not plugin.installed:
            continue
        fields = plugins.load("embedders", plugin.name).config_class.model_fields
        properties = alternatives[plugin.name]["properties"]
        assert set(properties) == {*fields, "provider", "input", "vectors", "runner"}
        assert properties["provider"]["const"] == plugin.name
        for name, described in properties.items():
            assert described.get("description"), f"{plugin.name}: {name} has no description"


def test_our_own_keys_have_descriptions_for_the_editor():
    made = schema.file_schema()
    models = [made["properties"]["attributes"], *(made["$defs"][n] for n in ("IndexSpec", "ChecksSpec", "RetryPolicy"))]
    for model in models:
        for name, described in model["properties"].items():
            if name not in ("media",):
                assert described.get("description"), name


def test_the_schema_is_one_json_text():
    assert json.loads(json.dumps(schema.file_schema())) == schema.file_schema()


def test_a_broken_plugin_takes_only_its_own_keys_away(monkeypatch):
    load = plugins.load

    def broken(group, name):
        if name == "counting":
            raise PluginError("it is broken")
        return load(group, name)

    monkeypatch.setattr(plugins, "load", broken)
    definitions = schema.file_schema()["$defs"]
    assert "counting" not in [one["title"] for one in definitions["EmbeddingSpec"]["anyOf"]]
    assert "folder" in [one["title"] for one in definitions["MediaSpec"]["anyOf"]]
