"""What a person sees: help, tables, progress, errors."""

from __future__ import annotations

import pytest
import yaml


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_the_verbs(cli, arguments):
    shown = cli(*arguments).stdout
    for verb in ("plan", "run", "search", "status", "plugins", "schema", "doctor"):
        assert f"  {verb} " in shown


def test_no_line_of_the_help_is_cut_at_80_columns(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli("--help").stdout
    assert "..." not in shown.split("Commands:")[1]
    assert "…" not in shown


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
    assert lines[0].split() == ["asset", "of", "new", "changed", "unchanged", "deleted", "failed", "reason"]
    assert lines[2].split() == ["photos/embeddings/toy", "contents", "5", "0", "0", "0", "0", "never", "materialized"]
    assert lines[-1] == "photos: 5 contents to embed; time unknown until the first run"


def test_plan_warns_of_what_would_pass_the_budget(cli, declare, tmp_path):
    toy = {"provider": "counting", "prices": {"per_million_tokens": 1000.0}, "input": "caption", "max_cost_usd": 0.02}
    shown = cli("plan", "--file", declare(tmp_path, embeddings={"toy": toy})).stdout
    assert "estimated at $0.0300, more than its max_cost_usd, $0.0200" in " ".join(shown.split())


def test_plan_has_tokens_and_dollars_where_a_model_has_a_price(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "prices": {"per_million_tokens": 1000.0}}
    lines = cli("plan", "--file", declare(tmp_path, embeddings={"toy": toy})).stdout.splitlines()
    assert lines[-1].startswith("photos: 5 contents to embed, 30 tokens, $0.0300; time unknown")


@pytest.mark.slow
def test_plan_knows_the_time_after_the_first_run(cli, declare, tmp_path):
    file = declare(tmp_path)
    cli("run", "--file", file)
    (tmp_path / "media" / "new.txt").write_text("a new text")
    assert cli("plan", "--file", file).stdout.splitlines()[-1] == "photos: 1 content to embed; about 0 s"


def test_plan_without_media_says_so(cli, declare, tmp_path):
    file = declare(tmp_path, media={"path": "empty"})
    (tmp_path / "empty").mkdir()
    assert cli("plan", "--file", file).stdout.splitlines()[-1] == "photos: there are no media yet"


@pytest.mark.slow
def test_plan_with_nothing_to_do_says_so(cli, published):
    file, _, _ = published
    assert cli("plan", "--file", file).stdout.splitlines()[-1] == "photos: nothing to do"


@pytest.mark.slow
def test_run_says_what_it_did_and_that_it_is_done(cli, declare, tmp_path):
    file = declare(tmp_path)
    first = cli("run", "--file", file).stdout.splitlines()
    assert first[1].startswith(
        "photos/embeddings/toy: 5 new, 0 changed, 0 unchanged, 0 deleted, 0 failed (contents); embedded 5 at "
    )
    assert first[-1].startswith("photos: done (run ")
    second = cli("run", "--file", file).stdout.splitlines()
    assert (
        second[1] == "photos/embeddings/toy: 0 new, 0 changed, 5 unchanged, 0 deleted, 0 failed (contents); embedded 0"
    )


@pytest.mark.slow
def test_a_broken_picture_is_named_with_its_reason(cli, declare, tmp_path):
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "decode": True}}, indexes=index)
    (tmp_path / "media" / "broken.png").write_bytes(b"this is no picture")
    shown = cli("run", "--file", file).stdout
    assert "1 failed (contents); embedded 5" in shown
    assert "    " in shown
    assert "broken.png: " in shown


@pytest.mark.slow
def test_what_a_folder_holds_and_a_search_cannot_find_is_told_by_each_command(cli, declare, tmp_path):
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "decode": True}}, indexes=index)
    for name in ("one.png", "two.png"):
        (tmp_path / "media" / name).write_bytes(b"this is no picture")
    (tmp_path / "media" / "phone.HEIC").write_bytes(b"?")
    (tmp_path / "media" / "metadata.csv").write_text("file_name,size\none.png,3\n")
    told = "passed over 1 file: 1 .heic (phone.HEIC: HEIF pictures are not read: convert them to JPEG or PNG)"
    assert f"photos: {told}" in cli("plan", "--file", file).stdout
    shown = cli("run", "--file", file).stdout
    assert f"    {told}" in shown
    assert "metadata.csv: the catalog has a column 'size' of its own: it is kept as 'size_2'; " in shown
    assert "1 failed (contents); embedded 5 at " in shown
    assert "; 2 items without a vector\n" in shown
    assert shown.count(": not a picture: text found") == 2
    status = cli("status", "--file", file).stdout
    assert f"photos/raw_media: {told}" in status
    assert "photos/embeddings/toy: 5 of 7 items have a vector; 2 failed (1 content)" in status
    generations = cli("generations", "--file", file).stdout.splitlines()
    assert "without vector" in generations[0]
    assert "toy: 2" in generations[1]


@pytest.mark.slow
def test_a_check_that_warns_is_seen_after_the_run(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "reject": "blue"}
    words = {"provider": "counting", "input": "caption", "name": "words"}
    # In no index, so that no gate asks for it.
    file = declare(tmp_path, embeddings={"toy": toy, "words": words}, indexes={"found": {"vectors": ["words"]}})
    for options in ([], ["--json"]):
        said = cli("run", "--file", file, *options).stderr
        assert "warning: photos/embeddings/toy failed_share: 1 of 5 items have no vector (20.00%" in said
        assert "error: " not in said
    status = cli("status", "--file", file).stdout
    assert "photos/embeddings/toy: 4 of 5 items have a vector; 1 failed (1 content)" in status
    assert f"    toy: {tmp_path / 'media' / 'blue.png'}: " in status


@pytest.mark.slow
def test_of_many_failed_contents_ten_are_named(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "reject": "picture"}
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": toy}, indexes=index)
    lines = ["file_name,caption", *(f"{colour}.png,picture {colour}" for colour in ("red", "green", "blue"))]
    for number in range(9):
        (tmp_path / "media" / f"{number}.txt").write_text(f"text {number}")
        lines.append(f"{number}.txt,picture {number}")
    (tmp_path / "media" / "metadata.csv").write_text("\n".join(lines))
    cli("run", "--file", file)
    shown = cli("status", "--file", file).stdout.splitlines()
    assert len([line for line in shown if line.startswith("    toy: ")]) == 10
    assert shown[-1] == "    and 2 more: embeddings-orch failures"


@pytest.mark.slow
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
    assert "photos/embeddings/toy: 5 of 5 items have a vector\n" in status
    (counting,) = [line for line in cli("plugins").stdout.splitlines() if line.startswith("  counting ")]
    assert counting.rstrip().endswith("(for tests)")
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
        ["plan", "--file", "gone.yaml"],
        ["plan", "--file", "."],
        ["search", "--image", "gone.png", "--file", "FILE"],
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
        (["search", "x", "--file", "FILE"], "index 'found' of pipeline 'photos' is not published"),
        (["search", "--image", "FILE", "--file", "FILE"], "is not published"),
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
        (["x", "--where", "no such column = 3"], "error: "),
        (["x", "--where", "nothing = 3"], "nothing"),
        (["x", "--sheet", "FILE/sheet.png"], "sheet.png"),
    ],
)
def test_a_search_that_cannot_be_done_says_why(cli, published, arguments, said):
    file, _, _ = published
    arguments = [argument.replace("FILE", str(file)) for argument in arguments]
    result = cli("search", *arguments, "--file", file, status=1)
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_an_embedding_that_the_index_has_not_is_wrong_usage(cli, published):
    file, _, _ = published
    result = cli("search", "x", "--embedding", "toi", "--file", file, status=2)
    assert "index 'found' has no embedding 'toi'; did you mean 'toy'?" in result.stderr


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


@pytest.mark.parametrize(
    "text", ["telemetrie:\n  enabled: false\n", "telemetry: [", "storage: { postgres: 3 }\n", "- a\n"]
)
def test_a_wrong_dagster_yaml_is_one_error_with_its_path(cli, declare, tmp_path, dagster_home, text):
    (dagster_home / "dagster.yaml").write_text(text)
    result = cli("run", "--file", declare(tmp_path / "project"), status=1)
    assert f"error: the Dagster home {dagster_home} cannot be used: {dagster_home / 'dagster.yaml'}" in result.stderr


def test_what_dagster_refuses_is_one_error(cli, declare, tmp_path, monkeypatch):
    import dagster as dg

    from embeddings_orch.dagster import definitions

    def refused(*_, **__):
        raise dg.DagsterInvalidDefinitionError("this is no definition\n\nof mine")

    monkeypatch.setattr(definitions, "build_pipeline", refused)
    result = cli("run", "--file", declare(tmp_path / "project"), status=1)
    assert "error: Dagster cannot run the pipeline 'photos': this is no definition; of mine" in result.stderr


@pytest.mark.slow
def test_a_check_that_blocks_is_the_reason_of_a_failed_run(cli, declare, tmp_path, monkeypatch):
    from dataclasses import replace

    from embeddings_orch.pipeline.run import checks

    def failing(*arguments, **options):
        found = checked(*arguments, **options)
        first, *others = found.results
        return replace(found, results=[replace(first, passed=False, description="3 rows are missing"), *others])

    checked = checks.inspect_index
    monkeypatch.setattr(checks, "inspect_index", failing)
    said = cli("run", "--file", declare(tmp_path), status=1).stderr
    assert "error: photos/index/found row_parity: 3 rows are missing" in said
    assert "error: photos/index/found: what follows was stopped by a failed check: row_parity" in said
    assert "dagster._core" not in said


# Doctor


@pytest.mark.slow
def test_doctor_leaves_the_store_as_it_was(cli, declare, tmp_path):
    file = declare(tmp_path)
    assert f"ok    store: {tmp_path / 'store'}, made by the first run" in cli("doctor", "--file", file).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dagster_home", "defs.yaml", "media"]
    cli("run", "--file", file)
    before = sorted(path.name for path in (tmp_path / "store").iterdir())
    assert f"ok    store: {tmp_path / 'store'}, {len(before)} tables" in cli("doctor", "--file", file).stdout
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == before


@pytest.mark.parametrize("uri", ["file", "file/below"])
def test_doctor_finds_a_store_that_cannot_be(cli, declare, tmp_path, uri):
    (tmp_path / "file").write_text("")
    shown = cli("doctor", "--file", declare(tmp_path / "project", store={"uri": f"../{uri}"}), status=1).stdout
    assert "wrong store: " in shown
    assert str(tmp_path / "file") in shown


def test_doctor_finds_a_store_that_cannot_be_written(cli, declare, tmp_path, monkeypatch):
    import tempfile

    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    shown = cli("doctor", "--file", declare(tmp_path), status=1).stdout
    assert f"wrong store: {tmp_path / 'store'}: nothing can be written in {tmp_path}: Permission denied" in shown


def test_doctor_looks_at_many_media_for_some_seconds_only(cli, declare, tmp_path, monkeypatch):
    from embeddings_orch.cli.commands import doctor

    monkeypatch.setattr(doctor, "_SECONDS", 0)
    shown = cli("doctor", "--file", declare(tmp_path)).stdout
    assert "ok    media: the first 5 items in " in shown
    assert "plan looks at all" in shown


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


@pytest.mark.slow
def test_one_runs_without_the_other(cli, project):
    cli("run", "-p", "photos")
    assert (project / "definitions" / "defs" / "photos" / "store").is_dir()
    assert not (project / "definitions" / "defs" / "films" / "store").exists()


def test_a_broken_pipeline_does_not_stop_another(cli, project):
    file = project / "definitions" / "defs" / "films" / "defs.yaml"
    file.write_text(file.read_text().replace("media:", "medium:"))
    assert "photos/raw_media" in cli("plan", "-p", "photos").stdout
    assert "medium: unknown key" in cli("plan", "-p", "films", status=1).stderr
    assert "choose one with --pipeline: films, photos" in cli("plan", status=2).stderr
