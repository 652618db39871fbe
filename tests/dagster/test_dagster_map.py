"""What Dagster shows of an index's maps."""

from pathlib import Path

import dagster as dg
import pytest

from embeddings_orch.dagster.definitions import build_pipeline, job_name

INDEX = dg.AssetKey(["gallery", "index", "found"])


def run(gallery):
    spec = gallery.pipeline().spec
    with dg.DagsterInstance.ephemeral() as instance:
        result = build_pipeline(spec).resolve_job_def(job_name(spec)).execute_in_process(instance=instance)
        (event,) = [one for one in result.get_asset_materialization_events() if one.asset_key == INDEX]
        lines = [one.user_message for one in instance.all_logs(result.run_id) if one.level >= 30]
    return result.success, event.step_materialization_data.materialization.metadata["map"].value, lines


@pytest.mark.slow
def test_an_index_says_how_much_of_its_vectors_the_map_shows(gallery):
    success, told, warnings = run(gallery)

    header = gallery.pipeline().store.maps.headers()[0]
    assert success
    assert told == f"toy: PCA, {header.explained[0]:.1%} + {header.explained[1]:.1%} of the variance"
    assert [line for line in warnings if "map" in line] == []


@pytest.mark.slow
def test_a_map_that_cannot_be_made_is_a_warning_of_a_run_that_succeeds(gallery):
    store = Path(gallery.pipeline().spec.store.uri)
    store.mkdir()
    (store / "maps.lance").write_text("no table")

    success, told, warnings = run(gallery)

    assert success
    assert told.startswith("toy: no map could be made: ")
    assert told in warnings
