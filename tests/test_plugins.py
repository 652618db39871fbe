from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch_testing import CountingEmbedder

SITE = {
    "acme_embeddings-2.1": {
        "entry_points": """
            [embeddings_orch.embedders]
            acme = acme_embeddings:Acme
            acme-broken = acme_embeddings.gone:Acme
            acme-lacking = acme_embeddings:Nothing
            acme-raising = acme_raising:Acme

            [embeddings_orch.sources]
            acme-bucket = acme_embeddings:Bucket
            """,
    },
    "twin_one-1.0": {"entry_points": "[embeddings_orch.embedders]\ntwin = twin_one:One\n"},
    "twin_two-1.0": {"entry_points": "[embeddings_orch.embedders]\ntwin = twin_two:Two\n"},
}
MODULES = {
    "acme_embeddings.py": "class Acme: pass\nclass Bucket: pass\n",
    "acme_raising.py": "raise RuntimeError('no licence key in this environment')\n",
    "twin_one.py": "class One: pass\n",
    "twin_two.py": "class Two: pass\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with throwaway distributions, as pip would have put them there."""
    folder = tmp_path_factory.mktemp("site")
    for name, distribution in SITE.items():
        info = folder / f"{name}.dist-info"
        info.mkdir()
        project, version = name.replace("_", "-").rsplit("-", 1)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(distribution["entry_points"]))
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def answers(site):
    """What a Python says that has them: for each name what loading gives, and the listing with what it imported."""
    code = """
        import json, sys
        from embeddings_orch import plugins
        from embeddings_orch.errors import PluginError

        listed = [[p.group, p.name, p.distribution, p.version, p.installed] for g in plugins.GROUPS
                  for p in plugins.list_plugins(g)]
        imported = [name for name in sys.modules if name.startswith(("acme", "twin")) or "open_clip" in name]
        loaded = {}
        for name in ("acme", "acme-broken", "acme-lacking", "acme-raising", "twin", "acmee", "counting"):
            try:
                loaded[name] = plugins.load("embedders", name).__name__
            except PluginError as error:
                loaded[name] = str(error)
        print(json.dumps({"listed": listed, "imported": imported, "loaded": loaded}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    return json.loads(done.stdout)


@pytest.mark.process
def test_a_third_partys_plugin_is_found_by_its_entry_point(answers):
    assert answers["loaded"]["acme"] == "Acme"


@pytest.mark.process
def test_listing_names_what_is_installed_with_its_distribution(answers):
    listed = {(group, name): rest for group, name, *rest in answers["listed"]}
    assert listed["embedders", "acme"] == ["acme-embeddings", "2.1", True]
    assert listed["sources", "acme-bucket"] == ["acme-embeddings", "2.1", True]
    assert listed["embedders", "counting"][0] == "embeddings-orch-testing"
    assert listed["runners", "local"][0] == "embeddings-orch"
    assert listed["embedders", "twin"] == ["twin-one, twin-two", "1.0", True]


@pytest.mark.process
def test_listing_imports_no_plugin(answers):
    assert answers["imported"] == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("acme-broken", "ModuleNotFoundError"),
        ("acme-lacking", "AttributeError"),
        ("acme-raising", "RuntimeError: no licence key in this environment"),
    ],
)
def test_a_broken_plugin_is_one_error_with_its_name_and_the_mend(answers, name, reason):
    said = answers["loaded"][name]
    assert f"the embedder '{name}' of acme-embeddings 2.1 cannot be imported" in said
    assert reason in said
    assert "pip install --force-reinstall acme-embeddings" in said


@pytest.mark.process
def test_a_broken_plugin_does_not_stop_the_others(answers):
    assert answers["loaded"]["acme"] == "Acme"
    assert answers["loaded"]["counting"] == "CountingEmbedder"


@pytest.mark.process
def test_two_distributions_of_one_name_are_refused_by_their_names(answers):
    said = answers["loaded"]["twin"]
    assert said.startswith("two plugins register the embedder 'twin': ")
    assert "twin-one (twin_one:One)" in said
    assert "twin-two (twin_two:Two)" in said
    assert "Uninstall one of them" in said


@pytest.mark.process
def test_a_misspelt_name_is_answered_with_the_nearest_and_all_others(answers):
    said = answers["loaded"]["acmee"]
    assert "there is no embedder 'acmee'; did you mean 'acme'? allowed: acme, " in said
    assert "counting" in said


def test_one_of_ours_that_is_not_installed_is_answered_with_the_command(monkeypatch):
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {})
    with pytest.raises(PluginError, match=r"'open-clip' is not installed.*pip install 'embeddings-orch\[open-clip\]'"):
        plugins.load("embedders", "open-clip")
    listed = {plugin.name: plugin for plugin in plugins.list_plugins("embedders")}
    assert list(listed) == sorted(name for group, name in plugins.OURS if group == "embedders")
    assert not any(plugin.installed or plugin.distribution for plugin in listed.values())
    assert listed["open-clip"].install_command == "pip install 'embeddings-orch[open-clip]'"
    assert listed["bedrock"].install_command == "pip install 'embeddings-orch[aws]'"


def test_every_command_that_installs_names_an_extra_that_is_there():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert {ours.extra for ours in plugins.OURS.values()} <= set(project["optional-dependencies"])


@pytest.mark.parametrize(("group", "name"), sorted(plugins.OURS))
def test_what_is_told_of_one_that_is_not_installed_is_what_it_is(group, name):
    (plugin,) = [plugin for plugin in plugins.list_plugins(group) if plugin.name == name]
    if not plugin.installed:
        pytest.skip("not installed")
    reads = plugins.load(group, name).modalities
    assert isinstance(reads, property) or sorted(reads) == list(plugins.OURS[group, name].reads)


def test_the_core_brings_its_own_plugins():
    assert {plugin.name for plugin in plugins.list_plugins("sources")} >= {"folder", "table"}
    assert plugins.load("sources", "folder").__name__ == "FolderSource"
    assert plugins.load("runners", "local").__name__ == "LocalRunner"


def test_the_counting_provider_is_listed_only_where_the_test_bench_is_installed():
    (counting,) = [plugin for plugin in plugins.list_plugins("embedders") if plugin.name == "counting"]
    assert counting.distribution == "embeddings-orch-testing"
    assert ("embedders", "counting") not in plugins.OURS
    assert plugins.load("embedders", "counting") is CountingEmbedder


@pytest.mark.parametrize(
    ("wrong", "allowed", "said"),
    [
        ("colour", ["color", "size"], "; did you mean 'color'? allowed: color, size"),
        ("xyz", ["color", "size"], "; allowed: color, size"),
        ("xyz", [], "; allowed: none"),
    ],
)
def test_a_suggestion_names_the_nearest_where_there_is_one(wrong, allowed, said):
    assert plugins.suggestion(wrong, allowed) == said
