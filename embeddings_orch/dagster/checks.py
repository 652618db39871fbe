"""A pipeline's asset checks."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from embeddings_orch.dagster.common import asset_key, fail_with_reason
from embeddings_orch.dagster.runs.step_names import step_name
from embeddings_orch.pipeline.checks.change_report import change_report
from embeddings_orch.pipeline.checks.model_change import ModelChange, model_label
from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS, check_embedding, inspect_index
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.tables.generations import CheckResult

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
}


def embedding_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The checks on one embedding; they warn and do not block."""
    asset = pipeline.embedding_key(name)
    key = asset_key(asset)

    @dg.multi_asset_check(
        name=step_name(asset, "checks"),
        can_subset=True,
        specs=[dg.AssetCheckSpec(check, asset=key, description=_DESCRIPTIONS[check]) for check in EMBEDDING_CHECKS],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with fail_with_reason():
            results = check_embedding(pipeline, name)
        yield from _select_results(context, key, results)

    return checks


def index_checks(pipeline: Pipeline, name: str) -> dg.AssetChecksDefinition:
    """The blocking checks on one index; their results are kept with the generation."""
    asset = pipeline.index_key(name)
    key = asset_key(asset)

    @dg.multi_asset_check(
        name=step_name(asset, "checks"),
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(check, asset=key, blocking=True, description=_DESCRIPTIONS[check])
            for check in INDEX_CHECKS
        ],
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with fail_with_reason():
            checked = inspect_index(pipeline, name)
            extra = {"golden": _golden(checked.results)}
            if checked.change is not None:
                extra["model_change"] = _change(pipeline, checked.change)
        yield from _select_results(context, key, checked.results, extra)

    return checks


def _select_results(
    context: dg.AssetCheckExecutionContext,
    key: dg.AssetKey,
    results: list[CheckResult],
    extra: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[dg.AssetCheckResult]:
    """The results that were asked for: the UI can execute one check alone.

    Args:
        context: says which.
        key: of the checked asset.
        results: of all its checks.
        extra: metadata for people, by check, in addition to what is stored or in place of it.
    """
    selected = {check.name for check in context.selected_asset_check_keys}
    return (_result(result, key, (extra or {}).get(result.name, {})) for result in results if result.name in selected)


def _result(result: CheckResult, key: dg.AssetKey, extra: Mapping[str, Any]) -> dg.AssetCheckResult:
    # What golden queries were declared is a digest, of use only to the next check.
    stored = {name: value for name, value in result.metadata.items() if name not in {"declared", *extra}}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.blocking else dg.AssetCheckSeverity.WARN,
        metadata={**extra, **{name: "unknown" if value is None else value for name, value in stored.items()}},
        description=result.description,
    )


def _golden(results: list[CheckResult]) -> dict[str, Any]:
    """Every golden query and where each expected item was found, as a table."""
    (golden,) = (result for result in results if result.name == "golden")
    findings = golden.metadata.get("findings", [])
    return {"findings": _table(findings, query="string", expected="string", found="string", passed="bool")}


def _change(pipeline: Pipeline, change: ModelChange) -> dict[str, Any]:
    """The report with its pictures, and a row for each column that has another model."""
    rows = [
        {
            "embedding": column.after.column,
            "published": model_label(column.before),
            "this_generation": model_label(column.after),
            "overlap": round(column.overlap, 4),
            "items": column.items,
        }
        for column in change.columns
    ]
    columns = {
        "embedding": "string",
        "published": "string",
        "this_generation": "string",
        "overlap": "float",
        "items": "int",
    }
    return {"report": dg.MetadataValue.md(change_report(pipeline, change)), "columns": _table(rows, **columns)}


def _table(rows: list[dict[str, Any]], **columns: str) -> dg.TableMetadataValue:
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    return dg.MetadataValue.table([dg.TableRecord({name: row[name] for name in columns}) for row in rows], schema)
