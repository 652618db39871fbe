"""Runs a pipeline's job in this process, recorded in the Dagster instance that the UI shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embeddings_orch.dagster.runs.instance import dagster_instance, short
from embeddings_orch.dagster.runs.steps import describe_failure, parse_step, step_name
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.events import StepFailure, StepKey, StepSkip, listen_in_thread
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.pipeline.run.outcome import RunOutcome
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.project import Declared, prepare_home

if TYPE_CHECKING:
    import dagster as dg


def execute(declared: Declared, *, settings: RunSettings = AS_USUAL, selection: Sequence[AssetKey] = ()) -> RunOutcome:
    """Materialize assets of a pipeline, with their checks.

    Args:
        declared: the pipeline.
        settings: what the run is told.
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
    config["ops"] = config_of_ops(keys, settings)
    with dagster_instance(home) as instance, _dagsters_errors_as_messages(spec.name):
        job = build_pipeline(spec).resolve_job_def(job_name(spec))
        outcome = RunOutcome(spec.name, None, "")
        started = time.monotonic()
        with listen_in_thread(outcome.read):
            result = job.execute_in_process(
                run_config=config,
                instance=instance,
                raise_on_error=False,
                tags={"embeddings_orch/started_by": "command line", PROCESS_TAG: this_process()},
                asset_selection=[dg.AssetKey(key.path) for key in selection] or None,
            )
        outcome.run_id, outcome.success = result.run_id, result.success
        outcome.seconds = time.monotonic() - started
        for event in _further_events(result, outcome):
            outcome.read(event)
    outcome.sort(graph(spec))
    return outcome


def _further_events(result: dg.ExecuteInProcessResult, outcome: RunOutcome) -> Iterator[StepFailure | StepSkip]:
    """What only Dagster knows: failures around a step, as of its records, and the steps that it did not begin."""
    import dagster as dg

    pipeline = outcome.pipeline
    failed = {step.key for step in outcome.steps if step.status == "failure"}
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            step = parse_step(pipeline, str(event.step_key))
            reason, interrupted = _reason(event, step or str(event.step_key))
            if step is None:
                outcome.errors.append(reason)
            elif step not in failed:
                yield StepFailure(step, 0.0, reason, interrupted)
    begun = {step.key for step in outcome.steps}
    for definition in result.job_def.nodes_in_topological_order:
        step = parse_step(pipeline, definition.name)
        if step is not None and step not in begun:
            yield StepSkip(step)


def config_of_ops(keys: Iterable[AssetKey], settings: RunSettings) -> dict[str, object]:
    """The run config of the ops of these assets; only what is not as usual."""
    told = {"raw_media": ["allow_mass_delete", "allow_empty", "rehash"], "embeddings": ["retry_failed"]}
    ops: dict[str, object] = {}
    for key in keys:
        if config := {name: True for name in told.get(key.kind, []) if getattr(settings, name)}:
            ops[step_name(StepKey(key))] = {"config": config}
    return ops


@contextmanager
def _dagsters_errors_as_messages(pipeline: str) -> Iterator[None]:
    from dagster_shared.check import CheckError
    from dagster_shared.error import DagsterError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (DagsterError, CheckError, SQLAlchemyError) as error:
        raise EmbeddingsOrchError(f"Dagster cannot run the pipeline {pipeline!r}: {short(error)}") from error


def _reason(event: dg.DagsterEvent, step: StepKey | str) -> tuple[str, bool]:
    """What the innermost error says, and whether it is an interruption."""
    data = event.step_failure_data
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    name, message = (error.cls_name or "", error.message) if error else ("", event.message or "")
    described = data.user_failure_data.description if data.user_failure_data else None
    return describe_failure(step, described, name, message)
