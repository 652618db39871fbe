from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

import warm
from embeddings_orch.cli import main
from homes import make_home


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


def command(*arguments, cwd=None, home=None, cold=False, **environment):
    """The installed command in a process of its own; ``cold``: one that Python starts, as a person's."""
    if home is not None:
        environment["DAGSTER_HOME"] = str(home if home.exists() else make_home(home))
    environment = {**os.environ, **environment}
    if not cold:
        return warm.run("embeddings-orch", *arguments, cwd=cwd, env=environment)
    script = Path(sys.executable).with_name("embeddings-orch")
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
    file, home = write_pipeline(folder / "project"), make_home(folder / "home")
    with contextlib.chdir(folder):
        done = CliRunner().invoke(main, ["run", "--file", str(file), "--json"], env={"DAGSTER_HOME": str(home)})
    assert done.exit_code == 0, done.output
    return file, done, json.loads(done.stdout)
