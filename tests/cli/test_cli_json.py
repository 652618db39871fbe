"""The objects that ``--json`` prints are a contract: the keys stand here one by one."""

from __future__ import annotations

import json
import uuid

import pytest

PLAN_KEYS = [
    *("asset", "new", "changed", "unchanged", "deleted", "failed", "fingerprint", "reason", "estimate", "unit"),
]
RUN_KEYS = ["embedded", "reused", "deleted", "failed", "requests", "retries", "tokens", "cost_usd", "seconds"]
ITEMS_KEYS = ["items", "items_failed", "items_without_vector", "items_with_nothing_to_embed"]
ASSETS = ["photos/raw_media", "photos/embeddings/toy", "photos/index/found", "photos/published/found"]


def answer(result):
    """The one JSON object on standard output."""
    assert result.stdout.count("\n") == 1, "more than one line"
    return json.loads(result.stdout)


def test_plan_says_of_each_asset_what_would_be_done(cli, declare, tmp_path):
    made = answer(cli("plan", "--file", declare(tmp_path), "--json"))
    assert list(made) == ["pipeline", "changes", "assets", "passed_over", "passed_over_kinds"]
    assert (made["pipeline"], made["changes"]) == ("photos", True)
    assert [asset["asset"] for asset in made["assets"]] == ASSETS
    for asset in made["assets"]:
        assert list(asset) == PLAN_KEYS
        assert list(asset["estimate"]) == ["contents", "tokens", "cost_usd", "seconds"]
    assert [asset["new"] for asset in made["assets"]] == [5, 5, 5, 1]
    assert made["assets"][1]["estimate"]["contents"] == 5


def test_plan_writes_nothing(cli, declare, tmp_path, dagster_home):
    file = declare(tmp_path / "project")
    before = sorted(path for path in tmp_path.rglob("*"))
    cli("plan", "--file", file, "--json")
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_plan_after_a_run_has_nothing_to_do(cli, published):
    file, _, _ = published
    made = answer(cli("plan", "--file", file, "--json"))
    assert made["changes"] is False
    assert {asset["reason"] for asset in made["assets"]} == {"up to date"}
    assert [asset["unchanged"] for asset in made["assets"]] == [5, 5, 5, 1]
    assert made["assets"][1]["estimate"] == {"contents": 0, "tokens": 0, "cost_usd": 0.0, "seconds": 0.0}


def test_run_says_of_each_asset_what_was_done(published):
    _, _, made = published
    assert list(made) == ["pipeline", "success", "run_id", "assets", "checks", "published"]
    assert (made["pipeline"], made["success"]) == ("photos", True)
    assert str(uuid.UUID(made["run_id"])) == made["run_id"]
    assert [asset["asset"] for asset in made["assets"]] == ASSETS
    media, embeddings, index, pointer = made["assets"]
    assert [list(asset) for asset in made["assets"]] == [
        ["asset", "unit", *RUN_KEYS[:7], "passed_over", *RUN_KEYS[7:]],
        ["asset", "unit", *RUN_KEYS[:7], *ITEMS_KEYS, *RUN_KEYS[7:]],
        ["asset", "unit", *RUN_KEYS[:7], "items_with_nothing_to_embed", *RUN_KEYS[7:]],
        ["asset", *RUN_KEYS],
    ]
    assert (media["unit"], embeddings["unit"], index["unit"]) == ("items", "contents", "items")
    assert (embeddings["embedded"], embeddings["reused"], embeddings["failed"]) == (5, 0, 0)
    assert (embeddings["requests"], embeddings["retries"]) == (1, 0)
    assert embeddings["tokens"] > 0
    assert embeddings["seconds"] > 0
    (pointer,) = made["published"]
    assert (pointer["asset"], pointer["previous"], pointer["moved"], pointer["held"]) == (
        ASSETS[-1],
        "none",
        True,
        False,
    )


def test_run_says_of_each_check_whether_it_passed(published):
    _, _, made = published
    for check in made["checks"]:
        assert list(check) == ["asset", "check", "passed", "severity", "description"]
        assert (check["passed"], bool(check["description"])) == (True, True)
    severities = {(check["asset"], check["check"]): check["severity"] for check in made["checks"]}
    assert severities["photos/embeddings/toy", "failed_share"] == "WARN"
    assert severities["photos/index/found", "row_parity"] == "ERROR"


@pytest.mark.slow
def test_status_names_what_failed(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "reject": "blue"}
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": toy}, indexes=index)
    cli("run", "--file", file)
    made = answer(cli("status", "--file", file, "--json"))
    assert made["failures"] == 1
    (row,) = made["failed"]
    assert list(row) == ["embedding", "id", "uri", "reason"]
    assert (row["embedding"], row["uri"]) == ("toy", str(tmp_path / "media" / "blue.png"))
    assert row["reason"]


def test_the_object_is_strict_json_in_ascii(capsys):
    from embeddings_orch.cli.common import print_json

    print_json({"score": float("nan"), "metadata": {"size": [float("inf"), 1.5], "caption": "a dog 🐕"}})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert json.loads(shown, parse_constant=pytest.fail) == {
        "score": None,
        "metadata": {"size": [None, 1.5], "caption": "a dog 🐕"},
    }


@pytest.mark.slow
def test_a_run_with_nothing_to_do_embeds_nothing(cli, published):
    file, _, _ = published
    embeddings = answer(cli("run", "--file", file, "--json"))["assets"][1]
    assert (embeddings["embedded"], embeddings["reused"], embeddings["requests"]) == (0, 5, 0)


def test_a_failed_run_says_so_in_its_object_and_its_exit_status(cli, declare, tmp_path):
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "broken": True}})
    result = cli("run", "--file", file, "--json", status=1)
    made = answer(result)
    assert made["success"] is False
    assert [asset["asset"] for asset in made["assets"]] == ["photos/raw_media"]
    assert "error: " in result.stderr
    assert "the counting provider is configured as broken" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_tokens_cost_what_the_config_says(cli, declare, tmp_path):
    file = declare(tmp_path, embeddings={"toy": {"provider": "counting", "prices": {"per_million_tokens": 1000.0}}})
    embeddings = answer(cli("run", "--file", file, "--json"))["assets"][1]
    assert embeddings["cost_usd"] == pytest.approx(embeddings["tokens"] / 1000)


@pytest.mark.slow
def test_what_failed_for_good_is_tried_again_only_when_asked(cli, declare, tmp_path):
    toy = {"provider": "counting", "input": "caption", "reject": "blue"}
    index = {"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}}
    file = declare(tmp_path, embeddings={"toy": toy}, indexes=index)
    counts = []
    for options in ([], [], ["--retry-failed"]):
        embeddings = answer(cli("run", "--file", file, "--json", *options))["assets"][1]
        counts.append((embeddings["embedded"], embeddings["failed"], embeddings["requests"] > 0))
    assert counts == [(4, 1, True), (0, 1, False), (0, 1, True)]
    assert answer(cli("plan", "--file", file, "--json"))["changes"] is False
    assert answer(cli("plan", "--file", file, "--json", "--retry-failed"))["assets"][1]["estimate"]["contents"] == 1


def test_search_gives_hits_with_score_and_metadata(cli, published):
    file, _, _ = published
    found = answer(cli("search", "anything", "--file", file, "--json", "--limit", 3))
    assert list(found) == ["index", "generation", "hits"]
    assert found["index"] == "found"
    assert len(found["hits"]) == 3
    for hit in found["hits"]:
        assert list(hit) == ["id", "uri", "score", "distance", "metadata"]
        assert hit["score"] == pytest.approx(1 - hit["distance"])
        assert {"caption", "modality", "mime", "width", "height", "content_hash"} <= set(hit["metadata"])
        assert not any("vector" in name or name.startswith("_") for name in hit["metadata"])
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_search_by_a_picture_finds_that_picture_first(cli, published):
    file, _, _ = published
    picture = file.parent / "media" / "green.png"
    first = answer(cli("search", "--image", picture, "--file", file, "--json"))["hits"][0]
    assert (first["id"], first["uri"]) == ("green.png", str(picture))
    assert first["score"] == pytest.approx(1, abs=1e-5)


def test_search_filters_by_a_column(cli, published):
    file, _, _ = published
    found = answer(cli("search", "x", "--file", file, "--json", "--where", "caption LIKE '%blue%'"))
    assert [hit["id"] for hit in found["hits"]] == ["blue.png"]
    fractions = answer(cli("search", "x", "--file", file, "--json", "--where", '"width" > 0.5 AND size <> 20.5'))
    assert len(fractions["hits"]) == 5


def test_status_says_what_is_published_and_what_there_is(cli, published):
    file, _, _ = published
    made = answer(cli("status", "--file", file, "--json"))
    assert list(made) == ["pipeline", "media", "indexes", "embeddings", "failures", "failed"]
    (index,) = made["indexes"]
    assert list(index) == ["index", "published", "held", "generations"]
    assert (index["index"], index["held"], made["failures"]) == ("found", False, 0)
    (generation,) = index["generations"]
    assert generation["generation"] == index["published"]
    assert (generation["rows"], generation["passed"]) == (5, True)


def test_status_before_any_run_says_that_nothing_is_there(cli, declare, tmp_path):
    made = answer(cli("status", "--file", declare(tmp_path), "--json"))
    assert made["indexes"] == [{"index": "found", "published": None, "held": False, "generations": []}]


def test_plugins_are_listed_with_where_they_come_from(cli):
    listed = answer(cli("plugins", "--json"))["plugins"]
    keys = ["group", "name", "installed", "distribution", "version", "install", "reads", "summary", "error"]
    assert all(list(plugin) == keys for plugin in listed)
    by_name = {(plugin["group"], plugin["name"]): plugin for plugin in listed}
    assert by_name["sources", "folder"]["distribution"] == "embeddings-orch"
    assert by_name["embedders", "open-clip"]["install"] == "pip install 'embeddings-orch[open-clip]'"


def test_schema_is_a_json_schema(cli):
    schema = json.loads(cli("schema").stdout)
    assert schema["properties"]["type"]["const"] == "embeddings_orch.EmbeddingPipeline"


def test_doctor_tries_everything_and_says_what_is_wrong(cli, published, declare, tmp_path):
    file, _, _ = published
    made = answer(cli("doctor", "--file", file, "--json"))
    assert list(made) == ["pipeline", "findings"]
    assert all(list(finding) == ["what", "ok", "detail", "advice"] for finding in made["findings"])
    assert all(finding["ok"] for finding in made["findings"])
    broken = declare(tmp_path / "broken", embeddings={"toy": {"provider": "counting", "broken": True}})
    made = answer(cli("doctor", "--file", broken, "--json", status=1))
    (wrong,) = [finding for finding in made["findings"] if not finding["ok"]]
    assert wrong["what"] == "embedding toy (counting)"
    assert "configured as broken" in wrong["detail"]
