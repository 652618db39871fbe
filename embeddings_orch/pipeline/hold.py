"""Holds: a pointer that was rolled back stays where it is until it is released, or its declaration is edited."""

from __future__ import annotations

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.fingerprint import digest
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.published import Pointer


def declared_version(pipeline: Pipeline, index: str) -> str:
    """A hash that changes when the declaration of an index or of one of its models does, in more than how it runs."""
    spec = pipeline.spec.indexes[index]
    # Without defaults: a later version of this package may declare more of them.
    settings = spec.model_dump(mode="json", exclude_defaults=True, exclude={"map"})
    vectors = {
        name: [_fingerprint(pipeline, name), str(pipeline.spec.embeddings[name].inputs)] for name in spec.vectors
    }
    return digest({"index": settings, "vectors": vectors})


def is_held(pipeline: Pipeline, index: str, pointer: Pointer) -> bool:
    """Whether a run has to leave a pointer alone: it is held, against the declaration as it stands."""
    return pointer.held and pointer.hold_version in ("", declared_version(pipeline, index))


def _fingerprint(pipeline: Pipeline, name: str) -> str:
    try:
        return str(pipeline.spec.embeddings[name].config.fingerprint())
    except EmbeddingsOrchError:
        # A rollback has to work where the model's weights are missing, as they may be the reason for it.
        state = pipeline.store.states.get(pipeline.spec.name, name)
        return state.fingerprint if state else ""
