"""What a person sees: help, tables, progress, errors."""

from __future__ import annotations

import pytest
import yaml


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_the_verbs(cli, arguments):
    shown = cli(*arguments).stdout
    for verb in ("plan", "run", "search", "status", "plugins", "schema", "doctor"):
        assert f"  {verb} " in shown


@pytest.mark.parametrize("verb", ["plan", "run", "search", "status", "plugins", "schema", "doctor"])
def test_every_verb_has_help_and_every_option_a_text(cli, verb):
    lines = cli(verb, "--help").stdout.splitlines()
    assert lines[0].startswith(f"Usage: main {verb}") or lines[0].startswith(f"Usage: embeddings-orch {verb}")
    options = [line for line in lines if line.strip().startswith("-")]
    assert options
    for line in options:
        assert "  " in line.strip() or lines[lines.index(line) + 1].startswith(" " * 10), f"no text: {line}"


def test_the_version_is_told(cli):
    from embeddings_orch import __version__

    assert __version__ in cli("--version").stdout


def test_plan_is_a_table_with_a_line_an_asset(cli, declare, tmp_path):
    lines = cli("plan", "--file", declare(tmp_path)).stdout.splitlines()
    assert lines[0].split() == ["asset", "new", "changed", "unchanged", "deleted", "failed", "reason"]
    assert lines[2].split() == ["photos/embeddings/toy", "5", "0", "0", "0", "0", "never", "materialized"]
    assert lines[-1] == "photos: 5 contents to embed, 0 tokens, $0.0000; time unknown until the first run"


def test_plan_with_nothing_to_do_says_so(cli, published):
    file, _, _ = published
    assert cli("plan", "--file", file).stdout.splitlines()[-1] == "photos: nothing to do"


def test_run_says_what_it_did_and_that_it_is_done(cli, declare, tmp_path):
    file = declare(tmp_path)
    first = cli("run", "--file", file).stdout.splitlines()
    assert first[1].startswith(
        "photos/embeddings/toy: 5 new, 0 changed, 0 unchanged, 0 deleted, 0 failed; embedded 5 at "
    )
    assert first[-1].startswith("photos: done (run ")
    second = cli("run", "--file", file).stdout.splitlines()
    assert second[1] == "photos/embeddings/toy: 0 new, 0 changed, 5 unchanged, 0 deleted, 0 failed; embedded 0"


def test_a_broken_picture_is_named_with_its_reason(cli, declare, tmp_path):
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "decode": True}}, indexes=index)
    (tmp_path / "media" / "broken.png").write_bytes(b"this is no picture")
    shown = cli("run", "--file", file).stdout
    assert "1 failed; embedded 5" in shown
    assert "    " in shown
    assert "broken.png: " in shown


def test_hits_are_a_table_with_captions(cli, published):
    file, _, _ = published
    lines = cli("search", "x", "--file", file, "-n", 2).stdout.splitlines()
    assert lines[0].split() == ["#", "score", "id", "caption"]
    assert len(lines) == 4
    assert lines[1].split()[0] == "1"
    assert " picture number " in lines[1]
    assert lines[-1].startswith("found, generation ")


def test_no_hits_are_said(cli, published):
    file, _, _ = published
    assert "no hits" in cli("search", "x", "--file", file, "--where", "caption = 'nothing'").stdout


def test_hits_can_be_drawn_into_a_picture(cli, published, tmp_path):
    file, _, _ = published
    result = cli("search", "x", "--file", file, "--sheet", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert f"contact sheet: {tmp_path / 'sheet.png'}" in result.stdout


def test_with_json_the_sheet_is_told_on_standard_error(cli, published, tmp_path):
    file, _, _ = published
    result = cli("search", "x", "--file", file, "--sheet", tmp_path / "sheet.png", "--json")
    assert result.stdout.count("\n") == 1
    assert "contact sheet: " in result.stderr


def test_status_and_plugins_and_doctor_are_readable(cli, published):
    file, _, _ = published
    status = cli("status", "--file", file).stdout
    assert "found" in status
    assert "passed" in status
    assert "photos: 0 contents failed" in status
    assert "embedder  counting " in cli("plugins").stdout
    doctor = cli("doctor", "--file", file).stdout
    assert "ok    media: 5 items in " in doctor
    assert "ok    embedding toy (counting): 8 dimensions" in doctor


def test_status_before_any_run_is_readable(cli, declare, tmp_path):
    assert "none yet" in cli("status", "--file", declare(tmp_path)).stdout


# Errors: one message, no traceback


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["plan", "--nonsense"],
        ["plan", "--file"],
        ["search", "--file", "FILE"],
        ["search", "a", "--image", "b.png", "--file", "FILE"],
        ["search", "a", "--index", "nothing", "--file", "FILE"],
        ["search", "a", "--limit", "0", "--file", "FILE"],
        ["search", "a", "--limit", "many", "--file", "FILE"],
        ["plan", "--pipeline", "nothing", "--file", "FILE"],
    ],
)
def test_a_wrong_command_line_exits_with_2(cli, declare, tmp_path, arguments):
    file = declare(tmp_path)
    result = cli(*(file if argument == "FILE" else argument for argument in arguments), status=2)
    assert "Error: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--file", "gone.yaml"], "gone.yaml: there is no such file"),
        (["search", "x", "--file", "FILE"], "index 'found' of pipeline 'photos' is not published"),
        (["search", "--image", "gone.png", "--file", "FILE"], "is not published"),
    ],
)
def test_what_cannot_be_done_exits_with_1_and_its_reason(cli, declare, tmp_path, arguments, said):
    file = declare(tmp_path)
    result = cli(*(file if argument == "FILE" else argument for argument in arguments), status=1)
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "gone.png"], "gone.png cannot be read"),
        (["x", "--where", "no such column = 3"], "error: "),
        (["x", "--where", "nothing = 3"], "nothing"),
        (["x", "--embedding", "toi"], "did you mean 'toy'?"),
        (["x", "--sheet", "FILE/sheet.png"], "sheet.png"),
    ],
)
def test_a_search_that_cannot_be_done_says_why(cli, published, arguments, said):
    file, _, _ = published
    arguments = [argument.replace("FILE", str(file)) for argument in arguments]
    result = cli("search", *arguments, "--file", file, status=1)
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_search_picture_that_is_none_says_so(cli, published, tmp_path):
    file, _, _ = published
    declared = yaml.safe_load(file.read_text())
    assert declared["attributes"]["embeddings"]["toy"]["provider"] == "counting"
    (tmp_path / "empty.png").write_bytes(b"")
    result = cli("search", "--image", tmp_path / "empty.png", "--file", file, status=1)
    assert "the query image cannot be embedded: empty" in result.stderr


def test_a_missing_media_folder_is_one_error_with_the_path(cli, declare, tmp_path):
    file = declare(tmp_path, media={"path": "gone"})
    for verb in ("plan", "run"):
        result = cli(verb, "--file", file, status=1)
        assert f"the media folder {tmp_path / 'gone'} does not exist" in result.stderr
        assert "Traceback" not in result.output


def test_a_store_that_cannot_be_used_is_one_error_with_its_place(cli, declare, tmp_path):
    (tmp_path / "file").write_text("")
    file = declare(tmp_path / "project", store={"uri": "../file/store"})
    result = cli("run", "--file", file, status=1)
    assert str(tmp_path / "file" / "store") in result.stderr
    assert "Traceback" not in result.output


def test_a_wrong_yaml_is_one_error_with_its_line(cli, declare, tmp_path):
    file = declare(tmp_path)
    file.write_text(file.read_text().replace("metric", "metrik").replace("vectors:", "vektors:"))
    result = cli("run", "--file", file, status=1)
    assert "vektors: unknown key; did you mean 'vectors'?" in result.stderr


# Several pipelines


@pytest.fixture
def project(declare, tmp_path, monkeypatch):
    """A dg project of two pipelines, which one stands in."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
    for name in ("films", "photos"):
        declare(tmp_path / "definitions" / "defs" / name, name)
    monkeypatch.chdir(tmp_path / "definitions")
    return tmp_path


@pytest.mark.usefixtures("project")
def test_of_several_pipelines_one_has_to_be_chosen(cli):
    result = cli("plan", status=2)
    assert "there are several pipelines; choose one with --pipeline: films, photos" in result.stderr
    assert "photos/raw_media" in cli("plan", "--pipeline", "photos").stdout
    assert "films/raw_media" in cli("plan", "-p", "films").stdout


@pytest.mark.usefixtures("project")
def test_a_pipeline_of_another_name_is_answered_with_the_nearest(cli):
    assert "did you mean 'photos'?" in cli("plan", "-p", "photo", status=2).stderr


def test_one_runs_without_the_other(cli, project):
    cli("run", "-p", "photos")
    assert (project / "definitions" / "defs" / "photos" / "store").is_dir()
    assert not (project / "definitions" / "defs" / "films" / "store").exists()
