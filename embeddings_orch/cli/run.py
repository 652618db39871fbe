"""Runs a pipeline's job in this process, recorded in the Dagster instance that the UI shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from embeddings_orch.project import Declared, prepare_home


@dataclass
class RunOutcome:
    """What a run did, from the metadata of its materializations.

    Attributes:
        assets: one mapping an asset: its key and its metadata's plain values.
        errors: the reasons of failed steps.
    """

    pipeline: str
    success: bool
    run_id: str
    assets: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

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
        return {"pipeline": self.pipeline, "success": self.success, "run_id": self.run_id, "assets": rows}


def execute(declared: Declared, *, retry_failed: bool = False) -> RunOutcome:
    """Materialize all assets of a pipeline, with their checks."""
    prepare_home(declared.root)
    import dagster as dg

    from embeddings_orch.dagster.definitions import build_pipeline, job_name

    spec = declared.spec
    ops = {f"{spec.name}__embeddings__{name}": {"config": {"retry_failed": True}} for name in spec.embeddings}
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if retry_failed:
        config["ops"] = ops
    with dg.DagsterInstance.get() as instance:
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
            elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
                outcome.errors.append(_reason(event))
    order = {key: place for place, key in enumerate(_order(declared))}
    outcome.assets.sort(key=lambda asset: order.get(asset["asset"], len(order)))
    return outcome


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
    return f"{event.step_key}: {error.message.strip()}"
