"""The gates as Dagster shows them: tables, the report with pictures, and one check executed alone."""

import json

import dagster as dg
import pytest

from drifting import drifting
from embeddings_orch import build_pipeline
from embeddings_orch.pipeline.checks.run import INDEX_CHECKS
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.spec.yaml_file import load_pipeline
from galleries import Gallery

__all__ = ["drifting"]

INDEX = dg.AssetKey(["gallery", "index", "found"])


@pytest.fixture
def run(once):
    """Runs the assets and checks of a gallery of 30 pictures that is published, or some checks alone.

    It gives the index's evaluations.
    """
    gallery = once(Gallery.run, pictures=30)
    with dg.DagsterInstance.ephemeral() as instance:

        def run(*checks):
            definitions = build_pipeline(load_pipeline(gallery.file))
            selection = None
            if checks:
                selection = dg.AssetSelection.checks(*(dg.AssetCheckKey(INDEX, check) for check in checks))
            result = dg.materialize(
                [*definitions.assets, *definitions.asset_checks],
                instance=instance,
                selection=selection,
                raise_on_error=False,
            )
            run.started = {event.step_key for event in result.all_events if event.is_step_start}
            evaluations = result.get_asset_check_evaluations()
            return {one.check_name: one for one in evaluations if one.asset_key == INDEX}

        run.gallery = gallery
        yield run


@pytest.mark.slow
def test_golden_queries_are_a_table_of_where_each_item_was_found(run):
    golden = [
        {"image": str(run.gallery.media / "p004.png"), "expect": ["p004.png"], "within": 1},
        {"query": "a dog", "expect": ["p999.png"]},
    ]
    run.gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"golden": golden}}})

    evaluation = run()["golden"]

    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert evaluation.description == '"a dog": p999.png is not in the catalog'
    table = evaluation.metadata["findings"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"query": "p004.png", "expected": "p004.png", "found": "is at place 1", "passed": True},
        {"query": '"a dog"', "expected": "p999.png", "found": "is not in the catalog", "passed": False},
    ]
    assert "declared" not in evaluation.metadata


@pytest.mark.slow
def test_a_change_of_models_is_a_report_with_pictures_that_only_the_event_holds(run):
    run.gallery.model(name="another")

    evaluation = run()["model_change"]

    assert evaluation.passed
    report = evaluation.metadata["report"]
    assert isinstance(report, dg.MarkdownMetadataValue)
    assert "data:image/jpeg;base64," in report.value
    assert len(report.value) < 300_000
    (record,) = evaluation.metadata["columns"].records
    assert record.data["embedding"] == "toy"
    assert record.data["overlap"] == evaluation.metadata["overlap"].value
    assert record.data["published"].startswith("counting/toy (")
    assert record.data["this_generation"].startswith("counting/another (")
    generation = run.gallery.pipeline().store.generations.of("gallery", "found")[-1]
    assert "data:image" not in json.dumps([check.__dict__ for check in generation.checks])


@pytest.mark.slow
def test_without_a_change_of_models_there_is_no_report(run):
    run.gallery.add("new.png")
    assert run()["model_change"].metadata == {}


@pytest.mark.slow
def test_a_check_that_is_executed_alone_leaves_the_others_results_stored(run):
    first = run()
    assert tuple(sorted(first)) == tuple(sorted(INDEX_CHECKS))
    before = run.gallery.pipeline().store.generations.of("gallery", "found")

    alone = run("golden")

    assert list(alone) == ["golden"]
    assert run.gallery.pipeline().store.generations.of("gallery", "found") == before
    assert before[-1].passed


def test_a_check_that_is_executed_alone_on_a_new_generation_stores_all(run):
    run.gallery.model(name="another")
    pipeline = run.gallery.pipeline()
    embed(pipeline, "toy")
    build_index(pipeline, "found")
    assert list(run("finite")) == ["finite"]
    generation = pipeline.store.generations.of("gallery", "found")[-1]
    assert tuple(check.name for check in generation.checks) == INDEX_CHECKS
    assert generation.passed


@pytest.mark.slow
def test_a_local_model_is_asked_again_where_the_check_is_executed_alone(run, drifting, monkeypatch):
    monkeypatch.setattr("embeddings_orch.pipeline.checks.reproducible.describe_device", lambda device: "cpu")
    run.gallery.declare(embeddings={"toy": {"provider": "drifting"}})
    assert run()["reproducible"].passed
    drifting.asked.clear()
    assert run()["reproducible"].passed
    assert drifting.asked == []
    drifting.drift = 1.0

    evaluation = run("reproducible")["reproducible"]

    assert len(drifting.asked) == 8
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.metadata["cosine"].value == pytest.approx(0.7071, abs=1e-4)
    assert evaluation.metadata["agreed"].value["toy"]["devices"] == ["cpu"]
    assert "declared" not in evaluation.metadata


@pytest.mark.slow
def test_a_failed_gate_keeps_the_published_asset_from_running(run):
    rows = run.gallery.rows()
    run.gallery.model(reject="poison")
    run.gallery.add("bad.png", "poison")
    assert not run()["failed_share"].passed
    assert "gallery__index__found" in run.started
    assert "gallery__published__found" not in run.started
    assert run.gallery.rows() == rows
