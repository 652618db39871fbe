"""A pipeline's asset checks."""

from collections.abc import Iterator

import dagster as dg

from embeddings_orch.dagster.common import asset_key, failing_with_reason
from embeddings_orch.pipeline.checks import EMBEDDING_CHECKS, INDEX_CHECKS, check_embedding, check_index
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.generations import CheckResult

_DESCRIPTIONS = {
    "coverage": "Every content has a vector or a remembered failure.",
    "finite": "No vector holds NaN or infinity.",
    "dimension": "The vectors have the length that the model declares.",
    "unit_norm": "The vectors have unit length, where the config says so.",
    "failed_share": "The share of contents without a vector is within max_failed.",
    "row_parity": "The index holds exactly the catalog's rows, each up to date.",
    "recall_at_10": "Search finds the ten exact neighbours often enough (min_recall).",
}


def embedding_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The checks on one embedding; they warn and do not block."""
    key = asset_key(pipeline.embedding_key(name))

    @dg.multi_asset_check(
        name=f"{pipeline.spec.name}__embeddings__{name}__checks",
        can_subset=True,
        specs=[dg.AssetCheckSpec(check, asset=key, description=_DESCRIPTIONS[check]) for check in EMBEDDING_CHECKS],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with failing_with_reason():
            results = check_embedding(pipeline, name)
        yield from _selected(context, key, results)

    return checks


def index_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The blocking checks on one index; their results are kept with the generation."""
    key = asset_key(pipeline.index_key(name))

    @dg.multi_asset_check(
        name=f"{pipeline.spec.name}__index__{name}__checks",
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(check, asset=key, blocking=True, description=_DESCRIPTIONS[check])
            for check in INDEX_CHECKS
        ],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with failing_with_reason():
            results = check_index(pipeline, name)
        yield from _selected(context, key, results)

    return checks


def _selected(
    context: dg.AssetCheckExecutionContext, key: dg.AssetKey, results: list[CheckResult]
) -> Iterator[dg.AssetCheckResult]:
    """The results that were asked for: the UI can execute one check alone."""
    asked = {check.name for check in context.selected_asset_check_keys}
    return (_result(result, key) for result in results if result.name in asked)


def _result(result: CheckResult, key: dg.AssetKey) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.blocking else dg.AssetCheckSeverity.WARN,
        metadata={name: "unknown" if value is None else value for name, value in result.metadata.items()},
        description=result.description,
    )
