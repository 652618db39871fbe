"""``plugins`` lists all of them whatever is wrong with one, and ``plugins show`` prints what a person would declare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
import yaml

import warm
from embeddings_orch import plugins
from embeddings_orch.cli.commands.plugins import pages, rows
from embeddings_orch.errors import PluginError
from embeddings_orch.models.identity import role_of
from embeddings_orch.spec.pipeline import EmbeddingSpec, MediaSpec
from embeddings_orch_testing.conformance import SDKS


def usable():
    found = []
    for group in ("embedders", "sources"):
        for plugin in plugins.list_plugins(group):
            try:
                plugins.load(group, plugin.name)
            except PluginError:
                continue
            found.append((group, plugin.name))
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with a throwaway distribution of a plugin that works and one that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "acme-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(
        "[embeddings_orch.embedders]\nacme = acme:Acme\nacme-broken = acme.gone:Acme\n"
    )
    (folder / "acme.py").write_text(
        textwrap.dedent('''
        from typing import ClassVar
        from embeddings_orch.models.base import Embedder, EmbedderConfig
        from embeddings_orch.models.identity import identity

        class AcmeConfig(EmbedderConfig):
            """Settings."""
            provider: ClassVar[str] = "acme"
            name: str = identity(min_length=3, description="The model.", examples=["acme-large"])

        class Acme(Embedder[AcmeConfig]):
            """Acme's vectors.

            In many words.
            """
            config_class = AcmeConfig
            modalities = frozenset({"text"})
            def embed(self, batch):
                raise NotImplementedError
        ''')
    )
    return folder


def with_site(site, *arguments):
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return warm.run("embeddings-orch", *arguments, env=environment)


@pytest.mark.process
def test_a_third_partys_plugin_is_listed_beside_a_broken_one(site):
    done = with_site(site, "plugins")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split() == ["acme", "Acme's", "vectors;", "text;", "acme", "2.1"] for line in lines)
    assert any(line.startswith("  acme-broken ") and "acme 2.1 cannot be imported" in line for line in lines)
    (wrong,) = [line for line in lines if line.startswith("wrong: the embedder 'acme-broken'")]
    assert wrong.endswith("Reinstall it: pip install --force-reinstall acme")
    assert any(line.startswith("  folder ") for line in lines)


@pytest.mark.process
def test_json_tells_the_error_of_the_broken_one_and_no_other(site):
    done = with_site(site, "plugins", "--json")
    listed = {row["name"]: row for row in json.loads(done.stdout)["plugins"]}
    assert "cannot be imported" in listed["acme-broken"]["error"]
    assert listed["acme"]["error"] == ""
    assert listed["acme"]["reads"] == ["text"]
    assert listed["acme"]["summary"] == "Acme's vectors."


@pytest.mark.process
def test_the_example_of_a_third_party_is_its_own(site):
    done = with_site(site, "plugins", "show", "acme", "--json")
    shown = json.loads(done.stdout)
    assert yaml.safe_load(shown["example"]) == {
        "embeddings": {"acme": {"provider": "acme", "input": "caption", "name": "acme-large"}}
    }


@pytest.mark.process
def test_a_broken_one_is_shown_with_its_mend(site):
    done = with_site(site, "plugins", "show", "acme-broken")
    assert done.returncode == 0
    assert "wrong: the embedder 'acme-broken' of acme 2.1 cannot be imported" in done.stdout


@pytest.mark.process
def test_listing_imports_no_sdk():
    code = (
        "import sys; from embeddings_orch.cli.commands.plugins import rows; rows()\n"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_what_is_not_installed_is_listed_with_one_command_for_each_distribution(cli, monkeypatch):
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {})
    lines = cli("plugins").stdout.splitlines()
    assert any(line.split()[0:1] == ["openai"] and line.rstrip().endswith("not installed") for line in lines)
    assert "  pip install 'embeddings-orch[openai]'  # openai" in lines
    assert (
        "  pip install 'embeddings-orch[sentence-transformers]'  # instructor, sentence-transformers, cross-encoder"
        in lines
    )
    shown = cli("plugins", "show", "openai").stdout
    assert "not installed; add it: pip install 'embeddings-orch[openai]'" in shown


@pytest.mark.parametrize(("group", "name"), usable())
def test_the_example_of_every_plugin_validates(cli, group, name):
    shown = json.loads(cli("plugins", "show", name, "--json").stdout)
    declared = yaml.safe_load(shown["example"])
    if group == "sources":
        spec = MediaSpec.model_validate(declared["media"])
        assert spec.source == name
    else:
        ((asset, settings),) = declared["embeddings"].items()
        assert EmbeddingSpec.model_validate(settings).provider == name
        assert asset.isidentifier()


@pytest.mark.parametrize(("group", "name"), usable())
def test_every_key_is_shown_with_type_default_and_role(cli, group, name):
    config = plugins.load(group, name).config_class
    fields = {field["name"]: field for field in json.loads(cli("plugins", "show", name, "--json").stdout)["fields"]}
    assert fields.keys() == config.model_fields.keys()
    for key, field in config.model_fields.items():
        assert fields[key]["role"] == role_of(field)
        assert fields[key]["required"] == field.is_required()
        assert fields[key]["type"]
        assert fields[key]["description"]


def test_defaults_that_are_printed_are_those_that_are_taken():
    for group, name in usable():
        (page,) = pages(name)
        config = plugins.load(group, name).config_class
        given = {field.name: field.default for field in page.fields if not field.required}
        required = {field.name: "required" for field in page.fields if field.required}
        assert config.model_validate({**given, **required}) == config.model_validate(required), name


def test_show_is_readable(cli):
    lines = [line.rstrip() for line in cli("plugins", "show", "counting").stdout.splitlines()]
    assert lines[0] == "counting, embedder of audio, image, text"
    identity, operational, example = (
        next(number for number, line in enumerate(lines) if line.startswith(title))
        for title in ("Identity: ", "Operational: ", "Example")
    )
    dim = next(number for number, line in enumerate(lines) if line.startswith("  dim "))
    assert identity < dim < operational < example
    assert lines[dim + 1].strip() == "integer, at least 2, at most 65536; default 8"
    assert lines[example + 1 : example + 5] == [
        "  embeddings:", "    counting:", "      provider: counting", "      name: counting",
    ]  # fmt: skip


def test_lines_fit_into_80_columns(cli, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr("embeddings_orch.cli.output.plugins.plain_console", lambda: Console(width=80))
    for arguments in (("plugins",), *(("plugins", "show", name) for _, name in usable())):
        for line in cli(*arguments).stdout.splitlines():
            # What is copied is not folded.
            assert len(line) <= 80 or line.startswith(("  pip install", "wrong: ")), line


def test_a_misspelt_name_is_answered_with_the_nearest(cli):
    said = cli("plugins", "show", "opnai", status=1).stderr
    assert "there is no plugin 'opnai'; did you mean 'openai'? allowed: " in said


def test_rows_are_by_group_and_name():
    listed = [(row.group, row.name) for row in rows()]
    assert listed == sorted(listed, key=lambda one: (plugins.GROUPS.index(one[0]), one[1]))
