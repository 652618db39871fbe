"""The whole command line where Dagster is not installed: in an environment of what the package declares to need."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS
from galleries import Gallery, laid_out
from small_venvs import make_venv

# One process for many commands: importing LanceDB costs two seconds of CPU time.
DRIVER = """\
import json, sys
from click.testing import CliRunner
from embeddings_orch.cli import main

for line in sys.stdin:
    result = CliRunner().invoke(main, json.loads(line))
    wrong = result.exception if not isinstance(result.exception, SystemExit) else None
    loaded = sorted(name for name in sys.modules if name.startswith("dagster"))
    told = {"status": result.exit_code, "out": result.stdout, "err": result.stderr, "wrong": repr(wrong)}
    print(json.dumps({**told, "dagster": loaded}), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str
    wrong: str
    dagster: list[str]

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """The command in a process without Dagster, on one gallery."""

    def __init__(self, python: Path, gallery: Gallery) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DAGSTER_HOME")}
        self.python, self.gallery = python, gallery
        self._process = subprocess.Popen(
            [python, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=gallery.root,
            env=environment,
        )

    def __call__(self, command: str, *arguments: object, file: bool = True, status: int = 0) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        chosen = ["--file", str(self.gallery.file)] if file else []
        self._process.stdin.write(json.dumps([command, *map(str, arguments), *chosen]) + "\n")
        self._process.stdin.flush()
        answer = Answer(**json.loads(self._process.stdout.readline()))
        assert (answer.wrong, answer.status) == ("None", status), answer
        assert answer.dagster == []
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=120)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return make_venv(tmp_path_factory.mktemp("venv"), "embeddings-orch[serve]", "embeddings-orch-testing")


@pytest.fixture(scope="module")
def command(python, tmp_path_factory):
    command = CommandLine(python, laid_out(tmp_path_factory.mktemp("gallery") / "gallery"))
    yield command
    command.close()


@pytest.mark.process
def test_every_command_works_from_the_first_run_to_a_rollback_and_gc(command):
    gallery = command.gallery
    assert "Dagster" not in command("doctor").out.replace("dagster not installed", "")
    assert command("schema", file=False).data["title"]
    plugins = command("plugins", "--json", file=False).data["plugins"]
    assert "counting" in {plugin["name"] for plugin in plugins if plugin["installed"]}
    assert command("plan", "--exit-code", status=2).out.count("12") >= 2

    first = command("run", "--json").data
    assert (first["success"], [row["asset"] for row in first["assets"]]) == (
        True,
        ["gallery/raw_media", "gallery/embeddings/toy", "gallery/index/found", "gallery/published/found"],
    )
    assert (first["assets"][1]["embedded"], len(first["checks"])) == (12, len(EMBEDDING_CHECKS + INDEX_CHECKS))
    assert command("plan", "--json").data["changes"] is False

    gallery.add("new.png", caption="a new picture")
    table = command("run")
    assert "gallery/embeddings/toy: 1 new, 0 changed, 12 unchanged" in table.out
    assert "is published" in table.out
    assert "gallery/embeddings/toy: 1/1 contents" in table.err
    hits = command("search", "--keyword", "new", "--json").data["hits"]
    assert [hit["id"] for hit in hits][:1] == ["new.png"]
    assert command("search", "--image", gallery.media / "p003.png", "--json").data["hits"][0]["id"] == "p003.png"

    listed = command("generations", "--json").data
    assert len(listed["generations"]) == 2
    back = command("rollback", "--json").data
    assert (back["moved"], back["held"], back["previous"]) == (True, True, listed["published"])
    assert command("run", "--json").data["published"][0]["held"] is True
    assert command("publish", "--json").data["held"] is False
    assert command("status", "--json").data["indexes"][0]["held"] is False

    gallery.model(name="better")
    assert command("run", "--json").data["assets"][1]["embedded"] == 13
    assert "removed" in command("gc", "--yes", "--json").data
    assert command("failures", "--json").data["failures"] == 0
    assert not (gallery.root / ".dagster").exists()


@pytest.mark.process
def test_what_fails_is_told_and_reported_as_it_is_with_dagster(command, tmp_path):
    gallery = command.gallery
    gallery.model(name="worse", broken=True)
    report = tmp_path / "report.xml"
    failed = command("run", "--report", report, status=1)
    assert "error: the counting provider is configured as broken" in failed.err
    suites = {suite.get("name"): suite for suite in ET.parse(report).getroot()}
    assert suites["gallery/embeddings/toy"].get("failures") == "1"
    assert suites["gallery/published/found"].get("skipped") == "1"
    gallery.model(broken=False, reject="", name="toy")
    assert command("run", "--select", "nothing", status=2).err.count("has no asset") == 1
    command("run", "--fail-on-item-errors")


@pytest.mark.process
def test_a_dagster_elsewhere_is_asked_without_one_here(command):
    refused = command("run", "--remote", "http://127.0.0.1:9", status=1)
    assert "127.0.0.1:9" in refused.err


@pytest.mark.process
def test_what_needs_dagster_says_how_to_get_it(command):
    code = "import embeddings_orch; embeddings_orch.build_pipeline"
    done = subprocess.run([command.python, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'embeddings-orch[dagster]'" in done.stderr.splitlines()[-1]


@pytest.mark.process
def test_a_step_of_a_run_that_prints_leaves_standard_output_to_the_answer(command):
    code = (
        "import sys; from embeddings_orch_testing.counting import CountingEmbedder as Embedder; import os\n"
        "embed = Embedder.embed\n"
        "def loud(self, batch): os.write(1, b'loading\\n'); print('loaded'); return embed(self, batch)\n"
        "Embedder.embed = loud\n"
        "from embeddings_orch.cli import main; main(sys.argv[1:])"
    )
    command.gallery.model(name="loud")
    arguments = [command.python, "-c", code, "run", "--json", "--file", command.gallery.file]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=command.gallery.root)
    assert json.loads(done.stdout)["success"] is True
    assert {"loading", "loaded"} <= set(done.stderr.splitlines())
