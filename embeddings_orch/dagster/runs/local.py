"""Runs a pipeline's job in this process, recorded in the Dagster instance that the UI shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embeddings_orch.dagster.runs.instance import dagster_instance, short
from embeddings_orch.dagster.runs.step_names import step_name
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.outcome import INTERRUPTED, STEP_KINDS, RunOutcome, Status, Step, reason
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.project import Declared, prepare_home

if TYPE_CHECKING:
    import dagster as dg
    from dagster_shared.serdes.serdes import PackableValue


def execute(declared: Declared, *, retry_failed: bool = False, selection: Sequence[AssetKey] = ()) -> RunOutcome:
    """Materialize assets of a pipeline, with their checks.

    Args:
        declared: the pipeline.
        retry_failed: try again what failed for good.
        selection: the keys to materialize, all where none is given.

    Raises:
        EmbeddingsOrchError: the Dagster home cannot be used, or Dagster refuses the run.
    """
    home = prepare_home(declared.root)
    import dagster as dg

    from embeddings_orch.dagster.automation.observe import PROCESS_TAG, this_process
    from embeddings_orch.dagster.definitions import build_pipeline, job_name

    spec = declared.spec
    keys = list(selection or graph(spec))
    config: dict[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if retry_failed:
        config["ops"] = retry_config(keys)
    with dagster_instance(home) as instance, _dagsters_errors_as_messages(spec.name):
        job = build_pipeline(spec).resolve_job_def(job_name(spec))
        started = time.monotonic()
        result = job.execute_in_process(
            run_config=config,
            instance=instance,
            raise_on_error=False,
            tags={"embeddings_orch/started_by": "command line", PROCESS_TAG: this_process()},
            asset_selection=[dg.AssetKey(key.path) for key in selection] or None,
        )
        outcome = RunOutcome(spec.name, result.success, result.run_id, seconds=time.monotonic() - started)
        failed: dict[str, str] = {}
        for event in result.all_events:
            if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                materialization = event.step_materialization_data.materialization
                outcome.assets.append(
                    {
                        "asset": "/".join(materialization.asset_key.path),
                        **{name: _plain(value) for name, value in materialization.metadata.items()},
                    }
                )
            elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                outcome.checks.append(_check(event.asset_check_evaluation_data))
            elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
                error, failed[str(event.step_key)] = _reason(event)
                outcome.interrupted |= error == INTERRUPTED
        outcome.errors.extend(failed.values())
        outcome.steps.extend(_steps(instance, result, keys, failed))
    outcome.sort(graph(spec))
    return outcome


def retry_config(keys: Iterable[AssetKey]) -> dict[str, object]:
    """The run config of ops by which the embeddings among these assets try again what failed for good."""
    names = [step_name(key) for key in keys if key.kind == "embeddings"]
    return {name: {"config": {"retry_failed": True}} for name in names}


def _steps(
    instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult, keys: list[AssetKey], failed: dict[str, str]
) -> Iterator[Step]:
    """The planned steps; those that were never begun are skipped ones."""
    stats = {step_stats.step_key: step_stats for step_stats in instance.get_run_step_stats(result.run_id)}
    planned = {definition.name for definition in result.job_def.nodes_in_topological_order}
    for asset, kind in ((key, kind) for key in keys for kind in STEP_KINDS):
        name = step_name(asset, kind)
        if name not in planned:
            continue
        step_stats = stats.get(name)
        seconds = (
            (step_stats.end_time or 0.0) - (step_stats.start_time or 0.0)
            if step_stats and step_stats.start_time and step_stats.end_time
            else 0.0
        )
        succeeded = step_stats is not None and step_stats.status is not None and step_stats.status.value == "SUCCESS"
        status: Status = "failure" if name in failed else "success" if succeeded else "skipped"
        yield Step(asset, kind, status, round(seconds, 3), failed.get(name, ""))


@contextmanager
def _dagsters_errors_as_messages(pipeline: str) -> Iterator[None]:
    from dagster_shared.check import CheckError
    from dagster_shared.error import DagsterError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (DagsterError, CheckError, SQLAlchemyError) as error:
        raise EmbeddingsOrchError(f"Dagster cannot run the pipeline {pipeline!r}: {short(error)}") from error


def _check(evaluation: dg.AssetCheckEvaluation) -> dict[str, object]:
    return {
        "asset": "/".join(evaluation.asset_key.path),
        "check": evaluation.check_name,
        "passed": evaluation.passed,
        "severity": evaluation.severity.value,
        "description": evaluation.description or "",
    }


def _plain(value: dg.MetadataValue[PackableValue]) -> object:
    import dagster as dg

    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return value.value


def _reason(event: dg.DagsterEvent) -> tuple[str, str]:
    """The class of the innermost error, and the reason to show."""
    data = event.step_failure_data
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    name, message = (error.cls_name or "", error.message) if error else ("", event.message or "")
    described = data.user_failure_data.description if data.user_failure_data else None
    return name, reason(str(event.step_key), described, name, message)
