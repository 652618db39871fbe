"""A pipeline's asset checks."""

from collections.abc import Iterator

import dagster as dg

from embeddings_orch.dagster.common import INTERRUPTIONS, asset_key, fail_with_reason, log_to, show_metadata
from embeddings_orch.dagster.runs.steps import step_name
from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS, INDEX_GATES
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import StepKey
from embeddings_orch.pipeline.run.steps import check
from embeddings_orch.spec.keys import AssetKey

_DESCRIPTIONS = {
    "coverage": "Every content has a vector or a remembered failure.",
    "finite": "No vector holds NaN or infinity.",
    "dimension": "The vectors have the length that the model declares.",
    "unit_norm": "The vectors have unit length, where the config says so.",
    "failed_share": "The share of what should have a vector and has none is within max_failed.",
    "row_parity": "The index holds exactly the catalog's rows, each up to date.",
    "recall_at_10": "Search finds the ten exact neighbours often enough (min_recall).",
    "golden": "The declared golden queries find what they should.",
    "model_change": "What a change of models does to the nearest items; it blocks only below min_overlap.",
    "reproducible": "A few contents, embedded again by a local model, come out as their vectors are.",
}


def embedding_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The checks on one embedding; they warn and do not block."""
    asset = pipeline.embedding_key(name)
    key = asset_key(asset)

    @dg.multi_asset_check(
        name=step_name(StepKey(asset, "checks")),
        can_subset=True,
        specs=[dg.AssetCheckSpec(name, asset=key, description=_DESCRIPTIONS[name]) for name in EMBEDDING_CHECKS],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        yield from _check(context, pipeline, asset)

    return checks


def index_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The checks on one index, most of them blocking; their results are kept with the generation."""
    asset = pipeline.index_key(name)
    key = asset_key(asset)

    @dg.multi_asset_check(
        name=step_name(StepKey(asset, "checks")),
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(check, asset=key, blocking=check in INDEX_GATES, description=_DESCRIPTIONS[check])
            for check in INDEX_CHECKS
        ],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        yield from _check(context, pipeline, asset)

    return checks


def _check(context: dg.AssetCheckExecutionContext, pipeline: Pipeline, asset: AssetKey) -> list[dg.AssetCheckResult]:
    """The results of the checks that were asked for: the UI can execute one alone."""
    names = {check.name for check in context.selected_asset_check_keys}
    # Somebody who executes checks without the asset wants them looked at, and not looked up.
    alone = asset_key(asset) not in context.job_def.asset_layer.selected_asset_keys
    with fail_with_reason():
        evaluations = check(
            pipeline, asset, names=names, anew=alone, listener=log_to(context), interruptions=INTERRUPTIONS
        )
        return [
            dg.AssetCheckResult(
                asset_key=asset_key(asset),
                check_name=evaluation.check,
                passed=evaluation.passed,
                severity=dg.AssetCheckSeverity[evaluation.severity],
                metadata=show_metadata(evaluation.metadata),
                description=evaluation.description,
            )
            for evaluation in evaluations
        ]
