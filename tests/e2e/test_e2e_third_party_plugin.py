"""A plugin of somebody else: copied out of the repository, installed, listed, run in a pipeline, tested by its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import warm
from homes import make_home

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "templates" / "embedder_plugin"
COMMAND = Path(sys.executable).with_name("embeddings-orch")
KEY = "the-key-of-a-third-party"

pytestmark = pytest.mark.process


class Installed:
    """The template outside the repository, installed into a folder of its own."""

    def __init__(self, folder):
        self.source, self.site = folder / "acme", folder / "site"
        shutil.copytree(TEMPLATE, self.source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
        # Without an index: what it needs is installed already, and a test needs no network.
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(self.site)]
        self.process(folder, sys.executable, "-m", "pip", "install", *options, str(self.source))

    def process(self, folder, *command, expect=0, **environment):
        """Run a command in a folder, where the plugin can be imported: what it printed, and what it said."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=self.environment(folder, environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expect, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout, done.stderr

    def command(self, folder, *arguments, expect=0, **environment):
        """As `process`, of our own command, which need not be started cold."""
        done = warm.run("embeddings-orch", *arguments, cwd=folder, env=self.environment(folder, environment))
        assert done.returncode == expect, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout, done.stderr

    def environment(self, folder, more):
        home = folder / "dagster_home"
        if not home.exists():
            make_home(home)
        return {**os.environ, "PYTHONPATH": str(self.site), "DAGSTER_HOME": str(home), **more}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("third_party"))


@pytest.fixture
def server(installed, monkeypatch):
    """The template's own loopback server."""
    monkeypatch.syspath_prepend(str(installed.site))
    monkeypatch.syspath_prepend(str(installed.source / "tests"))
    from acme_server import AcmeServer

    with AcmeServer() as server:
        server.key = KEY
        yield server


@pytest.fixture
def project(installed, server, tmp_path):
    """The template's pipeline over three notes, with the address of the loopback server."""
    declared = yaml.safe_load((installed.source / "pipeline" / "defs.yaml").read_text())
    declared["attributes"]["embeddings"]["acme"]["base_url"] = server.url
    (tmp_path / "defs.yaml").write_text(yaml.safe_dump(declared))
    (tmp_path / "notes").mkdir()
    for name in ("dog", "cat", "whale"):
        (tmp_path / "notes" / f"{name}.txt").write_text(f"all about a {name}")
    return tmp_path


def test_it_is_listed_and_not_imported(installed, tmp_path):
    shown, _ = installed.process(tmp_path, COMMAND, "plugins")
    (line,) = [line for line in shown.splitlines() if " acme " in f" {line} "]
    assert "embeddings-orch-acme" in line
    assert "0.1.0" in line


def test_a_pipeline_runs_with_it_from_anywhere(installed, server, project):
    command = ["run", "--file", project / "defs.yaml", "--json"]
    out, _ = installed.command(project, *command, ACME_API_KEY=KEY)
    run = json.loads(out)
    assert run["success"]
    (asset,) = [asset for asset in run["assets"] if asset["asset"] == "notes/embeddings/acme"]
    assert (asset["embedded"], asset["requests"]) == (3, 1)
    assert asset["tokens"] > 0
    assert asset["cost_usd"] == pytest.approx(asset["tokens"] * 0.10 / 1e6, abs=1e-6)
    assert sorted(server.requests[0].body["texts"]) == [f"all about a {name}" for name in ("cat", "dog", "whale")]

    command = ["search", "a dog", "--file", project / "defs.yaml", "--json"]
    out, _ = installed.command(project, *command, ACME_API_KEY=KEY)
    assert len(json.loads(out)["hits"]) == 3
    assert server.requests[-1].body["side"] == "query"


def test_a_missing_key_is_named_and_nothing_is_sent(installed, server, project):
    command = ["run", "--file", project / "defs.yaml"]
    _, said = installed.command(project, *command, expect=1, ACME_API_KEY="")
    assert "Acme's API key is missing: set the environment variable ACME_API_KEY" in said
    assert server.requests == []


def test_its_own_tests_pass(installed):
    """The conformance suite, collected by pytest outside the repository."""
    options = ["-q", "-p", "no:cacheprovider", "tests"]
    shown, _ = installed.process(installed.source, sys.executable, "-m", "pytest", *options)
    assert " passed" in shown
    assert "failed" not in shown
