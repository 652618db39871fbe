"""What the command line does outside of a run, as Dagster's UI shows it: runless events of the assets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from embeddings_orch.dagster.runs.instance import dagster_instance
from embeddings_orch.pipeline.garbage.collect import GcReport, indexes_that_lost
from embeddings_orch.pipeline.published.publish import PublishReport
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.project import Declared, prepare_home

if TYPE_CHECKING:
    import dagster as dg


def report_publish(declared: Declared, report: PublishReport) -> None:
    """Record where a pointer is now, as a materialization of the published asset."""

    def events() -> list[dg.AssetMaterialization]:
        import dagster as dg
        from dagster._core.definitions.data_version import DATA_VERSION_TAG

        return [
            dg.AssetMaterialization(
                asset_key=dg.AssetKey(report.asset.path),
                description=f"Generation {report.generation.id} by the command line.",
                metadata={
                    "dagster/row_count": report.generation.rows,
                    "generation": report.generation.id,
                    "previous": report.previous or "none",
                    "moved": report.changed,
                    "held": report.held,
                    "by": "command line",
                },
                tags={DATA_VERSION_TAG: report.generation.id},
            )
        ]

    _report(declared, events)


def report_gc(declared: Declared, report: GcReport) -> None:
    """Record what the pipeline's index assets lost, as observations."""

    def events() -> list[dg.AssetObservation]:
        import dagster as dg

        observations: list[dg.AssetObservation] = []
        for key, lost in indexes_that_lost(report).items():
            generations = [garbage.name for garbage in lost if garbage.kind == "generation"]
            observations.append(
                dg.AssetObservation(
                    asset_key=dg.AssetKey(AssetKey.of_index(key.pipeline, key.name).path),
                    description="gc by the command line.",
                    metadata={
                        "generations_removed": ", ".join(generations) or "none",
                        "tables_removed": sum(1 for garbage in lost if garbage.kind == "table"),
                        "versions_removed": sum(garbage.versions for garbage in lost if garbage.kind == "versions"),
                        "bytes_freed": sum(garbage.bytes or 0 for garbage in lost),
                        "by": "command line",
                    },
                )
            )
        return observations

    _report(declared, events)


def _report(declared: Declared, events: Callable[[], Sequence[dg.AssetMaterialization | dg.AssetObservation]]) -> None:
    try:
        with dagster_instance(prepare_home(declared.root)) as instance:
            for event in events():
                instance.report_runless_asset_event(event)
    # YAML's, Dagster's, SQLAlchemy's, or of whatever class the home's file names; the store has changed already.
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(f"done, but Dagster could not be told, so its UI does not show it: {reason}", err=True)
