from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from embeddings_orch.cli import main


def write_pipeline(folder, name="photos", **attributes):
    """A folder with five pictures, their captions and a pipeline's YAML; returns the YAML."""
    media = folder / "media"
    media.mkdir(parents=True)
    rows = ["file_name,caption"]
    for number, colour in enumerate(("red", "green", "blue", "black", "white")):
        Image.new("RGB", (24, 16), colour).save(media / f"{colour}.png")
        rows.append(f"{colour}.png,a {colour} picture number {number}")
    (media / "metadata.csv").write_text("\n".join(rows))
    declared = {
        "name": name,
        "store": {"uri": "store"},
        "media": {"source": "folder", "path": "media"},
        "embeddings": {"toy": {"provider": "counting"}},
        "indexes": {"found": {"vectors": ["toy"], "full_text": ["caption"]}},
        **attributes,
    }
    file = folder / "defs.yaml"
    file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": declared}))
    return file


def command(*arguments, cwd=None, home=None, **environment):
    """The installed command, in a process of its own."""
    script = Path(sys.executable).with_name("embeddings-orch")
    if home is not None:
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        environment["DAGSTER_HOME"] = str(home)
    environment = {**os.environ, **environment}
    return subprocess.run(
        [script, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def declare():
    return write_pipeline


@pytest.fixture(scope="session")
def process():
    return command


@pytest.fixture
def cli(dagster_home):
    """The command in this process, with a Dagster home of its own."""

    def invoke(*arguments, status=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return invoke


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A pipeline's YAML that was run once, by the command, from another folder; with what the command answered."""
    folder = tmp_path_factory.mktemp("published")
    file = write_pipeline(folder / "project")
    done = command("run", "--file", file, "--json", cwd=folder, home=folder / "home")
    assert done.returncode == 0, done.stderr
    return file, done, json.loads(done.stdout)
