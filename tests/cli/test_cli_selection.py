"""``run --select``: which assets a selection names."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from embeddings_orch.errors import SpecError
from embeddings_orch.pipeline.plan.selection import graph, select_assets
from embeddings_orch.spec.yaml_file import load_pipeline


@pytest.fixture
def assets(declare, tmp_path):
    embeddings = {"toy": {"provider": "counting"}, "other": {"provider": "counting", "name": "other"}}
    indexes = {"found": {"vectors": ["toy"]}, "both": {"vectors": ["toy", "other"]}}
    return graph(load_pipeline(declare(tmp_path / "two", embeddings=embeddings, indexes=indexes)))


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("photos/embeddings/toy", ["embeddings/toy"]),
        ("embeddings/toy", ["embeddings/toy"]),
        ("toy", ["embeddings/toy"]),
        ("raw_media", ["raw_media"]),
        ("published/found", ["published/found"]),
        ("+index/found", ["raw_media", "embeddings/toy", "index/found"]),
        ("1+published/found", ["index/found", "published/found"]),
        ("other+", ["embeddings/other", "index/both", "published/both"]),
        ("other+1", ["embeddings/other", "index/both"]),
        ("+other+", ["raw_media", "embeddings/other", "index/both", "published/both"]),
        (
            "raw_media+",
            [
                *("raw_media", "embeddings/other", "embeddings/toy"),
                *("index/both", "published/both", "index/found", "published/found"),
            ],
        ),
    ],
)
def test_a_selection_names_assets_with_or_without_what_is_above_and_below(assets, selection, chosen):
    assert select_assets(assets, "photos", [selection]) == [f"photos/{name}" for name in chosen]


def test_several_selections_add_up_in_the_order_of_the_graph(assets):
    chosen = select_assets(assets, "photos", ["published/both", "toy", "raw_media"])
    assert chosen == ["photos/raw_media", "photos/embeddings/toy", "photos/published/both"]


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("embeddings/toi", "has no asset 'embeddings/toi'; did you mean 'embeddings/toy'?; allowed: raw_media, "),
        ("raw_medai", "has no asset 'raw_medai'; did you mean 'raw_media'?"),
        ("tou", "has no asset 'tou'; did you mean 'toy'?"),
        ("videos/embeddings/toy", "has no asset 'videos/embeddings/toy'"),
        ("found", "'found' names several assets; choose one: index/found, published/found"),
        ("toy++", "is not understood"),
        ("", "is not understood"),
    ],
)
def test_a_name_that_is_wrong_is_answered_with_the_right_ones(assets, selection, said):
    with pytest.raises(SpecError, match=".") as error:
        select_assets(assets, "photos", [selection])
    assert said in str(error.value)


@pytest.mark.slow
def test_only_the_selected_assets_and_their_checks_are_materialized(cli, declare, tmp_path):
    file = declare(tmp_path)
    made = json.loads(cli("run", "--file", file, "--json", "--select", "+toy", "--retry-failed").stdout)
    assert [asset["asset"] for asset in made["assets"]] == ["photos/raw_media", "photos/embeddings/toy"]
    assert {check["asset"] for check in made["checks"]} == {"photos/embeddings/toy"}
    made = json.loads(cli("run", "--file", file, "--json", "--select", "index/found", "-s", "published/found").stdout)
    assert [asset["asset"] for asset in made["assets"]] == ["photos/index/found", "photos/published/found"]
    assert {check["asset"] for check in made["checks"]} == {"photos/index/found"}
    assert len(json.loads(cli("search", "x", "--file", file, "--json").stdout)["hits"]) == 5


def test_what_lacks_above_a_selection_is_told(cli, declare, tmp_path):
    shown = cli("run", "--file", declare(tmp_path), "--select", "toy", status=1)
    assert "photos/raw_media was never materialized" in shown.stderr


def test_a_wrong_selection_is_wrong_usage_and_runs_nothing(cli, declare, tmp_path, dagster_home):
    file = declare(tmp_path / "project")
    shown = cli("run", "--file", file, "--select", "toi", status=2)
    assert "did you mean 'toy'?" in shown.stderr
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert instance.get_runs_count() == 0
    cli("run", "--file", file, "--select", "toy", "--all", status=2)
