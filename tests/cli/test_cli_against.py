"""``plan --against``: embeddings and indexes that differ from a git revision's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import warm

COMMAND = Path(sys.executable).with_name("embeddings-orch")

pytestmark = pytest.mark.process


def heed_interrupts():
    """What a shell starts in the background ignores them, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Repository:
    """A git repository with a project in a folder of it."""

    def __init__(self, root):
        self.root = root
        self.project = root / "service"
        self.defs = self.project / "definitions" / "defs"
        self.defs.mkdir(parents=True)
        (self.project / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments):
        user = ("-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *user, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")

    def file(self, name="photos"):
        return self.defs / name / "defs.yaml"

    def declare(self, name="photos", **attributes):
        declared = {
            "name": name,
            "media": {"source": "folder", "path": "there/are/none"},
            "embeddings": {"toy": {"provider": "counting"}},
            "indexes": {"found": {"vectors": ["toy"]}},
            **attributes,
        }
        file = self.file(name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": declared}))

    def state(self):
        """All that git and the file system say of the repository."""
        files = {path: path.stat().st_mtime_ns for path in self.root.rglob("*") if ".git/" not in f"{path}/"}
        git = {path: path.read_bytes() for path in (self.root / ".git").rglob("*") if path.is_file()}
        return files, git

    def process(self, *arguments, status=0, cwd=None, **environment):
        environment = {**os.environ, **environment}
        done = warm.run("embeddings-orch", "plan", *arguments, cwd=cwd or self.project, env=environment)
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "repository")
    made.declare()
    made.commit()
    return made


@pytest.fixture
def against(repository, cli, monkeypatch):
    """What ``plan --against main --json`` says, by asset."""
    monkeypatch.chdir(repository.project)

    def compare(*options, ref="main", status=0):
        before = repository.state()
        made = json.loads(cli("plan", "--against", ref, "--json", *options, status=status).stdout)
        assert repository.state() == before
        return made

    return compare


def assets(made, number=0):
    return {
        one["asset"].split("/", 1)[1]: (one["change"], one["reason"]) for one in made["pipelines"][number]["assets"]
    }


def test_nothing_differs_from_what_is_committed(repository, against):
    made = against("--exit-code")
    assert list(made) == ["against", "commit", "changes", "pipelines"]
    assert (made["against"], made["commit"], made["changes"]) == (
        "main",
        repository.git("rev-parse", "HEAD").strip(),
        False,
    )
    assert list(made["pipelines"][0]) == ["pipeline", "changes", "assets"]
    for asset in made["pipelines"][0]["assets"]:
        assert list(asset) == ["asset", "change", "fingerprint", "fingerprint_before", "reason"]
        assert asset["fingerprint"] == asset["fingerprint_before"] != ""
    assert assets(made) == {"embeddings/toy": ("unchanged", "same vectors"), "index/found": ("unchanged", "same table")}


def test_a_changed_model_names_the_settings_and_what_depends_on_it(repository, against):
    repository.declare(embeddings={"toy": {"provider": "counting", "dim": 16, "batch_size": 7}})
    made = against("--exit-code", status=2)
    assert assets(made) == {
        "embeddings/toy": ("changed", "model config changed: dim 8 -> 16"),
        "index/found": ("changed", "a new table: embedding toy changed"),
    }
    embedding = made["pipelines"][0]["assets"][0]
    assert embedding["fingerprint"] != embedding["fingerprint_before"]


def test_operational_settings_change_nothing(repository, against):
    repository.declare(embeddings={"toy": {"provider": "counting", "batch_size": 7, "concurrency": 3}})
    assert against("--exit-code")["changes"] is False


def test_inputs_metrics_and_text_columns_are_told(repository, against):
    repository.declare(
        embeddings={"toy": {"provider": "counting", "input": "caption"}},
        indexes={"found": {"vectors": ["toy"], "metric": "dot", "full_text": ["caption"]}},
    )
    assert assets(against()) == {
        "embeddings/toy": ("changed", "input changed: media -> caption"),
        "index/found": (
            "changed",
            "a new table: metric cosine -> dot, full_text none -> caption, embedding toy changed",
        ),
    }


def test_options_of_the_full_text_are_told(repository, against):
    repository.declare(indexes={"found": {"vectors": ["toy"], "full_text": {"columns": ["caption"], "stem": True}}})
    assert assets(against())["index/found"] == ("changed", "a new table: full_text none -> caption (language English)")


def test_added_removed_and_renamed_assets_are_told(repository, against):
    repository.declare(
        embeddings={"renamed": {"provider": "counting"}, "more": {"provider": "counting", "name": "more"}},
        indexes={"other": {"vectors": ["more"]}},
    )
    assert assets(against()) == {
        "embeddings/renamed": ("added", "the model of photos/embeddings/toy: no vector is made twice"),
        "embeddings/more": ("added", "new"),
        "embeddings/toy": ("removed", "no longer declared"),
        "index/other": ("added", "new"),
        "index/found": ("removed", "no longer declared"),
    }


def test_pipelines_that_exist_on_one_side_only_are_told(repository, against):
    repository.declare("videos")
    repository.file("photos").unlink()
    made = against()
    assert [one["pipeline"] for one in made["pipelines"]] == ["videos", "photos"]
    assert {change for change, _ in assets(made, 0).values()} == {"added"}
    assert {change for change, _ in assets(made, 1).values()} == {"removed"}
    (one,) = against("--pipeline", "photos")["pipelines"]
    assert one["pipeline"] == "photos"


def test_all_pipelines_may_be_gone_or_new(repository, against):
    repository.file("photos").unlink()
    assert {change for change, _ in assets(against()).values()} == {"removed"}
    repository.commit()
    repository.declare()
    assert {change for change, _ in assets(against()).values()} == {"added"}


def test_a_yaml_that_was_wrong_at_the_revision_is_a_line_and_stops_no_other(repository, against, cli):
    repository.declare("videos")
    repository.file("photos").write_text(repository.file("photos").read_text().replace("toy", "toy:\n    nonsense:"))
    (repository.defs / "broken").mkdir()
    (repository.defs / "broken" / "defs.yaml").write_text("type: embeddings_orch.EmbeddingPipeline\n  x: [\n")
    repository.commit()
    repository.declare()
    (repository.defs / "broken" / "defs.yaml").unlink()
    repository.declare("videos", embeddings={"toy": {"provider": "counting", "dim": 3}})
    made = against()
    by_name = {one["pipeline"]: one for one in made["pipelines"]}
    assert by_name["videos"]["changes"] is True
    assert by_name["photos"]["error"].startswith(f"at main: {repository.file()}:")
    broken = str(repository.file("broken"))
    assert by_name[broken]["error"].startswith(f"at main: {broken}:2: this is not valid YAML")
    (one,) = against("--pipeline", "videos")["pipelines"]
    assert one["changes"] is True
    (one,) = against("--pipeline", "meant")["pipelines"]
    assert one["pipeline"] == broken
    shown = cli("plan", "--against", "main", "--exit-code", status=1)
    assert "error: photos: at main: " in shown.stderr
    assert "photos/embeddings" not in shown.stdout


def test_a_yaml_that_is_wrong_here_is_an_error(repository, cli, monkeypatch):
    monkeypatch.chdir(repository.project)
    repository.declare(embeddings={"toy": {"provider": "nobody"}})
    repository.declare("videos")
    shown = cli("plan", "--against", "main", status=1)
    assert "there is no embedder 'nobody'" in shown.stderr
    assert "videos/embeddings/toy" in shown.stdout


def test_one_file_is_compared_without_a_project(repository, cli):
    (repository.project / "pyproject.toml").unlink()
    repository.declare(embeddings={"toy": {"provider": "counting", "dim": 3}})
    made = json.loads(cli("plan", "--file", repository.file(), "--against", "HEAD", "--json").stdout)
    assert assets(made)["embeddings/toy"] == ("changed", "model config changed: dim 8 -> 3")


def test_neither_store_nor_media_are_looked_at(repository, against):
    (repository.file().parent / ".embeddings_orch").write_text("a file, where the store would be a folder")
    assert against()["changes"] is False


def model(folder, weights):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text("{}")
    (folder / "open_clip_model.safetensors").write_bytes(weights)


def local_model(repository):
    repository.declare(embeddings={"toy": {"provider": "open-clip", "name": "local-dir:../../../../models/own"}})


def test_local_weights_are_those_of_the_revision(repository, against):
    pytest.importorskip("embeddings_orch_plugins.open_clip")
    models = repository.root / "models" / "own"
    model(models, b"one")
    local_model(repository)
    repository.commit()
    assert against()["changes"] is False
    model(models, b"another")
    change, reason = assets(against())["embeddings/toy"]
    assert change == "changed"
    assert reason.startswith("model config changed: weights_sha256 ")
    assert "name" not in reason


def test_local_weights_that_git_does_not_have_are_those_of_now(repository, against):
    pytest.importorskip("embeddings_orch_plugins.open_clip")
    (repository.root / ".gitignore").write_text("models/\n")
    model(repository.root / "models" / "own", b"one")
    local_model(repository)
    repository.commit()
    assert against()["changes"] is False


@pytest.mark.parametrize("ref", ["no-such-branch", "--help", "main:service", "HEAD~9"])
def test_an_unknown_revision_is_told(repository, cli, monkeypatch, ref):
    monkeypatch.chdir(repository.project)
    shown = cli("plan", "--against", ref, "--exit-code", status=1)
    assert f"error: the git repository {repository.root} has no revision {ref!r}" in shown.stderr


def test_an_unknown_pipeline_is_wrong_usage(repository, cli, monkeypatch):
    monkeypatch.chdir(repository.project)
    shown = cli("plan", "--against", "main", "--pipeline", "photo", status=2)
    assert "there is no pipeline 'photo', here or at main; did you mean 'photos'?" in shown.stderr
    cli("plan", "--against", "main", "--pipeline", "photo", "--exit-code", status=1)


def test_without_a_repository_or_git_that_is_told(declare, repository, tmp_path, cli):
    shown = cli("plan", "--file", declare(tmp_path / "elsewhere"), "--against", "main", status=1)
    assert f"{tmp_path / 'elsewhere'} is in no git repository" in shown.stderr
    done = repository.process("--against", "main", status=1, PATH="/nowhere")
    assert "git cannot be started" in done.stderr


def test_a_table_and_markdown_show_the_same(repository, cli, monkeypatch):
    monkeypatch.chdir(repository.project)
    repository.declare(embeddings={"toy": {"provider": "counting", "name": "a|b"}})
    lines = cli("plan", "--against", "main").stdout.splitlines()
    assert lines[0].split() == ["asset", "change", "fingerprint", "reason"]
    assert "model config changed: name counting -> a|b" in lines[1]
    assert lines[-1].startswith("2 of 2 embeddings and indexes differ from main (")
    shown = cli("plan", "--against", "main", "--markdown").stdout
    assert shown.startswith("<!-- embeddings-orch:against -->\n")
    (row,) = [line for line in shown.splitlines() if line.startswith("| `photos/embeddings/toy` ")]
    assert row.endswith("| model config changed: name counting -> a\\|b |")
    repository.declare()
    assert "nothing differs from main" in cli("plan", "--against", "main").stdout
    assert "No vector and no index table changes." in cli("plan", "--against", "main", "--markdown").stdout


def test_an_interrupted_comparison_leaves_nothing(repository, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # A filter of git's, that a revision's files pass: it holds the command up while they are written.
    (repository.root / ".gitattributes").write_text("*.yaml filter=slow\n")
    repository.git("config", "filter.slow.smudge", f"touch {tmp_path}/reached; sleep 20; cat")
    repository.commit()
    before = repository.state()
    process = subprocess.Popen(
        [COMMAND, "plan", "--against", "main"],
        cwd=repository.project,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - it runs nothing of ours
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "reached").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert list(temporary.iterdir())
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the command and git
        _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in err
    assert list(temporary.iterdir()) == []
    assert repository.state() == before
    assert repository.git("worktree", "list").count("\n") == 1
