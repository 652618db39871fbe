"""The command as a process: exit status, the two streams, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import warm
from homes import make_home

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def published(tmp_path_factory, declare, process):
    """As all tests of commands have it, by a command that was started cold."""
    folder = tmp_path_factory.mktemp("published")
    file = declare(folder / "project")
    done = process("run", "--file", file, "--json", cwd=folder, home=folder / "home", cold=True)
    assert done.returncode == 0, done.stderr
    return file, done, json.loads(done.stdout)


def test_standard_output_is_the_object_and_nothing_else(published):
    _, done, _ = published
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["success"] is True


def test_progress_is_plain_lines_on_standard_error_where_that_is_no_terminal(published):
    _, done, _ = published
    lines = done.stderr.splitlines()
    assert any(line.startswith("photos/embeddings/toy: 5/5 contents, ") for line in lines)
    assert not any(character in done.stderr for character in "\x1b\r"), "colours or cursor movements"


def test_nothing_but_progress_is_said(published):
    """No warning of Dagster's, LanceDB's or Python's own."""
    _, done, _ = published
    assert [line for line in done.stderr.splitlines() if not line.startswith("photos/")] == []


def test_a_file_is_run_from_any_folder_and_leaves_nothing_there(published):
    file, _, _ = published
    assert sorted(path.name for path in file.parent.iterdir()) == ["defs.yaml", "media", "store"]
    assert sorted(path.name for path in file.parent.parent.iterdir()) == ["home", "project"]


def test_the_run_is_recorded_in_the_dagster_home(published):
    import dagster as dg

    file, _, made = published
    with dg.DagsterInstance.from_config(str(file.parent.parent / "home")) as instance:
        run = instance.get_run_by_id(made["run_id"])
        assert run is not None
        assert (run.job_name, run.is_success) == ("photos_pipeline", True)
        assert run.tags["embeddings_orch/started_by"] == "command line"
        assert instance.get_latest_materialization_event(dg.AssetKey(["photos", "published", "found"])) is not None


def test_an_error_is_one_message_without_a_traceback(process, declare, tmp_path):
    file = declare(tmp_path / "project", media={"path": "gone"})
    done = process("run", "--file", file, "--json", home=tmp_path / "home")
    assert done.returncode == 1
    assert json.loads(done.stdout)["success"] is False
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_exit_status_is_2_for_a_wrong_command_line(process, tmp_path):
    assert process("plan", "--nonsense", cwd=tmp_path).returncode == 2


def test_the_exit_status_is_1_where_there_is_no_project(process, tmp_path):
    done = process("plan", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is in no dg project" in done.stderr


def test_without_a_home_of_ones_own_the_runs_are_kept_beside_the_yaml(process, declare, tmp_path):
    file = declare(tmp_path)
    done = process("doctor", "--file", file, DAGSTER_HOME="")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".dagster" / "dagster.yaml").is_file()


def test_help_answers_without_loading_dagster_or_lancedb():
    code = (
        "import sys; from embeddings_orch.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('dagster', 'lancedb', 'torch', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_caption_that_the_terminal_cannot_show_ends_nothing(process, declare, tmp_path, encoding):
    file = declare(tmp_path / "project")
    captions = file.parent / "media" / "metadata.csv"
    captions.write_text(captions.read_text().replace("a red picture", "a 🐕 picture"))
    environment = {"home": tmp_path / "home", "PYTHONIOENCODING": encoding}
    assert process("run", "--file", file, **environment).returncode == 0
    table = process("search", "x", "--file", file, **environment)
    assert table.returncode == 0, table.stderr
    assert ("a 🐕 picture" if encoding == "utf-8" else "a ? picture") in table.stdout
    found = json.loads(process("search", "x", "--file", file, "--json", **environment).stdout)
    assert any(hit["metadata"]["caption"].startswith("a 🐕 picture") for hit in found["hits"])


def test_an_interrupted_run_says_so(declare, tmp_path):
    file = declare(tmp_path / "project")
    code = (
        "import os, signal\n"
        "from embeddings_orch_testing.counting import CountingEmbedder\n"
        "from embeddings_orch.cli import main\n"
        "def interrupted(*_): os.kill(os.getpid(), signal.SIGINT); __import__('time').sleep(2)\n"
        "CountingEmbedder.embed = interrupted\n"
        f"main(['run', '--file', {str(file)!r}])"
    )
    interrupted = warm.start_code(code, env={**os.environ, "DAGSTER_HOME": str(make_home(tmp_path / "home"))})
    _, err = interrupted.communicate(120)
    assert interrupted.returncode == 1
    assert "error: photos/embeddings/toy: interrupted; what was committed is kept" in err
    assert "Traceback" not in err
