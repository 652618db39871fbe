"""``plan`` for a CI system: exit statuses, Markdown, all pipelines."""

from __future__ import annotations

import json

import pytest

from embeddings_orch.cli.output.markdown import PLAN_MARKER, Planned, plan_markdown
from embeddings_orch.media.base import Problem
from embeddings_orch.pipeline.plan.plan import AssetPlan, Estimate, Plan

PRICED = {"provider": "counting", "input": "caption", "prices": {"per_million_tokens": 1000.0}}


@pytest.fixture
def project(declare, tmp_path, monkeypatch):
    """A project with the pipelines ``a`` and ``b``; the current folder."""
    root = tmp_path / "project"
    declare(root / "definitions" / "defs" / "a", name="a", embeddings={"toy": PRICED})
    declare(root / "definitions" / "defs" / "b", name="b")
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
    monkeypatch.chdir(root)
    return root


def cells(line):
    return [cell.strip() for cell in line.strip("|").replace("\\|", "\0").split("|")]


def table(shown):
    """The rows of the first table, by their first cell."""
    lines = shown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| asset |"))
    columns, rows = cells(lines[start]), {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        assert len(cells(line)) == len(columns)
        rows[cells(line)[0].strip("`*")] = dict(zip(columns, cells(line), strict=True))
    return rows


@pytest.mark.slow
def test_the_exit_status_tells_changes_from_nothing_to_do(cli, published, declare, tmp_path):
    file, _, _ = published
    cli("plan", "--file", file, "--exit-code", status=0)
    changed = declare(tmp_path)
    for options in ([], ["--json"], ["--markdown"]):
        assert cli("plan", "--file", changed, "--exit-code", *options, status=2).stdout
        cli("plan", "--file", changed, *options, status=0)


@pytest.mark.parametrize(
    "wrong",
    [
        ["plan", "--pipeline", "c"],
        ["plan"],
        ["plan", "--file", "none.yaml"],
        ["plan", "--file"],
        ["plan", "--nonsense"],
        ["plan", "surplus"],
        ["plan", "--all", "--json", "--markdown"],
        ["plan", "--all", "--pipeline", "a"],
        ["--nonsense", "plan"],
        ["plann"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_with_exit_code_1(cli, project, wrong):
    assert cli(*wrong, status=2).stderr
    assert cli(*wrong[:1], "--exit-code", *wrong[1:], status=1).stderr if wrong[0] == "plan" else True
    said = cli(*wrong, "--exit-code", status=1).stderr
    assert "Error" in said


def test_with_exit_code_a_broken_pipeline_is_1(cli, project):
    file = project / "definitions" / "defs" / "a" / "defs.yaml"
    for text in ("type: embeddings_orch.EmbeddingPipeline\n  x: [", file.read_text().replace("counting", "nobody")):
        file.write_text(text)
        shown = cli("plan", "--file", file, "--exit-code", status=1)
        assert "error: " in shown.stderr


def test_all_pipelines_are_planned_and_one_that_is_broken_stops_no_other(cli, project):
    made = json.loads(cli("plan", "--all", "--json", "--exit-code", status=2).stdout)
    assert [one["pipeline"] for one in made["pipelines"]] == ["a", "b"]
    keys = ["pipeline", "changes", "assets", "passed_over", "passed_over_kinds"]
    assert all(list(one) == keys for one in made["pipelines"])
    file = project / "definitions" / "defs" / "a" / "defs.yaml"
    file.write_text(file.read_text().replace("counting", "nobody"))
    shown = cli("plan", "--all", "--json", "--exit-code", status=1)
    broken, whole = json.loads(shown.stdout)["pipelines"]
    assert list(broken) == ["pipeline", "error"]
    assert "there is no embedder 'nobody'" in broken["error"]
    assert shown.stderr.startswith("error: a: ")
    assert "there is no embedder 'nobody'" in shown.stderr
    assert whole["changes"] is True
    shown = cli("plan", "--all", status=1).stdout
    assert shown.splitlines()[-1] == "b: 5 contents to embed; time unknown until the first run"
    assert "> **error:** " in cli("plan", "--all", "--markdown", status=1).stdout


def test_markdown_has_a_row_an_asset_and_totals(cli, project):
    shown = cli("plan", "--pipeline", "a", "--markdown").stdout
    assert shown.splitlines()[0] == PLAN_MARKER
    assert "**5 contents** to embed, 30 tokens, $0.0300, time unknown until the first run." in shown
    rows = table(shown)
    assert list(rows) == ["a/raw_media", "a/embeddings/toy", "a/index/found", "a/published/found", "total"]
    toy = rows["a/embeddings/toy"]
    assert (toy["new"], toy["tokens"], toy["cost"], toy["time"]) == ("5", "30", "$0.0300", "unknown")
    assert toy["reason"] == "never materialized"
    assert (rows["total"]["tokens"], rows["total"]["cost"]) == ("30", "$0.0300")
    both = cli("plan", "--all", "--markdown").stdout
    assert both.count(PLAN_MARKER) == 1
    assert "**All 2 pipelines:** 2 with changes; **10 contents** to embed, 30 tokens, $0.0300" in both


def test_markdown_after_a_run_says_that_nothing_is_to_do(cli, published):
    file, _, _ = published
    shown = cli("plan", "--file", file, "--markdown").stdout
    assert "Nothing to do." in shown
    assert "total" not in table(shown)


def test_markdown_shows_text_as_it_is():
    wild = "a|b\nc `d` <script> @team #12 *x* & [y](z)"
    row = AssetPlan("p/embeddings/a|b", 1, 0, 0, 0, 0, "", wild, Estimate(1, 4, 2.5, 61.4))
    problems = [Problem(f"row {number}", wild) for number in range(12)] + [Problem("t.csv", "renamed", kept=True)]
    shown = plan_markdown([Planned("p", Plan("p", [row], problems))])
    rows = table(shown)
    assert list(rows) == ["p/embeddings/a\0b", "total"]
    assert rows["p/embeddings/a\0b"]["reason"] == (
        "a\0b c \\`d\\` &lt;script> @\u200bteam #\u200b12 \\*x\\* &amp; \\[y\\](z)"
    )
    assert (rows["total"]["cost"], rows["total"]["time"]) == ("$2.5000", "61 s")
    assert "<summary>12 media rows or files are left out</summary>" in shown
    assert "<summary>1 columns kept otherwise</summary>\n\n- t.csv: renamed\n" in shown
    assert shown.count("\n- ") == 12
    assert "- and 2 more" in shown
