"""A pipeline's Dagster definitions."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from embeddings_orch.dagster.assets import embedding_asset, index_asset, make_published_asset, media_asset
from embeddings_orch.dagster.automation.sensors import Declaration, media_sensor, model_config_sensor, schedule
from embeddings_orch.dagster.checks import embedding_checks, index_checks
from embeddings_orch.pipeline.automation.missing import definition_digest
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.spec.pipeline import PipelineSpec


def job_name(spec: PipelineSpec) -> str:
    """The name of the job that materializes a pipeline's assets."""
    return f"{spec.name}_pipeline"


def build_pipeline(spec: PipelineSpec, *, file: Path | None = None) -> dg.Definitions:
    """The assets, asset checks, job, sensors and schedule of a pipeline.

    Args:
        spec: the declaration.
        file: the YAML that it stands in, which the sensors read anew.

    Example:
        >>> defs = build_pipeline(PipelineSpec(name="photos", media={"path": "photos"},
        ...     embeddings={"clip": {"provider": "open-clip", "name": "emoji-s"}}))

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read (a local weights file is missing).
    """
    pipeline = Pipeline(spec)
    assets: list[dg.AssetsDefinition] = [media_asset(pipeline)]
    checks: list[dg.AssetChecksDefinition] = []
    for name in spec.embeddings:
        assets.append(embedding_asset(pipeline, name))
        checks.append(embedding_checks(pipeline, name))
    for name in spec.indexes:
        assets += [index_asset(pipeline, name), make_published_asset(pipeline, name)]
        checks.append(index_checks(pipeline, name))
    job = dg.define_asset_job(
        job_name(spec),
        selection=dg.AssetSelection.assets(*(key for asset in assets for key in asset.keys)),
        description=f"Scans the media of {spec.name}, embeds what changed, builds, checks and publishes its indexes.",
        # One process: a local model is loaded once, and one device is used by one model at a time.
        executor_def=dg.in_process_executor,
    )
    declaration = Declaration(spec, definition_digest(spec), file)
    timed = schedule(spec, job)
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[job],
        sensors=[model_config_sensor(declaration, job), media_sensor(declaration, job)],
        schedules=[timed] if timed else [],
    )
