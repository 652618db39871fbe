"""What a declaration wants and the store lacks: told without reading media, and without any orchestrator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.automation.reconcile import Need
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import embedding_reason
from embeddings_orch.pipeline.indexes.delta import table_name
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.pipeline.published.publish import is_held
from embeddings_orch.spec.deployment import resolve_deployment
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store.tables.generations import Generation

SHORT = 16
"""Hex digits of a fingerprint that are shown, and begin the data version of an embeddings asset."""


@dataclass
class Missing:
    """What lacks.

    Attributes:
        spec: the declaration.
        wanted: the fingerprint of each embedding that it declares.
        reasons: why an asset has to be materialized, by key.
        models: of each embedding that is among them: the fingerprint that is wanted, and the one before, if any.
        without_catalog: whether there is nothing yet that an index could be made of.
        held: the indexes whose pointer runs leave where it is.
    """

    spec: PipelineSpec
    wanted: dict[str, str]
    reasons: dict[AssetKey, str] = field(default_factory=dict)
    models: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    without_catalog: bool = False
    held: tuple[str, ...] = ()

    def need(self, tags: Mapping[str, str] | None = None) -> Need | None:
        """What a run has to materialize, with the indexes that hang on it; None where nothing lacks.

        Args:
            tags: of the run.
        """
        assets = set(self.reasons)
        for name, declared in self.spec.indexes.items():
            index = AssetKey.of_index(self.spec.name, name)
            embeddings = {AssetKey.of_embedding(self.spec.name, vector) for vector in declared.vectors}
            if self.reasons and (self.without_catalog or index in assets or embeddings & assets):
                assets |= {index, AssetKey.of_published(self.spec.name, name)}
        if not assets:
            return None
        order = [key for key in graph(self.spec) if key in assets]
        reason = "; ".join(dict.fromkeys(self.reasons[key] for key in order if key in self.reasons))
        return Need(tuple(order), reason, dict(tags or {}))

    def tell_satisfied(self) -> str:
        """What to say where nothing lacks: the models, and what is held."""
        names = ", ".join(f"{name} ({short(fingerprint)})" for name, fingerprint in self.wanted.items())
        return f"up to date with {names}" + "".join(
            f"; {name} is held: `embeddings-orch publish {name}` releases it" for name in self.held
        )


def definition_digest(spec: PipelineSpec) -> str:
    """A hash over all that definitions made of a declaration show: its settings, fingerprints and deployment.

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read (a local weights file is missing), or nobody says
            which deployment of the store this is.
    """
    deployment = resolve_deployment(spec.store.uri, spec.store.deployment)
    told = {"spec": spec.model_dump(mode="json"), "fingerprints": fingerprints(spec), "deployment": deployment}
    return digest(told)


def fingerprints(spec: PipelineSpec) -> dict[str, str]:
    """The wanted fingerprint of each embedding."""
    return {name: embedding.config.fingerprint() for name, embedding in spec.embeddings.items()}


def find_missing(pipeline: Pipeline) -> Missing:
    """Compare what is declared with what the store has; read four tables, whole.

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read, or the store cannot be.
    """
    spec = pipeline.spec
    missing = Missing(spec, fingerprints(spec))
    schema = pipeline.store.catalog(spec.name).schema()
    if schema is None:
        missing.without_catalog = True
        missing.reasons[pipeline.media_key] = "there is no catalog in the store"
    _add_embeddings(pipeline, missing)
    if schema is not None:
        _add_indexes(pipeline, missing, schema)
    return missing


def short(fingerprint: str) -> str:
    """The first digits of a fingerprint."""
    return fingerprint[:SHORT]


def _add_embeddings(pipeline: Pipeline, missing: Missing) -> None:
    declared = missing.wanted
    states = pipeline.store.states.of_pipeline(pipeline.spec.name)
    for name, spec in pipeline.spec.embeddings.items():
        state, key = states.get(name), pipeline.embedding_key(name)
        if state is None or state.fingerprint != declared[name] or state.inputs != spec.inputs:
            reason = embedding_reason(state, spec.config, fingerprint=declared[name], inputs=spec.inputs)
            missing.reasons[key] = f"{key}: {reason}"
            missing.models[name] = (declared[name], state.fingerprint if state else None)


def _add_indexes(pipeline: Pipeline, missing: Missing, schema: pa.Schema) -> None:
    spec = pipeline.spec
    generations = {g.id: g for g in pipeline.store.generations.of_pipeline(spec.name)}
    pointers = pipeline.store.published.of_pipeline(spec.name, spec.indexes)
    missing.held = tuple(name for name, pointer in pointers.items() if pointer.held)
    for name, pointer in pointers.items():
        if any(vector in missing.models for vector in spec.indexes[name].vectors):
            continue  # it is made anew anyway
        table = table_name(pipeline, name, schema)
        published = generations.get(pointer.generation or "")
        built = [g for g in generations.values() if g.index == name and g.table == table]
        if reason := _index_reason(table, published, built, held=is_held(pipeline, name, pointer)):
            key = pipeline.index_key(name)
            missing.reasons[key] = f"{key}: {reason}"


def _index_reason(table: str, published: Generation | None, built: list[Generation], *, held: bool) -> str:
    if published is not None and published.table == table:
        return ""
    if not built:
        return "never built" if published is None else "its models, metric or columns changed"
    # A hold keeps an earlier one published on purpose.
    return "" if held and published is not None else "built and not published"
