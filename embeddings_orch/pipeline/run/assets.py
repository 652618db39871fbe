"""Materializes one asset, and says what was made: the same for every orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from embeddings_orch.models.keys import KEY
from embeddings_orch.pipeline.catalog.changes import list_media
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.embeddings.lacking import ItemCounts, find_items
from embeddings_orch.pipeline.embeddings.preview import preview
from embeddings_orch.pipeline.events import EventListener, Materialization, StepKey, StepWarning, tell
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.pipeline.values import PictureValue, SchemaValue, Value, list_items, list_kinds
from embeddings_orch.spec.keys import AssetKey, AssetKind

_SHOWN = 50
"""Items that are named of those that failed."""

UNITS: Mapping[AssetKind, str] = {"raw_media": "items", "embeddings": "contents", "index": "items"}
"""What the numbers of an asset count, but for those whose name says so: items can share a content."""


def make_asset(
    pipeline: Pipeline,
    asset: AssetKey,
    listener: EventListener | None = None,
    *,
    settings: RunSettings = AS_USUAL,
    index_checked: bool = False,
) -> Materialization:
    """Scan the media, embed, build an index or publish it.

    Args:
        pipeline: whose asset.
        asset: its key.
        listener: told of progress and of what failed on the way.
        settings: what the run is told.
        index_checked: of a pointer: this run has built and checked the index.

    Raises:
        EmbeddingsOrchError: it cannot be made; what was committed is kept.
    """

    def warn(message: str) -> None:
        tell(StepWarning(StepKey(asset), message), listener)

    match asset.kind:
        case "raw_media":
            return _scan(pipeline, listener, warn, settings)
        case "embeddings":
            return _embed(pipeline, asset.name, listener, warn, retry_failed=settings.retry_failed)
        case "index":
            return _build(pipeline, asset.name, listener, warn)
        case "published":
            return _publish(pipeline, asset.name, warn, index_checked=index_checked)


def _scan(
    pipeline: Pipeline, listener: EventListener | None, warn: Callable[[str], None], settings: RunSettings
) -> Materialization:
    # Before the scan: what changes meanwhile then differs from what is recorded.
    listed = list_media(pipeline)
    report = scan_media(pipeline, allowed=settings.allowed, rehash=settings.rehash, listener=listener)
    for problem in report.problems[:_SHOWN]:
        warn(f"{problem.where}: {problem.reason}")
    metadata: dict[str, Value] = {
        "unit": UNITS["raw_media"],
        "rows": report.table.num_rows,
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "failed": len(report.left_out),
        "passed_over": sum(kind.count for kind in report.passed_over),
        "seconds": round(report.seconds, 3),
        "items_per_second": round(report.table.num_rows / max(report.seconds, 1e-6), 1),
        "schema": SchemaValue(report.table.schema),
    }
    if report.kept:
        warn(report.warning)
        metadata["kept_because"] = report.warning
    if listed is not None:
        metadata["listing"] = listed.digest
    if report.passed_over:
        metadata["passed_over_kinds"] = list_kinds(report.passed_over)
    if otherwise := [problem for problem in report.problems if problem.kept]:
        rows = ((problem.where, problem.reason) for problem in otherwise[:_SHOWN])
        metadata["kept_otherwise"] = list_items(rows, len(otherwise))
    if report.left_out:
        rows = ((problem.where, problem.reason) for problem in report.left_out[:_SHOWN])
        metadata["left_out"] = list_items(rows, len(report.left_out))
    return Materialization(report.asset, metadata, report.digest)


def _embed(
    pipeline: Pipeline, name: str, listener: EventListener | None, warn: Callable[[str], None], *, retry_failed: bool
) -> Materialization:
    report = embed(pipeline, name, retry_failed=retry_failed, listener=listener)
    items = find_items(pipeline, name)
    counts, failed = (items.counts, items.failed) if items else (ItemCounts(0, 0), [])
    now = {failure.key for failure in report.failures}
    for item in [item for item in failed if not now.isdisjoint(item.keys)][:_SHOWN]:
        warn(f"{item.uri}: {item.reason}")
    delta, usage = report.delta, report.usage
    columns = [pa.field("key", KEY, nullable=False)]
    if report.dimensions:
        columns.append(pa.field("vector", pa.list_(pa.float32(), report.dimensions), nullable=False))
    title = f"{name}: items sorted by two principal components"
    metadata: dict[str, Value] = {
        "preview": PictureValue(title, lambda: preview(pipeline, name)),
        "unit": UNITS["embeddings"],
        "rows": report.reused + report.embedded,
        "new": delta.new,
        "changed": delta.changed,
        "unchanged": delta.unchanged,
        "deleted": delta.deleted,
        "failed": report.failed,
        "items": counts.items,
        "items_failed": counts.failed,
        "items_without_vector": counts.without_vector,
        "items_with_nothing_to_embed": counts.nothing_to_embed,
        "embedded": report.embedded,
        "reused": report.reused,
        "dimensions": report.dimensions or 0,
        "items_per_second": round(report.items_per_second or 0.0, 1),
        "seconds": round(report.seconds, 3),
        "requests": usage.requests,
        "retries": usage.retries,
        "seconds_waited": round(usage.waited, 3),
        "seconds_in_model": round(usage.seconds, 3),
        "tokens": usage.tokens,
        "images": usage.images,
        "cost_usd": round(report.cost_usd, 6),
        "reason": delta.reason,
        "fingerprint": report.fingerprint,
        **({"ready_made": delta.covered} if delta.ready else {}),
        "schema": SchemaValue(pa.schema(columns)),
    }
    if failed:
        metadata["failures"] = list_items(((item.uri, item.reason) for item in failed[:_SHOWN]), len(failed))
    return Materialization(report.asset, metadata, f"{report.fingerprint[:16]}-{report.digest[:16]}")


def _build(
    pipeline: Pipeline, name: str, listener: EventListener | None, warn: Callable[[str], None]
) -> Materialization:
    report = build_index(pipeline, name, listener=listener)
    for problem in report.maps.problems:
        warn(problem)
    generation = report.generation
    schema = pipeline.store.index(generation.table).schema(generation.version)
    metadata: dict[str, Value] = {
        "unit": UNITS["index"],
        "rows": generation.rows,
        "table": generation.table,
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "failed": report.without_vector,
        "items_with_nothing_to_embed": report.nothing_to_embed,
        **({"cancelled": report.cancelled} if report.cancelled else {}),
        "generation": generation.id,
        "search": f"approximate, {generation.search}" if generation.search else "exact",
        "map": str(report.maps),
        "seconds": round(report.seconds, 3),
        "items_per_second": round((report.new + report.changed) / max(report.seconds, 1e-6), 1),
        "schema": SchemaValue(schema),
    }
    return Materialization(report.asset, metadata, generation.id)


def _publish(pipeline: Pipeline, name: str, warn: Callable[[str], None], *, index_checked: bool) -> Materialization:
    report = publish(pipeline, name, checked=index_checked)
    metadata: dict[str, Value] = {
        "rows": report.generation.rows,
        "generation": report.generation.id,
        "previous": report.previous or "none",
        "moved": report.changed,
        "held": report.held,
    }
    if report.message:
        warn(f"{report.asset}: {report.message}")
        metadata["not_moved_because"] = report.message
    return Materialization(report.asset, metadata, report.generation.id)
