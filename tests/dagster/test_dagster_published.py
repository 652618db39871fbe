"""The published asset while it is held, beside other runs, and as the command line moves it."""

import json

import dagster as dg
import pytest
from click.testing import CliRunner

from embeddings_orch import build_pipeline
from embeddings_orch.cli import main
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.spec.yaml_file import load_pipeline
from galleries import Gallery
from kept import after

INDEX, PUBLISHED = dg.AssetKey(["gallery", "index", "found"]), dg.AssetKey(["gallery", "published", "found"])


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def told(dagster_home):
    """The instance that the command line finds."""
    with dg.DagsterInstance.get() as instance:
        yield instance


def materialize(gallery, instance, selection=None):
    definitions = build_pipeline(load_pipeline(gallery.file))
    return dg.materialize(
        [*definitions.assets, *definitions.asset_checks],
        instance=instance,
        selection=selection,
        raise_on_error=False,
    )


def last(instance, key=PUBLISHED):
    return instance.get_latest_materialization_event(key).asset_materialization


def metadata(instance, key=PUBLISHED):
    return {name: value.value for name, value in last(instance, key).metadata.items()}


def model(gallery, name):
    gallery.model(name=name)
    return gallery.run().indexes["found"].generation.id


def models_a_and_b(gallery):
    model(gallery, "a")
    model(gallery, "b")


def held_at_a(gallery):
    models_a_and_b(gallery)
    rollback(gallery.pipeline(), "found")


def ids(gallery):
    """The generations from the first to the newest."""
    return [generation.id for generation in gallery.pipeline().store.generations.of("gallery", "found")]


def command(gallery, *arguments, status=0):
    done = CliRunner().invoke(main, [*arguments, "--file", str(gallery.file), "--json"], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
@after(held_at_a)
def test_a_run_while_held_succeeds_and_says_that_nothing_moved(gallery, instance):
    first = ids(gallery)[0]
    gallery.add("new.png")

    result = materialize(gallery, instance)

    assert result.success
    assert metadata(instance) == {
        "dagster/row_count": 12,
        "generation": first,
        "previous": first,
        "moved": False,
        "held": True,
        "not_moved_because": f"held at generation {first}; to release it: embeddings-orch publish found",
    }
    assert last(instance).tags["dagster/data_version"] == first
    assert last(instance, INDEX).tags["dagster/data_version"] != first
    warnings = [
        event.user_message
        for event in instance.all_logs(result.run_id)
        if event.level == 30  # logging.WARNING
    ]
    assert any("to release it: embeddings-orch publish found" in text for text in warnings)


@pytest.mark.slow
def test_a_run_that_moves_the_pointer_says_so(gallery, instance):
    assert materialize(gallery, instance).success
    shown = metadata(instance)
    assert (shown["moved"], shown["held"], shown["previous"]) == (True, False, "none")
    assert "not_moved_because" not in shown


@pytest.mark.slow
@after(models_a_and_b)
def test_rollback_and_publish_of_the_command_line_are_materializations(gallery, told):
    first, second = ids(gallery)
    materialize(gallery, told)

    said = command(gallery, "rollback", "found")

    assert said == {
        "pipeline": "gallery",
        "index": "found",
        "generation": first,
        "previous": second,
        "moved": True,
        "held": True,
        "message": "",
    }
    assert metadata(told) == {
        "dagster/row_count": 12,
        "generation": first,
        "previous": second,
        "moved": True,
        "held": True,
        "by": "command line",
    }
    assert last(told).tags["dagster/data_version"] == first
    assert told.get_latest_materialization_event(PUBLISHED).run_id == ""

    command(gallery, "publish", "found")

    assert (metadata(told)["generation"], metadata(told)["held"]) == (second, False)
    assert last(told).tags["dagster/data_version"] == second


@pytest.mark.slow
def test_gc_of_the_command_line_is_an_observation_of_the_index(gallery, told):
    gallery.declare(
        store={"uri": "store", "gc_grace": 0}, indexes={"found": {"vectors": ["toy"], "keep_generations": 1}}
    )
    first, _, _ = (model(gallery, name) for name in "abc")

    said = command(gallery, "gc", "--yes")

    assert {one["kind"] for one in said["removed"]} == {"generation", "table", "vectors"}
    records = told.fetch_observations(INDEX, limit=5).records
    assert len(records) == 1
    shown = {name: value.value for name, value in records[0].asset_observation.metadata.items()}
    assert shown["generations_removed"] == first
    assert (shown["tables_removed"], shown["by"]) == (1, "command line")
    assert shown["bytes_freed"] > 0
    command(gallery, "gc", "--yes")
    assert len(told.fetch_observations(INDEX, limit=5).records) == 1


@pytest.mark.slow
@after(models_a_and_b)
def test_a_dagster_home_that_cannot_be_used_does_not_stop_a_rollback(gallery, dagster_home):
    first = ids(gallery)[0]
    (dagster_home / "dagster.yaml").write_text("telemetry: [")

    done = CliRunner().invoke(main, ["rollback", "--file", str(gallery.file)], catch_exceptions=False)

    assert done.exit_code == 0
    assert "warning: done, but Dagster could not be told" in done.stderr
    assert gallery.pipeline().store.published.get("gallery", "found").generation == first


@pytest.mark.slow
@after(Gallery.run)
def test_published_alone_refuses_what_was_not_checked_and_a_whole_run_leaves_it_to_the_other(
    gallery, instance, monkeypatch
):
    published = ids(gallery)[0]

    def other_run(*_):
        gallery.add("other.png")
        pipeline = gallery.pipeline()
        scan_media(pipeline)
        embed(pipeline, "toy")
        build_index(pipeline, "found")

    other_run()
    alone = materialize(gallery, instance, [PUBLISHED])
    assert not alone.success
    assert "have not run" in alone.get_step_failure_events()[0].step_failure_data.user_failure_data.description
    check_index(gallery.pipeline(), "found")
    newer = publish(gallery.pipeline(), "found").generation.id
    assert newer != published
    # As if the other run built between this run's checks and its publish.
    from embeddings_orch.pipeline.run import assets

    step = assets.publish

    def after_another(*args, **options):
        gallery.add("another.png")
        other_run()
        return step(*args, **options)

    monkeypatch.setattr(assets, "publish", after_another)
    whole = materialize(gallery, instance)

    assert whole.success, [event.message for event in whole.get_step_failure_events()]
    assert metadata(instance)["generation"] == newer
