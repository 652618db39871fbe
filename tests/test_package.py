from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import embeddings_orch
from embeddings_orch import plugins

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "open_clip", "transformers", "dagster", "lancedb", "boto3", "pandas", "ray")


LIGHT = ["spec.yaml_file", "spec.project", "spec.schema", "cli", "plugins", "embedding.step", "models"]
STEPS = ["embeddings.embed", "indexes.build", "published.publish", "plan.plan", "automation.reconcile"]
FREE_OF_DAGSTER = [*(f"pipeline.{step}" for step in STEPS), "search", "server"]


@pytest.fixture(scope="module")
def imported():
    """For each import, in this order, the heavy modules that a fresh Python has loaded by then."""
    entries = sorted(
        {p.target.partition(":")[0] for g in plugins.GROUPS for p in plugins.list_plugins(g) if p.installed}
    )
    modules = ["embeddings_orch", *(f"embeddings_orch.{name}" for name in LIGHT), *entries]
    modules += [f"embeddings_orch.{name}" for name in FREE_OF_DAGSTER]
    code = f"""
import importlib, json, sys
import embeddings_orch
assert "EmbeddingPipeline" in dir(embeddings_orch)
loaded = {{}}
for module in {modules!r}:
    importlib.import_module(module)
    loaded[module] = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.process
def test_what_the_command_line_starts_with_and_all_plugins_load_nothing_heavy(imported):
    light = {module: heavy for module, heavy in imported.items() if module.split(".", 1)[-1] not in FREE_OF_DAGSTER}
    assert {"embeddings_orch", "embeddings_orch.cli"} < light.keys()
    assert len(light) > len(LIGHT) + 1, "no plugin is installed"
    assert {module: heavy for module, heavy in light.items() if heavy} == {}


@pytest.mark.process
def test_the_steps_are_free_of_dagster(imported):
    for name in FREE_OF_DAGSTER:
        assert not {"dagster", "torch"} & set(imported[f"embeddings_orch.{name}"]), name


@pytest.mark.parametrize("name", embeddings_orch.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(embeddings_orch, name).__name__ == name
    assert name in dir(embeddings_orch)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = embeddings_orch.Nothing


def test_type_checkers_see_the_same_names_as_python_does():
    source = (ROOT / "embeddings_orch" / "__init__.py").read_text()
    for name, home in embeddings_orch._HOMES.items():
        assert f"from {home} import {name} as {name}" in source


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "embeddings_orch" / "py.typed").is_file()


def test_the_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert embeddings_orch.__version__ == project["version"] == importlib.metadata.version("embeddings-orch")


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins").glob("*/pyproject.toml")), ids=lambda p: p.parent.name)
def test_a_plugin_is_a_distribution_of_its_own_in_the_shared_namespace(plugin):
    project = tomllib.loads(plugin.read_text())["project"]
    name = plugin.parent.name
    assert project["name"] == f"embeddings-orch-{name.replace('_', '-')}"
    source = plugin.parent / "src"
    namespace = source / "embeddings_orch_plugins"
    assert not (namespace / "__init__.py").exists(), "it would hide the other plugins"
    # The test bench is no plugin of a product, and has a name of its own.
    package = source / "embeddings_orch_testing" if name == "testing" else namespace / name
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    assert (plugin.parent / "README.md").is_file()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras[name.replace("_", "-")] == [project["name"]]
