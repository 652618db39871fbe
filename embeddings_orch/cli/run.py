"""Runs a pipeline's job in this process, recorded in the Dagster instance that the UI shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.project import Declared, prepare_home

if TYPE_CHECKING:
    import dagster as dg


@dataclass
class RunOutcome:
    """What a run did, from the metadata of its materializations.

    Attributes:
        assets: one mapping an asset: its key and its metadata's plain values.
        errors: the reasons of failed steps.
        checks: one mapping an asset check that was executed.
    """

    pipeline: str
    success: bool
    run_id: str
    assets: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object that ``run --json`` prints."""
        numbers = ("embedded", "reused", "deleted", "failed", "requests", "retries", "tokens")
        rows = [
            {
                "asset": asset["asset"],
                **{name: asset.get(name, 0) for name in numbers},
                "cost_usd": asset.get("cost_usd", 0.0),
                "seconds": asset.get("seconds", 0.0),
            }
            for asset in self.assets
        ]
        return {
            "pipeline": self.pipeline,
            "success": self.success,
            "run_id": self.run_id,
            "assets": rows,
            "checks": self.checks,
        }


def execute(declared: Declared, *, retry_failed: bool = False) -> RunOutcome:
    """Materialize all assets of a pipeline, with their checks.

    Raises:
        EmbeddingsOrchError: the Dagster home cannot be used, or Dagster refuses the run.
    """
    home = prepare_home(declared.root)
    import dagster as dg

    from embeddings_orch.dagster.definitions import build_pipeline, job_name

    spec = declared.spec
    ops = {f"{spec.name}__embeddings__{name}": {"config": {"retry_failed": True}} for name in spec.embeddings}
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if retry_failed:
        config["ops"] = ops
    with _instance(home) as instance, _dagsters_errors_as_messages(spec.name):
        job = build_pipeline(spec).resolve_job_def(job_name(spec))
        result = job.execute_in_process(
            run_config=config,
            instance=instance,
            raise_on_error=False,
            tags={"embeddings_orch/started_by": "command line"},
        )
        outcome = RunOutcome(spec.name, result.success, result.run_id)
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
                outcome.errors.append(_reason(event))
    order = {key: place for place, key in enumerate(_order(declared))}
    outcome.assets.sort(key=lambda asset: order.get(asset["asset"], len(order)))
    outcome.checks.sort(key=lambda check: order.get(check["asset"], len(order)))
    return outcome


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    import dagster as dg

    try:
        instance = dg.DagsterInstance.get()
    # YAML's, Dagster's, SQLAlchemy's, or of whatever class the file names.
    except Exception as error:
        raise EmbeddingsOrchError(
            f"the Dagster home {home} cannot be used: {home / 'dagster.yaml'} or the files beside it are the reason: "
            f"{_short(error)}"
        ) from error
    with instance:
        yield instance


@contextmanager
def _dagsters_errors_as_messages(pipeline: str) -> Iterator[None]:
    from dagster_shared.check import CheckError
    from dagster_shared.error import DagsterError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (DagsterError, CheckError, SQLAlchemyError) as error:
        raise EmbeddingsOrchError(f"Dagster cannot run the pipeline {pipeline!r}: {_short(error)}") from error


def _short(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600]


def _check(evaluation: Any) -> dict[str, Any]:
    return {
        "asset": "/".join(evaluation.asset_key.path),
        "check": evaluation.check_name,
        "passed": evaluation.passed,
        "severity": evaluation.severity.value,
        "description": evaluation.description or "",
    }


def _order(declared: Declared) -> list[str]:
    spec = declared.spec
    keys = [f"{spec.name}/raw_media", *(f"{spec.name}/embeddings/{name}" for name in spec.embeddings)]
    for name in spec.indexes:
        keys += [f"{spec.name}/index/{name}", f"{spec.name}/published/{name}"]
    return keys


def _plain(value: Any) -> Any:
    records = getattr(value, "records", None)
    if records is not None:
        return [dict(record.data) for record in records]
    return value.value if hasattr(value, "value") else value


def _reason(event: Any) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error.cause is not None:
        error = error.cause
    if error.cls_name == "DagsterExecutionInterruptedError":
        return f"{event.step_key}: interrupted; what was committed is kept, run again to go on"
    message = " ".join(line.strip() for line in error.message.strip().splitlines())
    return f"{event.step_key}: {message.removeprefix(f'dagster._core.errors.{error.cls_name}: ')}"
