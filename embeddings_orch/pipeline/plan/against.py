"""What two declarations of a pipeline differ in: the fingerprints of embeddings and the versions of indexes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from embeddings_orch.models.analysis import describe_full_text_change
from embeddings_orch.pipeline.embeddings.delta import embedding_reason
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store.tables.states import EmbeddingState

Change = Literal["added", "removed", "changed", "unchanged"]


@dataclass(frozen=True)
class AssetDifference:
    """How one asset differs.

    Attributes:
        fingerprint: the embedding's fingerprint, or the index's version, as declared now; empty where it is gone.
        fingerprint_before: the same as it was declared before; empty where there was none.
        reason: the settings that changed, old -> new.
    """

    asset: AssetKey
    change: Change
    fingerprint: str
    fingerprint_before: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """How a pipeline differs from another revision of it; ``error`` says why that cannot be told."""

    pipeline: str
    assets: list[AssetDifference]
    error: str = ""

    @property
    def changes(self) -> bool:
        """Whether any asset differs."""
        return any(asset.change != "unchanged" for asset in self.assets)

    def to_json(self) -> dict[str, Any]:
        """One of the ``pipelines`` that ``plan --against --json`` prints."""
        if self.error:
            return {"pipeline": self.pipeline, "error": self.error}
        return {
            "pipeline": self.pipeline,
            "changes": self.changes,
            "assets": [asdict(asset) for asset in self.assets],
        }


def compare(
    name: str, before: PipelineSpec | None, now: PipelineSpec | None, moved: tuple[str, str] = ("", "")
) -> Difference:
    """Compare two declarations of a pipeline; None where it is not declared.

    Args:
        name: the pipeline's.
        before: the earlier declaration.
        now: the one that is to be.
        moved: the folder in which the earlier one was read, and the one to show instead.

    Raises:
        EmbeddingsOrchError: a model's identity cannot be read (a local weights file is missing).
    """
    return Difference(name, [*_embeddings(name, before, now, moved), *_indexes(name, before, now)])


def _embeddings(
    name: str, before: PipelineSpec | None, now: PipelineSpec | None, moved: tuple[str, str]
) -> Iterator[AssetDifference]:
    old = before.embeddings if before else {}
    new = now.embeddings if now else {}
    known = {spec.config.fingerprint(): AssetKey.of_embedding(name, embedding) for embedding, spec in old.items()}
    for embedding in [*new, *(dropped for dropped in old if dropped not in new)]:
        key = AssetKey.of_embedding(name, embedding)
        if embedding not in new:
            yield AssetDifference(key, "removed", "", old[embedding].config.fingerprint(), "no longer declared")
            continue
        spec, fingerprint = new[embedding], new[embedding].config.fingerprint()
        if embedding not in old:
            same = known.get(fingerprint)
            reason = f"the model of {same}: no vector is made twice" if same else "new"
            yield AssetDifference(key, "added", fingerprint, "", reason)
            continue
        config = old[embedding].config
        settings = {field: _show_at(value, moved) for field, value in config.declared_identity().items()}
        state = EmbeddingState(config.fingerprint(), old[embedding].inputs, settings, 0, "", None)
        reasons = [embedding_reason(state, spec.config, fingerprint=fingerprint, inputs=spec.inputs)]
        if state.fingerprint != fingerprint and state.inputs != spec.inputs:
            reasons.append(f"input changed: {state.inputs} -> {spec.inputs}")
        differs = state.fingerprint != fingerprint or state.inputs != spec.inputs
        yield AssetDifference(
            key,
            "changed" if differs else "unchanged",
            fingerprint,
            state.fingerprint,
            "; ".join(reasons) if differs else "same vectors",
        )


def _show_at(value: Any, moved: tuple[str, str]) -> Any:
    return value.replace(*moved) if isinstance(value, str) and moved[0] else value


def _indexes(name: str, before: PipelineSpec | None, now: PipelineSpec | None) -> Iterator[AssetDifference]:
    old = before.indexes if before else {}
    new = now.indexes if now else {}
    for index in [*new, *(dropped for dropped in old if dropped not in new)]:
        key = AssetKey.of_index(name, index)
        was = before.index_version(index) if before and index in old else ""
        version = now.index_version(index) if now and index in new else ""
        if before and now and was and version:
            reason = _index_reason(before, now, index) if was != version else "same table"
            yield AssetDifference(key, "unchanged" if was == version else "changed", version, was, reason)
        elif version:
            yield AssetDifference(key, "added", version, "", "new")
        else:
            yield AssetDifference(key, "removed", "", was, "no longer declared")


def _index_reason(before: PipelineSpec, now: PipelineSpec, index: str) -> str:
    old, new = before.indexes[index], now.indexes[index]
    reasons = []
    # As in the version: an order changes nothing.
    if set(old.vectors) != set(new.vectors):
        reasons.append(f"vectors {', '.join(old.vectors)} -> {', '.join(new.vectors)}")
    if old.metric != new.metric:
        reasons.append(f"metric {old.metric} -> {new.metric}")
    full_text = describe_full_text_change(old.text_columns, old.analysis, new.text_columns, new.analysis)
    reasons.extend([full_text] if full_text else [])
    for vector in new.vectors:
        if vector in old.vectors:
            old_spec, new_spec = before.embeddings[vector], now.embeddings[vector]
            if (old_spec.config.fingerprint(), old_spec.inputs) != (new_spec.config.fingerprint(), new_spec.inputs):
                reasons.append(f"embedding {vector} changed")
    return f"a new table: {', '.join(reasons)}"
