"""``run --report`` and ``--fail-on-item-errors``: what a CI system reads, and the exit status it sees."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest

import warm
from embeddings_orch.cli.output.report import write
from embeddings_orch.pipeline.run.outcome import RunOutcome, Step

TOLERANT = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
SUITE = ["properties", "testcase"]
ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "properties": set(),
}


def junit(path):
    """The suites of a report by name, after the rules that the readers of Jenkins, GitLab and GitHub share."""
    root = ET.parse(path).getroot()
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag], element.tag
    for suite in root:
        tags = [child.tag for child in suite]
        assert tags == sorted(tags, key=SUITE.index)
        cases = suite.findall("testcase")
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
        assert all(len(case) <= 1 for case in cases)
        assert int(suite.get("tests")) == len(cases) > 0
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name)) == len(suite.findall(f"testcase/{tag}"))
        for element in (suite, *cases):
            assert re.fullmatch(r"\d+\.\d{3}", element.get("time"))
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name)) == sum(int(suite.get(name)) for suite in root)
    return {suite.get("name"): suite for suite in root}


def properties(suite):
    return {one.get("name"): one.get("value") for one in suite.iter("property")}


def failed(suite):
    return {case.get("name"): case.find("failure").get("message") for case in suite if case.find("failure") is not None}


@pytest.mark.slow
def test_a_run_that_succeeds_is_a_suite_an_asset_with_its_step_and_checks(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "prices": {"per_million_tokens": 1000.0}}
    file = declare(tmp_path / "project", embeddings={"toy": toy})
    report, whole = tmp_path / "made" / "for it" / "junit.xml", tmp_path / "report.json"
    cli("run", "--file", file, "--report", report, "--report", whole)

    suites = junit(report)
    assert list(suites) == ["photos/raw_media", "photos/embeddings/toy", "photos/index/found", "photos/published/found"]
    assert [case.get("name") for case in suites["photos/embeddings/toy"].findall("testcase")] == [
        "materialize",
        *(f"check: {name}" for name in ("coverage", "finite", "dimension", "unit_norm", "failed_share")),
    ]
    told = properties(suites["photos/embeddings/toy"])
    made = json.loads(whole.read_text())
    assert (told["pipeline"], told["run_id"], told["embedded"]) == ("photos", made["run_id"], "5")
    assert (int(told["tokens"]) > 0, float(told["cost_usd"]) > 0) == (True, True)

    assert list(made) == [
        *("pipeline", "success", "run_id", "assets", "checks", "published"),
        *("seconds", "errors", "failures", "steps"),
    ]
    assert (made["success"], made["errors"], made["failures"]) == (True, [], [])
    assert all(step["seconds"] > 0 and step["status"] == "success" for step in made["steps"])
    assert 0 < max(step["seconds"] for step in made["steps"]) <= made["seconds"]


def test_a_run_that_fails_is_reported_too_with_the_reason_and_what_was_not_run(cli, declare, tmp_path):
    file = declare(tmp_path / "project", embeddings={"toy": {"provider": "counting", "broken": True}})
    report, whole = tmp_path / "junit.xml", tmp_path / "report.json"
    cli("run", "--file", file, "--report", report, "--report", whole, status=1)
    suites = junit(report)
    reason = "the counting provider is configured as broken"
    assert failed(suites["photos/embeddings/toy"]) == {"materialize": reason}
    assert failed(suites["photos/raw_media"]) == {}
    for name in ("photos/index/found", "photos/published/found"):
        assert suites[name].get("skipped") == suites[name].get("tests")
    made = json.loads(whole.read_text())
    assert (made["success"], made["errors"]) == (False, [reason])
    assert [step["status"] for step in made["steps"]][:2] == ["success", "failure"]


def test_a_pipeline_that_cannot_be_begun_is_reported_too(cli, declare, tmp_path):
    file = declare(tmp_path / "project", embeddings={"toy": {"provider": "nobody"}})
    report, whole = tmp_path / "junit.xml", tmp_path / "report.json"
    shown = cli("run", "--file", file, "--report", report, "--report", whole, status=1)
    assert "there is no embedder 'nobody'" in shown.stderr
    (case,) = junit(report)["photos"].findall("testcase")
    assert "there is no embedder 'nobody'" in case.find("error").get("message")
    assert json.loads(whole.read_text())["success"] is False


@pytest.mark.slow
def test_failed_contents_and_media_left_out_are_cases_of_their_own(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "reject": "blue"}
    file = declare(tmp_path / "project", embeddings={"toy": toy}, indexes=TOLERANT)
    with (file.parent / "media" / "metadata.csv").open("a") as rows:
        rows.write("\ngone.png,a picture that is not there")
    report = tmp_path / "junit.xml"
    arguments = ("run", "--file", file, "--report", report)
    cli(*arguments)
    suites = junit(report)
    blue = file.parent / "media" / "blue.png"
    items = {name: text for name, text in failed(suites["photos/embeddings/toy"]).items() if name.startswith("item: ")}
    assert items == {f"item: {blue}": "an input holds 'blue'"}
    (left_out,) = failed(suites["photos/raw_media"])
    assert "metadata.csv" in left_out

    # The failure is remembered by the second run, and counts there too.
    for _ in range(2):
        shown = cli(*arguments, "--fail-on-item-errors", "--json", status=1)
        assert json.loads(shown.stdout)["success"] is True
        assert "error: photos/embeddings/toy: 1 item failed" in shown.stderr
        assert f"    {blue}: an input holds 'blue'" in shown.stderr
        assert "error: photos/raw_media: 1 left out" in shown.stderr
    # Only of what is selected.
    shown = cli(*arguments, "--fail-on-item-errors", "--select", "raw_media", status=1)
    assert "photos/embeddings/toy" not in shown.stderr


@pytest.mark.slow
def test_without_failed_contents_the_status_is_that_of_the_run(cli, declare, tmp_path):
    cli("run", "--file", declare(tmp_path), "--fail-on-item-errors")


def test_characters_that_xml_cannot_hold_are_left_out(tmp_path):
    wild = "a\x00b\x1b[31m \ud800 \ufffe <&>\"' 🐕 | ]]>"
    outcome = RunOutcome(
        "photos", False, "id", steps=[Step("photos/embeddings/toy", "materialize", "failure", 1, wild)]
    )
    outcome.assets.append(
        {"asset": "photos/embeddings/toy", "failures": [{"item": wild, "reason": wild}], "reason": wild}
    )
    write(tmp_path / "junit.xml", [outcome], together=False)
    suites = junit(tmp_path / "junit.xml")
    clean = "ab[31m   <&>\"' 🐕 | ]]>"
    assert failed(suites["photos/embeddings/toy"]) == {"materialize": clean, f"item: {clean}": clean}


@pytest.mark.parametrize(
    ("name", "status"), [("report.html", 2), ("report", 2), ("file/report.xml", 1), ("folder.xml", 1)]
)
def test_a_report_that_cannot_be_written_is_an_error_before_the_run(cli, declare, tmp_path, dagster_home, name, status):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder.xml").mkdir()
    shown = cli("run", "--file", declare(tmp_path / "project"), "--report", tmp_path / name, status=status)
    assert name in shown.stderr
    assert not (tmp_path / "project" / "store").exists()


@pytest.mark.process
def test_all_pipelines_are_run_and_one_that_is_broken_stops_no_other(declare, tmp_path, dagster_home):
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
    defs = tmp_path / "definitions" / "defs"
    declare(defs / "a", name="a", embeddings={"toy": {"provider": "nobody"}})
    declare(defs / "b", name="b", embeddings={"toy": {"provider": "counting", "broken": True}})
    declare(defs / "c", name="c")
    reports = ["--report", "r/all.xml", "--report", "r/all.json"]
    done = warm.run("embeddings-orch", "run", "--all", "--json", *reports, cwd=tmp_path)
    assert done.returncode == 1
    made = json.loads(done.stdout)["pipelines"]
    assert [(one["pipeline"], one["success"]) for one in made] == [("a", False), ("b", False), ("c", True)]
    assert "there is no embedder 'nobody'" in made[0]["error"]
    assert "error: b: the counting provider is configured as broken" in done.stderr
    assert set(junit(tmp_path / "r" / "all.xml")) >= {"a", "b/embeddings/toy", "c/published/found"}
    assert [one["pipeline"] for one in json.loads((tmp_path / "r" / "all.json").read_text())["pipelines"]] == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.process
def test_an_interrupted_run_begins_no_other(declare, tmp_path, dagster_home):
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
    for name in ("a", "b"):
        declare(tmp_path / "definitions" / "defs" / name, name=name)
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from embeddings_orch_testing.counting import CountingEmbedder\n"
        "from embeddings_orch.cli import main\n"
        "def interrupted(*_): os.kill(os.getpid(), signal.SIGINT); __import__('time').sleep(2)\n"
        "CountingEmbedder.embed = interrupted\n"
        "main(['run', '--all', '--json', '--report', 'report.xml'])"
    )
    interrupted = warm.start_code(code, cwd=tmp_path)
    out, _ = interrupted.communicate()
    assert interrupted.returncode == 1
    assert [one["pipeline"] for one in json.loads(out)["pipelines"]] == ["a"]
    assert (
        "interrupted; what was committed is kept"
        in failed(junit(tmp_path / "report.xml")["a/embeddings/toy"])["materialize"]
    )
