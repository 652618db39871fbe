"""The four kinds of assets of a pipeline."""

import dagster as dg

from embeddings_orch import plugins
from embeddings_orch.dagster.common import INTERRUPTIONS, asset_key, fail_with_reason, log_to, show_metadata
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.pipeline.run.steps import materialize
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import EmbeddingSpec

_NAMES = {"rows": "dagster/row_count", "schema": "dagster/column_schema", "table": "dagster/table_name"}
"""Metadata that Dagster shows in places of its own."""


class ScanConfig(dg.Config):
    """What a run of a catalog can be told."""

    allow_mass_delete: bool = False
    allow_empty: bool = False
    rehash: bool = False


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
    def raw_media(context: dg.AssetExecutionContext, config: ScanConfig) -> dg.MaterializeResult[None]:
        settings = RunSettings(**config.model_dump())
        return _materialize(context, pipeline, pipeline.media_key, settings)

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
        settings = RunSettings(retry_failed=config.retry_failed)
        return _materialize(context, pipeline, pipeline.embedding_key(name), settings)

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
        return _materialize(context, pipeline, pipeline.index_key(name))

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
        checked = _in_this_run(context, asset_key(pipeline.index_key(name)))
        return _materialize(context, pipeline, pipeline.published_key(name), index_checked=checked)

    return published


def _materialize(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    asset: AssetKey,
    settings: RunSettings = AS_USUAL,
    *,
    index_checked: bool = False,
) -> dg.MaterializeResult[None]:
    with fail_with_reason():
        made = materialize(
            pipeline,
            asset,
            settings=settings,
            index_checked=index_checked,
            listener=log_to(context),
            interruptions=INTERRUPTIONS,
        )
        metadata = show_metadata(made.metadata, _NAMES)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(made.data_version))


def _in_this_run(context: dg.AssetExecutionContext, key: dg.AssetKey) -> bool:
    """Whether a run materializes another asset too, and checks it."""
    layer = context.job_def.asset_layer
    checked = {check.asset_key for check in layer.asset_graph.asset_check_keys}
    return key in layer.selected_asset_keys and key in checked
