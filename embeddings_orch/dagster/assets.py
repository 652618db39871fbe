"""The four kinds of assets of a pipeline."""

from typing import Any

import dagster as dg

from embeddings_orch import plugins
from embeddings_orch.dagster.common import (
    asset_key,
    column_schema,
    fail_with_reason,
    make_table,
    picture,
    progress_lines,
)
from embeddings_orch.pipeline.catalog.changes import list_media
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.embed import EmbedReport, embed
from embeddings_orch.pipeline.embeddings.preview import preview
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.spec.pipeline import EmbeddingSpec

_SHOWN = 50


class EmbedConfig(dg.Config):
    """What a run of an embeddings asset can be told."""

    retry_failed: bool = False


def _owners(pipeline: Pipeline) -> list[str] | None:
    return list(pipeline.spec.owners) or None


def _describe(pipeline: Pipeline, text: str) -> str:
    return f"{text}\n\n{pipeline.spec.description}".strip()


def media_asset(pipeline: Pipeline) -> dg.AssetsDefinition:
    """The catalog of the media."""
    media = pipeline.spec.media

    @dg.asset(
        key=asset_key(pipeline.media_key),
        group_name=pipeline.spec.name,
        owners=_owners(pipeline),
        kinds={media.source, "lancedb"},
        code_version=pipeline.spec.media_version()[:16],
        description=_describe(
            pipeline,
            f"The catalog: one row for each item of the {media.source} source, with its content hash.",
        ),
    )
    def raw_media(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with fail_with_reason():
            # Before the scan: what changes meanwhile then differs from what is recorded.
            listed = list_media(pipeline)
            report = scan_media(pipeline, listener=progress_lines(context))
        for problem in report.problems[:_SHOWN]:
            context.log.warning(f"{problem.where}: {problem.reason}")
        metadata: dict[str, Any] = {
            "dagster/row_count": report.table.num_rows,
            "new": report.new,
            "changed": report.changed,
            "unchanged": report.unchanged,
            "deleted": report.deleted,
            "failed": len(report.problems),
            "ignored": report.ignored,
            "seconds": round(report.seconds, 3),
            "items_per_second": round(report.table.num_rows / max(report.seconds, 1e-6), 1),
            **column_schema(report.table.schema),
        }
        if listed is not None:
            metadata["listing"] = listed.digest
        if report.problems:
            rows = [(problem.where, problem.reason) for problem in report.problems[:_SHOWN]]
            metadata["left_out"] = make_table(rows, len(report.problems))
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(report.digest))

    return raw_media


def embedding_asset(pipeline: Pipeline, name: str) -> dg.AssetsDefinition:
    """The vectors of one model."""
    spec = pipeline.spec.embeddings[name]
    fingerprint = spec.config.fingerprint()
    kinds = plugins.load("embedders", spec.provider).kinds or (spec.provider,)

    @dg.asset(
        key=asset_key(pipeline.embedding_key(name)),
        group_name=pipeline.spec.name,
        owners=_owners(pipeline),
        deps=[asset_key(pipeline.media_key)],
        kinds={*kinds[:2], "lancedb"},
        code_version=fingerprint[:16],
        metadata={
            "provider": spec.provider,
            "input": str(spec.inputs),
            "fingerprint": fingerprint,
            "config": spec.config.settings(),
        },
        description=_describe(pipeline, _vectors_described(spec)),
    )
    def embeddings(context: dg.AssetExecutionContext, config: EmbedConfig) -> dg.MaterializeResult[None]:
        with fail_with_reason():
            report = embed(pipeline, name, retry_failed=config.retry_failed, listener=progress_lines(context))
            image = preview(pipeline, name)
        for failure in report.failures[:_SHOWN]:
            context.log.warning(f"{failure.uri}: {failure.reason}")
        metadata = _embedding_metadata(report)
        if report.delta.failures or report.failures:
            known = {**report.delta.failures, **{failure.key: failure for failure in report.failures}}
            content_keys = set(report.delta.wanted["key"].to_pylist())
            rows = [(failure.uri, failure.reason) for key, failure in known.items() if key in content_keys]
            if rows and report.failed:
                metadata["failures"] = make_table(rows[:_SHOWN], len(rows))
        if image is not None:
            metadata = {
                "preview": picture(image, f"{name}: items sorted by two principal components"),
                **metadata,
            }
        return dg.MaterializeResult(
            metadata=metadata, data_version=dg.DataVersion(f"{report.fingerprint[:16]}-{report.digest[:16]}")
        )

    return embeddings


def _vectors_described(spec: EmbeddingSpec) -> str:
    inputs = spec.inputs
    if inputs.vectors:
        return (
            f"Vectors of {spec.provider} that the column {inputs.vectors} holds: taken as they are, none is embedded."
        )
    names = ", ".join(inputs.names)
    mean = f" An item has the mean of its vectors: {inputs}." if len(inputs.names) > 1 else ""
    return f"Vectors of {names} by {spec.provider}: one for each distinct content.{mean}"


def _embedding_metadata(report: EmbedReport) -> dict[str, Any]:
    delta, usage = report.delta, report.usage
    import pyarrow as pa

    columns = [pa.field("key", pa.string(), nullable=False)]
    if report.dimensions:
        columns.append(pa.field("vector", pa.list_(pa.float32(), report.dimensions), nullable=False))
    return {
        "dagster/row_count": report.reused + report.embedded,
        "new": delta.new,
        "changed": delta.changed,
        "unchanged": delta.unchanged,
        "deleted": delta.deleted,
        "failed": report.failed,
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
        **column_schema(pa.schema(columns)),
    }


def index_asset(pipeline: Pipeline, name: str) -> dg.AssetsDefinition:
    """The catalog joined with vectors, ready to search."""
    spec = pipeline.spec.indexes[name]

    @dg.asset(
        key=asset_key(pipeline.index_key(name)),
        group_name=pipeline.spec.name,
        owners=_owners(pipeline),
        deps=[asset_key(key) for key in (pipeline.media_key, *map(pipeline.embedding_key, spec.vectors))],
        kinds={"lancedb"},
        code_version=pipeline.spec.index_version(name)[:16],
        description=_describe(
            pipeline,
            f"The catalog joined with {', '.join(spec.vectors)}, built beside the published generation.",
        ),
    )
    def index(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with fail_with_reason():
            report = build_index(pipeline, name, listener=progress_lines(context))
        for problem in report.maps.problems:
            context.log.warning(problem)
        generation = report.generation
        schema = pipeline.store.index(generation.table).schema(generation.version)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": generation.rows,
                "dagster/table_name": generation.table,
                "new": report.new,
                "changed": report.changed,
                "unchanged": report.unchanged,
                "deleted": report.deleted,
                "failed": report.without_vector,
                **({"cancelled": report.cancelled} if report.cancelled else {}),
                "generation": generation.id,
                "search": f"approximate, {generation.search}" if generation.search else "exact",
                "map": str(report.maps),
                "seconds": round(report.seconds, 3),
                "items_per_second": round((report.new + report.changed) / max(report.seconds, 1e-6), 1),
                **column_schema(schema),
            },
            data_version=dg.DataVersion(generation.id),
        )

    return index


def make_published_asset(pipeline: Pipeline, name: str) -> dg.AssetsDefinition:
    """The pointer that search follows."""

    @dg.asset(
        key=asset_key(pipeline.published_key(name)),
        group_name=pipeline.spec.name,
        owners=_owners(pipeline),
        deps=[asset_key(pipeline.index_key(name))],
        kinds={"lancedb"},
        code_version="1",
        description=_describe(
            pipeline,
            "The generation that search follows; it moves only when the index's blocking checks passed.",
        ),
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with fail_with_reason():
            report = publish(pipeline, name, checked=_in_this_run(context, asset_key(pipeline.index_key(name))))
        metadata: dict[str, Any] = {
            "dagster/row_count": report.generation.rows,
            "generation": report.generation.id,
            "previous": report.previous or "none",
            "moved": report.changed,
            "held": report.held,
        }
        if report.message:
            context.log.warning(f"{report.asset}: {report.message}")
            metadata["not_moved_because"] = report.message
        return dg.MaterializeResult(
            metadata=metadata,
            data_version=dg.DataVersion(report.generation.id),
        )

    return published


def _in_this_run(context: dg.AssetExecutionContext, key: dg.AssetKey) -> bool:
    """Whether a run materializes another asset too, and checks it."""
    layer = context.job_def.asset_layer
    checked = {check.asset_key for check in layer.asset_graph.asset_check_keys}
    return key in layer.selected_asset_keys and key in checked
