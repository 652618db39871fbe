"""Checks one asset, and says what was found: the same for every orchestrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embeddings_orch.pipeline.checks.change_report import change_report
from embeddings_orch.pipeline.checks.model_change import ModelChange, model_label
from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS, check_embedding, inspect_index
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import CheckEvaluation
from embeddings_orch.pipeline.values import Cell, CellType, MarkdownValue, TableValue, Value
from embeddings_orch.spec.keys import AssetKey, AssetKind
from embeddings_orch.store.tables.generations import CheckResult

CHECKS: Mapping[AssetKind, Sequence[str]] = {"embeddings": EMBEDDING_CHECKS, "index": INDEX_CHECKS}
"""The checks of an asset by its kind."""


def check_asset(pipeline: Pipeline, asset: AssetKey, *, anew: bool = False) -> list[CheckEvaluation]:
    """The evaluations of all checks of an embedding or an index; those of an index are kept with the generation.

    Args:
        pipeline: whose asset.
        asset: its key.
        anew: of an index, embed contents again though nothing has changed since they came out right.

    Raises:
        StoreError: the asset was never made, or cannot be read.
        UnavailableError: the provider that embeds the golden queries did not answer.
    """
    if asset.kind == "embeddings":
        return [_evaluation(asset, result, {}) for result in check_embedding(pipeline, asset.name)]
    checked = inspect_index(pipeline, asset.name, anew=anew)
    extra: dict[str, Mapping[str, Value]] = {"golden": _golden(checked.results)}
    if checked.change is not None:
        extra["model_change"] = _change(pipeline, checked.change)
    return [_evaluation(asset, result, extra.get(result.name, {})) for result in checked.results]


def _evaluation(asset: AssetKey, result: CheckResult, extra: Mapping[str, Value]) -> CheckEvaluation:
    """A result with metadata for people, in addition to what is stored or in place of it."""
    # What a result holds for is digests, of use only to the next check.
    stored = {name: value for name, value in result.metadata.items() if name not in {"declared", *extra}}
    return CheckEvaluation(
        asset=asset,
        check=result.name,
        passed=result.passed,
        severity="ERROR" if result.blocking else "WARN",
        description=result.description,
        metadata={**extra, **{name: "unknown" if value is None else value for name, value in stored.items()}},
    )


def _golden(results: list[CheckResult]) -> dict[str, Value]:
    """Every golden query and where each expected item was found, as a table."""
    (golden,) = (result for result in results if result.name == "golden")
    findings: list[dict[str, Any]] = golden.metadata.get("findings", [])
    columns: dict[str, CellType] = {"query": "string", "expected": "string", "found": "string", "passed": "bool"}
    return {"findings": TableValue(columns, [{name: finding[name] for name in columns} for finding in findings])}


def _change(pipeline: Pipeline, change: ModelChange) -> dict[str, Value]:
    """The report with its pictures, and a row for each column that has another model."""
    rows: list[Mapping[str, Cell]] = [
        {
            "embedding": column.after.column,
            "published": model_label(column.before),
            "this_generation": model_label(column.after),
            "overlap": round(column.overlap, 4),
            "items": column.items,
        }
        for column in change.columns
    ]
    return {
        "report": MarkdownValue(lambda: change_report(pipeline, change)),
        "columns": TableValue(
            {
                "embedding": "string",
                "published": "string",
                "this_generation": "string",
                "overlap": "float",
                "items": "int",
            },
            rows,
        ),
    }
