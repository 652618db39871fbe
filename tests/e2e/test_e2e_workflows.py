"""Each shell step of the workflows, ours and the one that docs/ci.md gives to copy, is executed as GitHub would."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from warm_command import WarmCommand

ROOT = Path(__file__).resolve().parents[2]
SETUP = {"make .venv/.demo", ".ci/run", "python -m pip install -r requirements.txt"}
"""They install gigabytes, or are this very test run: CI itself executes them."""
VALUES = {
    "github.token": "a-token",
    "github.event.pull_request.number": "7",
    "secrets.OPENAI_API_KEY": "a-key",
    "vars.EMBEDDINGS_STORE": "the-store",
}
ACTIONS = {
    *("actions/checkout", "actions/setup-node", "actions/setup-python", "actions/upload-artifact"),
    *("actions/cache", "actions/cache/restore"),
}
# GitHub cannot be had here: this executable stands in for its client, and keeps what it is asked to do.
GH = """\
#!{python}
import json, os, shutil, subprocess, sys
arguments = sys.argv[1:]
body = next((one.removeprefix("body=@") for one in arguments if one.startswith("body=@")), None)
asked = {{"arguments": arguments, "body": body and open(body).read(), "token": os.environ.get("GH_TOKEN")}}
with open({log!r}, "a") as log:
    log.write(json.dumps(asked) + "\\n")
if "--jq" in arguments and os.path.exists({earlier!r}):
    # gh brings a jq of its own.
    subprocess.run([shutil.which("jq"), "--raw-output", arguments[-1], {earlier!r}], check=True)
"""

pytestmark = pytest.mark.process


def documented():
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE | re.DOTALL)
    (workflow,) = [block for block in blocks if "\njobs:" in block]
    return workflow


def workflows():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    return {
        **{file.name: yaml.safe_load(file.read_text()) for file in files},
        "docs/ci.md": yaml.safe_load(documented()),
    }


def jobs():
    return [(name, job) for name, workflow in workflows().items() for job in workflow["jobs"]]


def valued(text):
    """A value with its expressions; one that is not known here fails the test."""
    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: VALUES[match[1]], str(text))


class Clone:
    """A clone of a project, checked out as GitHub does for a pull request, and what a runner has beside it."""

    def __init__(self, folder, command):
        self.folder = folder
        self.command = command
        self.root = folder / "clone"
        origin, work = folder / "origin.git", folder / "work"
        work.mkdir(parents=True)
        self.git(work, "init", "--quiet", "--initial-branch", "main")
        (work / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
        shutil.copy(ROOT / ".gitignore", work)
        shutil.copytree(ROOT / ".github", work / ".github")
        media = work / "definitions" / "data"
        media.mkdir(parents=True)
        for colour in ("red", "green", "blue"):
            Image.new("RGB", (8, 8), colour).save(media / f"{colour}.png")
        self.declare(work, dim=8)
        self.commit(work)
        self.git(work, "switch", "--quiet", "--create", "change")
        self.declare(work, dim=16)
        self.commit(work)
        self.git(folder, "clone", "--quiet", "--bare", str(work), str(origin))
        self.git(folder, "clone", "--quiet", "--branch", "main", str(origin), str(self.root))
        self.git(self.root, "checkout", "--quiet", "--detach", "main")
        self.git(self.root, "merge", "--quiet", "--no-ff", "--no-edit", "origin/change")
        for name in ("summary", "output", "path", "env"):
            (folder / name).touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        gh = self.bin / "gh"
        log, earlier = str(folder / "gh.log"), str(folder / "earlier")
        gh.write_text(GH.format(python=sys.executable, log=log, earlier=earlier))
        gh.chmod(0o755)

    @staticmethod
    def git(folder, *arguments):
        user = ("-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *user, *arguments], cwd=folder, check=True, capture_output=True)

    def commit(self, work):
        self.git(work, "add", "--all")
        self.git(work, "commit", "--quiet", "--message", "a change")

    @staticmethod
    def declare(work, dim):
        attributes = {
            "name": "emoji",
            "store": {"uri": "../../../.embeddings_orch"},
            "media": {"source": "folder", "path": "../../data"},
            "embeddings": {"clip": {"provider": "counting", "dim": dim}},
            "indexes": {"emoji_search": {"vectors": ["clip"]}},
        }
        file = work / "definitions" / "defs" / "emoji" / "defs.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": attributes}))

    def installed(self, folder, cold=False):
        """What an install step leaves: the command."""
        folder.mkdir(parents=True, exist_ok=True)
        if cold:
            (folder / "embeddings-orch").symlink_to(Path(sys.executable).with_name("embeddings-orch"))
        else:
            self.command.install(folder / "embeddings-orch")

    def step(self, script, environment):
        """Execute a step; its exit status and what it said."""
        added = (self.folder / "path").read_text().splitlines()
        path = [*reversed(added), str(self.bin), "/usr/local/bin", "/usr/bin", "/bin"]
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.root,
            env={
                **{name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ},
                "PATH": ":".join(path),
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": str(self.root),
                "GITHUB_REPOSITORY": "someone/project",
                "GITHUB_BASE_REF": "main",
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                "GITHUB_OUTPUT": str(self.folder / "output"),
                "GITHUB_PATH": str(self.folder / "path"),
                "GITHUB_ENV": str(self.folder / "env"),
                "RUNNER_TEMP": str(self.folder),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def asked(self):
        log = self.folder / "gh.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def execute(clone, workflow, job):
    """Execute all shell steps of a job, whatever their conditions are; the scripts that were."""
    executed, said = [], ""
    for step in job["steps"]:
        if "run" not in step:
            continue
        if step["run"] in SETUP:
            clone.installed(clone.bin if "pip install" in step["run"] else clone.root / ".venv" / "bin")
            continue
        assert "${{" not in step["run"], "an expression in a script could hold a script"
        environment = {**workflow.get("env", {}), **job.get("env", {}), **step.get("env", {})}
        status, output = clone.step(step["run"], {name: valued(value) for name, value in environment.items()})
        assert status == 0, f"{step['name']}: {output}"
        executed.append(step["run"])
        said += output
    assert not any(secret in said for secret in ("a-token", "a-key"))
    return executed


@pytest.fixture
def clone(tmp_path):
    """A clone whose command a warm process answers: its start takes longer than what the steps do."""
    with contextlib.closing(WarmCommand(tmp_path)) as command:
        yield Clone(tmp_path / "runner", command)


@pytest.mark.parametrize(("name", "job"), jobs())
def test_every_shell_step_does_its_work(clone, name, job):
    workflow = workflows()[name]
    executed = execute(clone, workflow, workflow["jobs"][job])
    assert bool(executed) == (job != "test")
    if job == "plan":
        summary = (clone.folder / "summary").read_text()
        assert summary.startswith("<!-- embeddings-orch:against -->\n")
        assert "model config changed: dim 8 -> 16" in summary
        assert "<!-- embeddings-orch:plan -->" in summary
        assert "**3 contents** to embed" in summary
        looked, wrote = clone.asked()
        assert looked["arguments"][:3] == ["api", "--paginate", "repos/someone/project/issues/7/comments"]
        assert 'startswith("<!-- embeddings-orch:against -->")' in looked["arguments"][-1]
        assert wrote["arguments"][:4] == ["api", "--silent", "--method", "POST"]
        assert "repos/someone/project/issues/7/comments" in wrote["arguments"]
        assert wrote["body"] == summary
        assert (looked["token"], wrote["token"]) == ("a-token", "a-token")

        if shutil.which("jq") is None:
            pytest.skip("without jq nobody answers as gh would")
        marker = summary.splitlines()[0]
        comments = [
            {"id": number, "body": body}
            for number, body in (
                (40, "somebody's"),
                (41, f"{marker}\nold"),
                (42, f"see {marker}"),
                (43, f"{marker}\nno"),
            )
        ]
        (clone.folder / "earlier").write_text(json.dumps(comments))
        (clone.bin / "embeddings-orch").unlink(missing_ok=True)
        shutil.rmtree(clone.root / ".venv", ignore_errors=True)
        execute(clone, workflow, workflow["jobs"][job])
        assert clone.asked()[-1]["arguments"][:5] == [
            *("api", "--silent", "--method", "PATCH"),
            "repos/someone/project/issues/comments/41",
        ]
        assert not (clone.root / ".embeddings_orch").exists(), "a plan writes nothing"
    if job == "run":
        made = json.loads((clone.root / "reports" / "run.json").read_text())
        assert [(one["pipeline"], one["success"]) for one in made["pipelines"]] == [("emoji", True)]
        assert (clone.root / "reports" / "junit.xml").read_text().startswith("<?xml")
        uploads = [step["with"]["path"] for step in workflow["jobs"][job]["steps"] if "upload" in step.get("uses", "")]
        assert uploads == ["reports"]


def test_a_plan_that_fails_fails_its_step(clone):
    file = clone.root / "definitions" / "defs" / "emoji" / "defs.yaml"
    file.write_text(file.read_text().replace("counting", "nobody"))
    clone.installed(clone.bin, cold=True)
    (plan,) = [step for step in workflows()["embeddings.yml"]["jobs"]["plan"]["steps"] if step.get("name") == "Plan"]
    status, _ = clone.step(plan["run"], {})
    assert status == 1
    assert "there is no embedder 'nobody'" in (clone.root / "plan.md").read_text()


@pytest.mark.parametrize("name", workflows())
def test_a_workflow_has_the_least_rights_and_pinned_actions(name):
    workflow = workflows()[name]
    assert workflow["permissions"] == {"contents": "read"}
    for job_name, job in workflow["jobs"].items():
        wanted = {"contents": "read", "pull-requests": "write"} if job_name == "plan" else {"contents": "read"}
        assert job.get("permissions", workflow["permissions"]) == wanted
        for step in job["steps"]:
            if "uses" in step:
                action, _, version = step["uses"].partition("@")
                assert action in ACTIONS
                assert re.fullmatch(r"v\d+", version)
        needs_history = any("--against" in step.get("run", "") for step in job["steps"])
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert (checkout.get("with", {}).get("fetch-depth") == 0) == needs_history
    assert workflow["jobs"].get("run", {"concurrency": {"group": ""}})["concurrency"] is not None


def test_what_installs_is_what_the_makefile_and_ci_know():
    scripts = {
        step["run"]
        for flow in workflows().values()
        for job in flow["jobs"].values()
        for step in job["steps"]
        if "run" in step
    }
    assert scripts >= SETUP
    assert "$(VENV)/.demo:" in (ROOT / "Makefile").read_text()
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert {"make test", "make demo"} <= set(commands)
