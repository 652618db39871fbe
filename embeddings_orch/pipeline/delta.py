"""What an embedding asset still has to embed: contents wanted, less those that have a vector or failed for good."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.embedder import EmbedderConfig
from embeddings_orch.fingerprint import digest
from embeddings_orch.media.catalog import contents, input_keys
from embeddings_orch.outcome import Failure
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.states import EmbeddingState


@dataclass(frozen=True)
class EmbeddingDelta:
    """The difference between what an embedding covers and what it should; counts are of distinct contents.

    Attributes:
        wanted: every content of the catalog (columns of `media.catalog.contents`).
        todo: those to embed.
        new: to embed, of items that were not there when the asset was last materialized.
        changed: to embed, of items whose content, or whose model, changed since.
        unchanged: have a vector already.
        deleted: covered last time, of items that are gone.
        failed: skipped because they failed for good before.
        has_vector: keys that have a vector now.
        rows: of the vectors table, before its keys were read.
    """

    fingerprint: str
    wanted: pa.Table
    todo: pa.Table
    new: int
    changed: int
    unchanged: int
    deleted: int
    failed: int
    has_vector: pa.Array
    rows: int
    failures: dict[str, Failure]
    state: EmbeddingState | None
    reason: str

    def will_have_vector(self) -> pa.Array:
        """Keys that have a vector once all that is to do succeeds."""
        return pa.concat_arrays([self.has_vector, self.todo["key"].combine_chunks().cast(pa.string())])


def embedding_delta(pipeline: Pipeline, name: str, catalog: pa.Table, *, retry_failed: bool = False) -> EmbeddingDelta:
    """Compare a catalog with the vectors that are there.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        catalog: the catalog to cover, stored or only scanned.
        retry_failed: count remembered failures as to do.

    Raises:
        SourceError: the embedding's input is no column of the catalog.
        EmbeddingsOrchError: the model's identity cannot be read (a local weights file is missing).
    """
    spec = pipeline.spec.embeddings[name]
    config: EmbedderConfig = spec.config
    fingerprint = config.fingerprint()
    wanted = contents(catalog, spec.input)
    vectors = pipeline.store.vectors(fingerprint)
    rows = vectors.total()
    have = vectors.keys()
    failures = without_vector(pipeline.store.failures.of(fingerprint), have)
    keys = wanted["key"]

    has = pc.is_in(keys, have)
    skipped = [] if retry_failed else [key for key, failure in failures.items() if failure.kind == "item"]
    skip = pc.and_(pc.is_in(keys, pa.array(skipped, pa.string())), pc.invert(has))
    todo = wanted.filter(pc.invert(pc.or_(has, skip)))

    state = pipeline.store.states.get(pipeline.spec.name, name)
    old = pipeline.store.catalog(pipeline.spec.name).read(state.catalog_version) if state else None
    old_keys: dict[str, str] = {}
    if old is not None and state is not None and state.input in {*old.schema.names, "media"}:
        pairs = zip(old["id"].to_pylist(), input_keys(old, state.input).to_pylist(), strict=True)
        old_keys = {item: key for item, key in pairs if key is not None}
    known_contents = set(old_keys.values())
    ids_by_key = _ids_by_key(catalog, spec.input, set(todo["key"].to_pylist()))
    changed = sum(
        1
        for key in todo["key"].to_pylist()
        if key in known_contents or any(item in old_keys for item in ids_by_key.get(key, ()))
    )
    wanted_set = set(keys.to_pylist())
    current_ids = set(catalog["id"].to_pylist())
    gone = {key for item, key in old_keys.items() if item not in current_ids} - wanted_set
    return EmbeddingDelta(
        fingerprint=fingerprint,
        wanted=wanted,
        todo=todo,
        new=todo.num_rows - changed,
        changed=changed,
        unchanged=pc.sum(has).as_py() or 0,
        deleted=len(gone),
        failed=pc.sum(skip).as_py() or 0,
        has_vector=have,
        rows=rows,
        failures=failures,
        state=state,
        reason=embedding_reason(state, fingerprint, config, spec.input, todo.num_rows),
    )


def without_vector(failures: dict[str, Failure], have: pa.Array) -> dict[str, Failure]:
    """The failures of contents that have no vector; another run may have embedded the others."""
    mended = pc.is_in(pa.array(failures, pa.string()), have).to_pylist()
    return {key: failure for (key, failure), has in zip(failures.items(), mended, strict=True) if not has}


def covered_digest(wanted: pa.Table, has_vector: pa.Array) -> str:
    """Hash over the sorted keys that are wanted and have a vector."""
    covered = wanted["key"].filter(pc.is_in(wanted["key"], has_vector))
    return digest(sorted(covered.to_pylist()))


def _ids_by_key(catalog: pa.Table, name: str, keys: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if keys:
        for item, key in zip(catalog["id"].to_pylist(), input_keys(catalog, name).to_pylist(), strict=True):
            if key in keys:
                found.setdefault(key, []).append(item)
    return found


def embedding_reason(
    state: EmbeddingState | None, fingerprint: str, config: EmbedderConfig, used: str, todo: int
) -> str:
    """Why an embedding has something to do: the identity settings that changed, old -> new, or contents to embed."""
    if state is None:
        return "never materialized"
    if state.fingerprint != fingerprint:
        now = config.declared_identity()
        names = sorted(name for name in {*now, *state.settings} if now.get(name) != state.settings.get(name))
        edits = ", ".join(f"{name} {_shown(state.settings.get(name))} -> {_shown(now.get(name))}" for name in names)
        return f"model config changed: {edits}" if edits else "the provider's vector version changed"
    if state.input != used:
        return f"input changed: {state.input} -> {used}"
    return "contents without a vector" if todo else "up to date"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
