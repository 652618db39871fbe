"""The commands around generations, as a person and as a program use them."""

from __future__ import annotations

import json
import os
import pty
import shutil

import pytest
import yaml
from click.testing import CliRunner

import warm
from drifting import drifting
from embeddings_orch.cli import main
from galleries import png
from homes import make_home

__all__ = ["drifting"]

ROW = [
    *("generation", "rows", "created_at", "passed", "checks", "models", "full_text", "full_text_options"),
    *("number", "table", "version", "providers"),
    *("recall", "without_vector", "published", "held", "published_before", "kept"),
]


def edit(file, **attributes):
    """Change attributes of a pipeline's YAML; a mapping is merged into what is there."""
    document = yaml.safe_load(file.read_text())
    for name, value in attributes.items():
        before = document["attributes"].get(name)
        merged = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
        document["attributes"][name] = merged
    file.write_text(yaml.safe_dump(document))


def model(file, name):
    edit(file, embeddings={"toy": {"provider": "counting", "name": name}})


@pytest.fixture(scope="module")
def kept_two(declare, tmp_path_factory):
    """The YAML of `two`, and a copy of its folder."""
    folder = tmp_path_factory.mktemp("two")
    file = declare(folder / "project")
    for name in ("first", "second"):
        model(file, name)
        ran = CliRunner().invoke(
            main, ["run", "--file", str(file)], env={"DAGSTER_HOME": str(make_home(folder / name))}
        )
        assert ran.exit_code == 0, ran.output
    shutil.copytree(file.parent, folder / "kept")
    return file, folder / "kept"


@pytest.fixture
def two(kept_two):
    """A pipeline's YAML with two generations of two models, the second published."""
    file, kept = kept_two
    shutil.rmtree(file.parent)
    shutil.copytree(kept, file.parent)
    return file


def answer(result):
    assert result.stdout.count("\n") == 1, "more than one line"
    return json.loads(result.stdout)


@pytest.mark.slow
def test_generations_are_listed_with_what_a_person_needs_to_choose(cli, two):
    lines = cli("generations", "--file", two).stdout.splitlines()
    assert lines[0].split() == ["#", "generation", "built", "rows", "models", "checks", "recall", "published", "gc"]
    second, first = lines[1].split(), lines[2].split()
    assert (second[0], first[0]) == ("2", "1")
    assert second[3:6] == ["5", "toy:", "counting/second"]
    assert second[-4:] == ["passed", "1.000", "yes", "kept"]
    assert first[-4:] == ["passed", "1.000", "before", "kept"]


def test_generations_as_json(cli, two):
    listed = answer(cli("generations", "found", "--file", two, "--json"))
    assert list(listed) == ["pipeline", "index", "published", "held", "generations"]
    assert [list(row) for row in listed["generations"]] == [ROW, ROW]
    first, second = listed["generations"]
    assert (first["number"], second["number"]) == (1, 2)
    assert second["generation"] == listed["published"]
    assert (first["published_before"], first["published"], second["published"]) == (True, False, True)
    assert second["providers"] == {"toy": "counting/second"}
    assert second["checks"]["row_parity"] is True
    assert first["kept"] is second["kept"] is True


@pytest.mark.slow
def test_options_of_the_full_text_are_listed_where_a_generation_has_some(cli, two, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    edit(two, indexes={"found": {"vectors": ["toy"], "full_text": {"columns": ["caption"], "language": "German"}}})
    cli("run", "--file", two)
    for verb in ("generations", "status"):
        header, *rows = cli(verb, "--file", two).stdout.splitlines()
        assert "full text" in header
        assert "caption (language German)" in rows[0]
        assert "(" not in rows[1]
    assert answer(cli("status", "--file", two, "--json"))["indexes"][0]["generations"][-1]["full_text_options"] == {
        "language": "German"
    }


def test_before_the_first_run_nothing_is_listed_and_nothing_is_written(cli, declare, tmp_path):
    file = declare(tmp_path)
    assert cli("generations", "--file", file).stdout == "found: nothing was built yet\n"
    assert cli("failures", "--file", file).stdout == "photos: the media were not scanned yet\n"
    assert cli("gc", "--file", file).stderr == "photos: there is nothing to remove\n"
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("verb", ["generations", "rollback", "publish"])
def test_an_index_is_asked_for_where_there_are_several(cli, declare, tmp_path, verb):
    file = declare(tmp_path, indexes={"found": {"vectors": ["toy"]}, "other": {"vectors": ["toy"]}})
    assert "choose an index: found, other" in cli(verb, "--file", file, status=2).stderr
    assert "there is no index 'fond'; did you mean 'found'?" in cli(verb, "fond", "--file", file, status=2).stderr


@pytest.mark.slow
def test_rollback_search_run_and_publish(cli, two):
    published = answer(cli("generations", "--file", two, "--json"))["generations"]
    first, second = (row["generation"] for row in published)

    lines = cli("rollback", "--file", two).stdout.splitlines()

    assert lines == [
        f"found: generation {first} is published (before: {second})",
        "found is held: runs do not publish it until: embeddings-orch publish found",
    ]
    assert answer(cli("search", "a red", "--file", two, "--json"))["generation"] == first
    shown = cli("run", "--file", two).stdout
    assert f"held at generation {first}; to release it: embeddings-orch publish found" in shown
    assert "nothing to do" in cli("plan", "--file", two).stdout
    status = answer(cli("status", "--file", two, "--json"))
    assert status["indexes"][0]["held"] is True
    assert "yes, held" in cli("status", "--file", two).stdout
    assert cli("generations", "--file", two).stdout.splitlines()[-1].startswith("found is held")
    assert cli("publish", "--file", two).stdout == f"found: generation {second} is published (before: {first})\n"
    assert answer(cli("search", "a red", "--file", two, "--json"))["generation"] == second
    assert cli("publish", "--file", two).stdout == f"found: generation {second} is published, as before\n"


def test_what_cannot_be_gone_back_to_is_one_message(cli, two):
    error = cli("rollback", "--to", "nothing", "--file", two, status=1).stderr
    assert error.startswith("error: there is no generation 'nothing'; there are, from number 1: ")
    cli("rollback", "--file", two)
    error = cli("rollback", "--file", two, status=1).stderr
    assert error.startswith("error: photos/published/found: there is nothing to go back to")


@pytest.mark.slow
def test_gc_shows_first_and_removes_when_told(cli, two):
    edit(two, store={"uri": "store", "gc_grace": 0}, indexes={"found": {"vectors": ["toy"], "keep_generations": 1}})
    model(two, "third")
    cli("run", "--file", two)
    before = answer(cli("generations", "--file", two, "--json"))["generations"]
    assert [row["kept"] for row in before] == [False, True, True]

    shown = cli("gc", "--file", two)

    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["what", "name", "rows", "versions", "bytes", "why"]
    assert [line.split()[0] for line in lines[1:]] == ["generation", "table", "vectors"]
    assert shown.stderr == "nothing was removed; add --yes\n"
    dry = answer(cli("gc", "--file", two, "--json"))
    assert list(dry) == ["pipeline", "garbage", "removed", "left", "bytes", "kept"]
    assert [list(one) for one in dry["garbage"]] == [["kind", "name", "index", "why", "rows", "versions", "bytes"]] * 3
    assert (dry["removed"], dry["bytes"]) == ([], 0)
    assert answer(cli("generations", "--file", two, "--json"))["generations"] == before

    done = cli("gc", "--yes", "--file", two)

    assert done.stderr.startswith("photos: 3 removed, ")
    left = answer(cli("generations", "--file", two, "--json"))["generations"]
    assert {row["generation"] for row in left} == set(dry["kept"])
    assert "nothing to do" in cli("plan", "--file", two).stdout
    assert cli("gc", "--yes", "--file", two).stderr == "photos: there is nothing to remove\n"


@pytest.mark.process
def test_gc_asks_on_a_terminal(cli, two):
    edit(two, store={"uri": "store", "gc_grace": 0}, indexes={"found": {"vectors": ["toy"], "keep_generations": 1}})
    model(two, "third")
    cli("run", "--file", two)

    def asked(reply):
        ours, theirs = pty.openpty()
        process = warm.start("embeddings-orch", "gc", "--file", two, stdin=theirs)
        os.close(theirs)
        os.write(ours, reply)
        _, errors = process.communicate(timeout=120)
        os.close(ours)
        assert process.returncode == 0, errors
        return errors

    assert "nothing was removed" in asked(b"n\n")
    assert len(answer(cli("gc", "--file", two, "--json"))["garbage"]) == 3
    assert "3 removed" in asked(b"y\n")
    assert answer(cli("gc", "--file", two, "--json"))["garbage"] == []


@pytest.mark.slow
def test_a_pipeline_that_is_declared_is_not_forgotten(cli, declare, tmp_path):
    store = {"uri": str(tmp_path / "store"), "gc_grace": 0}
    file = declare(tmp_path / "one", store=store)
    other = declare(tmp_path / "two", "other", store=store)
    cli("run", "--file", file)
    cli("run", "--file", other)
    both = tmp_path / "one" / "both.yaml"
    both.write_text(file.read_text() + "---\n" + other.read_text())

    error = cli("gc", "--forget", "other", "--file", both, "--pipeline", "photos", status=1).stderr
    assert "the pipeline 'other' cannot be forgotten: it is declared in " in error
    assert cli("gc", "--yes", "--file", file).stderr == "photos: there is nothing to remove\n"
    forgotten = answer(cli("gc", "--forget", "other", "--yes", "--file", file, "--json"))

    kinds = [one["kind"] for one in forgotten["removed"]]
    assert kinds == ["pointer", "generation", "table", "state", "table"]
    assert "is not published" in cli("search", "x", "--file", other, status=1).stderr
    assert answer(cli("search", "x", "--file", file, "--json"))["hits"]


@pytest.mark.slow
def test_failures_are_listed_with_how_to_try_them_again(cli, declare, tmp_path):
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "decode": True}})
    (tmp_path / "media" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    edit(file, indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 1.0}}})
    cli("run", "--file", file)

    lines = cli("failures", "--file", file).stdout.splitlines()
    made = answer(cli("failures", "--embedding", "toy", "--file", file, "--json"))

    assert lines[0].split() == ["embedding", "item", "kind", "when", "reason"]
    assert lines[1].split()[:3] == ["toy", "broken.png", "item"]
    assert lines[-2:] == [
        "photos/embeddings/toy: 5 of 6 items have a vector; 1 failed (1 content)",
        "a run skips those of kind item; to try them again: embeddings-orch run --retry-failed",
    ]
    assert (made["pipeline"], made["failures"]) == ("photos", 1)
    assert list(made["failed"][0]) == ["embedding", "id", "uri", "kind", "reason", "at", "has_vector"]
    assert made["failed"][0]["id"] == "broken.png"
    assert "did you mean 'toy'" in cli("failures", "--embedding", "tay", "--file", file, status=2).stderr
    (tmp_path / "media" / "broken.png").unlink()
    cli("run", "--file", file)
    assert cli("failures", "--file", file).stdout == "photos/embeddings/toy: 5 of 5 items have a vector\n"


@pytest.mark.slow
def test_a_model_that_makes_other_vectors_is_a_warning_of_the_run_and_of_the_generation(
    cli, declare, drifting, monkeypatch, tmp_path
):
    monkeypatch.setattr("embeddings_orch.pipeline.checks.reproducible.describe_device", lambda device: "cpu")
    toy = {"provider": "drifting"}
    file, report = declare(tmp_path / "project", embeddings={"toy": toy}), tmp_path / "report.json"
    cli("run", "--file", file)
    drifting.drift = 1.0
    (file.parent / "media" / "new.png").write_bytes(png("new"))

    said = cli("run", "--file", file, "--report", report).stderr

    assert "warning: photos/index/found reproducible: toy: 5 of 6 contents embedded again came out otherwise" in said
    (check,) = (one for one in json.loads(report.read_text())["checks"] if one["check"] == "reproducible")
    assert (check["passed"], check["severity"]) == (False, "WARN")
    assert "passed, with a warning (reproducible)" in " ".join(cli("generations", "--file", file).stdout.split())
    (_, row) = answer(cli("generations", "--file", file, "--json"))["generations"]
    assert (row["passed"], row["published"], row["checks"]["reproducible"]) == (True, True, False)
