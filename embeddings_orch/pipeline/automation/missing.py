"""What a declaration wants and the store, or the orchestrator's record of it, lacks: told without reading media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.automation.reconcile import Need
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import embedding_reason
from embeddings_orch.pipeline.indexes.delta import table_name
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.pipeline.published.publish import is_held
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.published import Pointer

SHORT = 16
"""Hex digits of a fingerprint that are shown, and begin the data version of an embeddings asset."""


@dataclass(frozen=True)
class Missing:
    """What lacks, and what to say where nothing does."""

    need: Need | None
    satisfied: str


@dataclass
class _Found:
    assets: set[AssetKey] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, *assets: AssetKey) -> None:
        self.reasons.append(reason)
        self.assets.update(assets)


def definition_digest(spec: PipelineSpec) -> str:
    """A hash over all that definitions made of a declaration show: its settings and fingerprints.

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read (a local weights file is missing).
    """
    return digest({"spec": spec.model_dump(mode="json"), "fingerprints": fingerprints(spec)})


def fingerprints(spec: PipelineSpec) -> dict[str, str]:
    """The wanted fingerprint of each embedding."""
    return {name: embedding.config.fingerprint() for name, embedding in spec.embeddings.items()}


def find_missing(pipeline: Pipeline, recorded: Mapping[str, str | None]) -> Missing:
    """Compare what is declared with what the store and the orchestrator have; read four tables, whole.

    Args:
        pipeline: the declaration with its store.
        recorded: the data version of each asset's last materialization, by key.

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read, or the store cannot be.
    """
    spec, missing = pipeline.spec, _Found()
    declared = fingerprints(spec)
    schema = pipeline.store.catalog(spec.name).schema()
    if schema is None:
        missing.add("there is no catalog in the store", pipeline.media_key)
    elif recorded.get(pipeline.media_key) is None:
        missing.add(f"{pipeline.media_key} is not recorded in this Dagster instance", pipeline.media_key)
    stale = set(_embeddings(pipeline, declared, recorded, missing))
    pointers = pipeline.store.published.of_pipeline(spec.name, spec.indexes)
    _indexes(pipeline, missing, schema=schema, stale=stale, pointers=pointers, recorded=recorded)
    if not missing.assets:
        names = ", ".join(f"{name} ({short(fingerprint)})" for name, fingerprint in declared.items())
        held = [name for name, pointer in pointers.items() if pointer.held]
        extra = "".join(f"; {name} is held: `embeddings-orch publish {name}` releases it" for name in held)
        return Missing(None, f"up to date with {names}{extra}")
    order = [key for key in graph(pipeline.spec) if key in missing.assets]
    reason = "; ".join(dict.fromkeys(missing.reasons))
    return Missing(Need(tuple(order), reason, missing.tags), "")


def short(fingerprint: str) -> str:
    """The first digits of a fingerprint."""
    return fingerprint[:SHORT]


def _embeddings(
    pipeline: Pipeline, declared: Mapping[str, str], recorded: Mapping[str, str | None], missing: _Found
) -> Iterator[str]:
    states = pipeline.store.states.of_pipeline(pipeline.spec.name)
    for name, spec in pipeline.spec.embeddings.items():
        state, key = states.get(name), pipeline.embedding_key(name)
        old = state.fingerprint if state else None
        inputs = str(spec.inputs)
        if state is None or old != declared[name] or state.input != inputs:
            reason = embedding_reason(state, spec.config, fingerprint=declared[name], inputs=inputs)
        elif (recorded.get(key) or "").partition("-")[0] != short(declared[name]):
            reason = "not recorded in this Dagster instance"
        else:
            continue
        missing.add(f"{key}: {reason}", key)
        missing.tags[f"embeddings_orch/fingerprint.{name}"] = short(declared[name])
        missing.tags[f"embeddings_orch/previous_fingerprint.{name}"] = short(old) if old else "none"
        yield name


def _indexes(
    pipeline: Pipeline,
    missing: _Found,
    *,
    schema: pa.Schema | None,
    stale: set[str],
    pointers: Mapping[str, Pointer],
    recorded: Mapping[str, str | None],
) -> None:
    generations = {g.id: g for g in pipeline.store.generations.of_pipeline(pipeline.spec.name)}
    for name, pointer in pointers.items():
        assets = pipeline.index_key(name), pipeline.published_key(name)
        if schema is None or stale.intersection(pipeline.spec.indexes[name].vectors):
            missing.assets.update(assets)
            continue
        table = table_name(pipeline, name, schema.empty_table())
        published = generations.get(pointer.generation or "")
        built = [g for g in generations.values() if g.index == name and g.table == table]
        held = is_held(pipeline, name, pointer)
        if reason := _index_reason(table, published, built, held=held):
            missing.add(f"{assets[0]}: {reason}", *assets)
        elif any(recorded.get(asset) is None for asset in assets):
            missing.add(f"{assets[0]}: not recorded in this Dagster instance", *assets)


def _index_reason(table: str, published: Generation | None, built: list[Generation], *, held: bool) -> str:
    if published is not None and published.table == table:
        return ""
    if not built:
        return "never built" if published is None else "its models, metric or columns changed"
    # A hold keeps an earlier one published on purpose.
    return "" if held and published is not None else "built and not published"
