"""What an embedding asset still has to embed: contents wanted, less those that have a vector or failed for good."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.media.catalog.diff import CONTENTS_SCHEMA
from embeddings_orch.media.catalog.reading import is_there, item_keys, read_columns, read_contents
from embeddings_orch.media.catalog.ready import ReadyVectors
from embeddings_orch.media.max_bytes import oversized
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.models.keys import key_array, no_keys
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.vectors import StoredVectors, vectors_of
from embeddings_orch.store.tables.states import EmbeddingState


@dataclass(frozen=True)
class EmbeddingDelta:
    """The difference between what an embedding covers and what it should; counts are of distinct contents.

    Attributes:
        wanted: every content of the catalog (columns of `media.catalog.diff.contents`); none where `unread`.
        todo: those to embed; none of ready-made vectors.
        new: to embed (or ready-made and not taken yet), of items that were not there when the asset was last
            materialized.
        changed: the same, of items whose content, or whose model, changed since.
        unchanged: have a vector already.
        deleted: covered last time, of items that are gone.
        failed: skipped because they failed for good before or are too large, or ready-made and not fit to be taken.
        total: contents that are wanted.
        covered: of these, those that have a vector now.
        has_vector: keys that have a vector now; None where `unread`.
        has: for each of ``wanted`` whether it has one.
        too_large: of the failures those of contents that are larger than the media's limits.
        rows: of the vectors table, before its keys were read; 0 of ready-made ones.
        vectors_version: of the vectors table, before its keys were read; None where there is none.
        vectors: where they are.
        unread: whether the versions alone told that there is nothing to do.
    """

    fingerprint: str
    wanted: pa.Table
    todo: pa.Table
    new: int
    changed: int
    unchanged: int
    deleted: int
    failed: int
    total: int
    covered: int
    has_vector: pa.Array | None
    has: pa.ChunkedArray
    rows: int
    vectors_version: int | None
    failures: dict[bytes, Failure]
    too_large: list[Failure]
    state: EmbeddingState | None
    reason: str
    vectors: StoredVectors
    unread: bool = False

    @property
    def ready(self) -> bool:
        """Whether the vectors are ready-made."""
        return isinstance(self.vectors, ReadyVectors)

    def will_have_vector(self) -> pa.Array:
        """Keys that have a vector once all that is to do succeeds."""
        have = self.vectors.keys() if self.has_vector is None else self.has_vector
        return pa.concat_arrays([have, self.todo["key"].combine_chunks()])


def unchanged_delta(pipeline: Pipeline, name: str, catalog_version: int | None) -> EmbeddingDelta | None:
    """What there is to do where nothing was written since all contents had vectors: nothing, and no row is read.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        catalog_version: of the stored catalog that is to be covered; None where it is not stored as it is.

    Returns:
        None where that cannot be told without a look at the contents.
    """
    spec = pipeline.spec.embeddings[name]
    state = pipeline.store.states.get(pipeline.spec.name, name)
    if state is None or spec.inputs.vectors or state.failed != 0 or state.vectors_version is None:
        return None
    vectors = pipeline.store.vectors(fingerprint := spec.config.fingerprint())
    covered = (state.fingerprint, state.inputs, state.catalog_version, state.vectors_version)
    if covered != (fingerprint, spec.inputs, catalog_version, vectors.version()):
        return None
    count, nothing = state.covered or 0, CONTENTS_SCHEMA.empty_table()
    return EmbeddingDelta(
        fingerprint=fingerprint,
        wanted=nothing,
        todo=nothing,
        new=0,
        changed=0,
        unchanged=count,
        deleted=0,
        failed=0,
        total=count,
        covered=count,
        has_vector=None,
        has=pa.chunked_array([], pa.bool_()),
        rows=0,
        vectors_version=state.vectors_version,
        failures={},
        too_large=[],
        state=state,
        reason="up to date",
        vectors=vectors,
        unread=True,
    )


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
    vectors = vectors_of(pipeline, name, catalog)
    contents = read_contents(catalog, spec.inputs)
    vectors_version, rows = vectors.version(), vectors.total()
    have = vectors.keys()
    too_large: dict[bytes, Failure] = {}
    if isinstance(vectors, ReadyVectors):
        # Looked at anew each time: whether one fits depends on the others.
        failures, retry_failed = vectors.failures, False
    else:
        # By the limits of now: one of this kind is remembered to be told of, and decides nothing.
        too_large = oversized(contents, pipeline.spec.media.config.max_bytes)
        failures = without_vector(pipeline.store.failures.of(fingerprint) | too_large, have)
    keys = contents["key"]

    has = pc.is_in(keys, have)
    skipped = [] if retry_failed else [key for key, failure in failures.items() if failure.kind == "item"]
    skip = pc.and_(pc.is_in(keys, key_array([*skipped, *too_large])), pc.invert(has))
    todo = contents.filter(pc.invert(pc.or_(has, skip)))

    state = pipeline.store.states.get(pipeline.spec.name, name)
    fresh = todo["key"].combine_chunks()
    ready = isinstance(vectors, ReadyVectors)
    before = _contents_before(pipeline, state, unless=None if ready or len(fresh) else catalog["id"])
    reason = embedding_reason(state, config, fingerprint=fingerprint, inputs=spec.inputs, todo=len(fresh))
    if isinstance(vectors, ReadyVectors):
        same = state is not None and (state.fingerprint, state.inputs) == (fingerprint, spec.inputs)
        fresh = have.filter(pc.invert(pc.is_in(have, before["key"].combine_chunks()))) if same else have
        reason = f"{len(have):,} ready-made; {'vectors differ' if same and len(fresh) else reason}"
    changed = _count_known(catalog, spec.inputs, fresh, before)
    deleted = _count_gone(before, catalog["id"].combine_chunks(), keys.combine_chunks())
    covered = pc.sum(has).as_py() or 0
    return EmbeddingDelta(
        fingerprint=fingerprint,
        wanted=contents,
        todo=todo,
        new=len(fresh) - changed,
        changed=changed,
        unchanged=covered - (len(fresh) - todo.num_rows),
        deleted=deleted,
        failed=pc.sum(skip).as_py() or 0,
        total=contents.num_rows,
        covered=covered,
        has_vector=have,
        has=has,
        rows=rows,
        vectors_version=vectors_version,
        failures=failures,
        too_large=[failure for key, failure in failures.items() if key in too_large],
        state=state,
        reason=reason,
        vectors=vectors,
    )


def _contents_before(
    pipeline: Pipeline, state: EmbeddingState | None, *, unless: pa.ChunkedArray | None = None
) -> pa.Table:
    """The items of the catalog that an embedding was last materialized from, each with its contents' keys.

    Args:
        pipeline: the pipeline.
        state: of that materialization.
        unless: ids; where the catalog had just these, nothing is returned, and no content hashed.
    """
    nothing = pa.table({"id": pa.array([], pa.string()), "key": no_keys()})
    table = pipeline.store.catalog(pipeline.spec.name)
    schema = table.schema(state.catalog_version) if state else None
    if schema is None or state is None or not is_there(state.inputs, schema.names):
        return nothing
    old = table.read(state.catalog_version, read_columns(state.inputs))
    if old is None or (unless is not None and old["id"].equals(unless)):
        return nothing
    ids = old["id"].combine_chunks()
    parts = [pa.table({"id": ids, "key": keys}) for keys in item_keys(old, state.inputs)]
    return pa.concat_tables(parts).drop_null().combine_chunks()


def _count_known(catalog: pa.Table, inputs: Inputs, fresh: pa.Array, before: pa.Table) -> int:
    """Of some new keys those that the embedding covered before, or of an item that it covered."""
    if not len(fresh) or not before.num_rows:
        return 0
    known = [fresh.filter(pc.is_in(fresh, before["key"].combine_chunks()))]
    for keys in item_keys(catalog, inputs):
        of_fresh = pc.is_in(keys, fresh)
        ids = catalog["id"].filter(of_fresh).combine_chunks()
        known.append(keys.filter(of_fresh).filter(pc.is_in(ids, before["id"].combine_chunks())))
    return len(pc.unique(pa.concat_arrays(known)))


def _count_gone(before: pa.Table, ids: pa.Array, keys: pa.Array) -> int:
    """The contents that were covered, of items that are gone, and that no other item has."""
    if not before.num_rows or before["id"].equals(pa.chunked_array([ids])):
        return 0
    gone = before["key"].filter(pc.invert(pc.is_in(before["id"], ids))).combine_chunks()
    return len(pc.unique(gone.filter(pc.invert(pc.is_in(gone, keys))))) if len(gone) else 0


def without_vector(failures: dict[bytes, Failure], have: pa.Array) -> dict[bytes, Failure]:
    """The failures of contents that have no vector; another run may have embedded the others."""
    if not failures:  # to look up nothing takes as long as to look up much
        return {}
    mended = pc.is_in(key_array(failures), have).to_pylist()
    return {key: failure for (key, failure), has in zip(failures.items(), mended, strict=True) if not has}


def embedding_reason(
    state: EmbeddingState | None, config: EmbedderConfig, *, fingerprint: str, inputs: Inputs, todo: int = 0
) -> str:
    """Why an embedding has something to do: the identity settings that changed, old -> new, or contents to embed."""
    if state is None:
        return "never materialized"
    if state.fingerprint != fingerprint:
        now = config.declared_identity()
        names = sorted(name for name in {*now, *state.settings} if now.get(name) != state.settings.get(name))
        edits = ", ".join(f"{name} {_show(state.settings.get(name))} -> {_show(now.get(name))}" for name in names)
        return f"model config changed: {edits}" if edits else "the provider's vector version changed"
    if state.inputs != inputs:
        return f"input changed: {state.inputs} -> {inputs}"
    return "contents without a vector" if todo else "up to date"


def _show(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
