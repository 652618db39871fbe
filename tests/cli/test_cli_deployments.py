"""The commands around deployments: what they print, and what they leave."""

import json

import pytest
import yaml


def answer(result):
    return json.loads(result.stdout)


@pytest.fixture
def two(cli, declare, tmp_path, monkeypatch):
    """A pipeline's YAML that was run as ``main`` and as ``branch``, with one model."""
    file = declare(tmp_path / "project")
    cli("run", "--file", file)
    monkeypatch.setenv("EMBEDDINGS_ORCH_DEPLOYMENT", "branch")
    cli("run", "--file", file)
    monkeypatch.delenv("EMBEDDINGS_ORCH_DEPLOYMENT")
    return file


@pytest.mark.slow
def test_deployments_are_listed_and_one_is_dropped_when_told(cli, two, monkeypatch):
    listed = answer(cli("deployments", "list", "--file", two, "--json"))
    assert listed["store"] == str(two.parent / "store")
    branch, main = listed["deployments"]
    assert list(main) == [
        *("name", "current", "pipelines", "published", "catalogs", "generations", "last_activity"),
    ]
    assert (main["name"], main["current"], main["catalogs"]) == ("main", True, {"photos": 5})
    assert (branch["name"], branch["current"], branch["published"]) == ("branch", False, main["published"])
    lines = cli("deployments", "list", "--file", two).stdout.splitlines()
    assert lines[0].split() == ["deployment", "pipelines", "items", "generations", "published", "last", "activity"]
    assert [line.split()[:4] for line in lines[1:]] == [["branch", "photos", "5", "1"], ["main", "photos", "5", "1"]]

    assert cli("deployments", "drop", "branch", "--file", two).stderr == "nothing was dropped; add --yes\n"
    assert answer(cli("deployments", "drop", "branch", "--file", two, "--json")) == {"dropped": None}
    assert len(answer(cli("deployments", "list", "--file", two, "--json"))["deployments"]) == 2
    dropped = cli("deployments", "drop", "branch", "--yes", "--file", two)

    assert dropped.stderr.startswith("branch is dropped (tables: 1, generations: 1); ")
    assert [one["name"] for one in answer(cli("deployments", "list", "--file", two, "--json"))["deployments"]] == [
        "main"
    ]
    assert len(answer(cli("search", "a red", "--file", two, "--json"))["hits"]) == 5
    error = cli("deployments", "drop", "branch", "--yes", "--file", two, status=1).stderr
    assert error == "error: the store has nothing of a deployment 'branch'; it has: main\n"
    error = cli("deployments", "drop", "main", "--yes", "--file", two, status=1).stderr
    assert "cannot drop itself" in error


def test_a_store_that_may_be_shared_needs_the_deployment_said(cli, declare, tmp_path):
    file = declare(tmp_path / "project")
    document = yaml.safe_load(file.read_text())
    document["attributes"]["store"] = {"uri": "s3://bucket/store"}
    file.write_text(yaml.safe_dump(document))

    for command in ("plan", "status", "run"):
        said = cli(command, "--file", file, status=1)
        assert "set EMBEDDINGS_ORCH_DEPLOYMENT=main" in said.output
    lines = cli("doctor", "--file", file, status=1).stdout.splitlines()
    assert any(line.startswith("wrong store: ") and "EMBEDDINGS_ORCH_DEPLOYMENT=main" in line for line in lines)
    assert lines[-1].startswith("ok    embedding ")
