"""What gc has to know of the project around a pipeline: the other pipelines that share its store."""

from __future__ import annotations

from contextlib import suppress

from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.spec.project import Declared, Found, find, select


def needs_of(chosen: Declared, forget: str | None) -> Needs:
    """What is needed of a pipeline's store, by all that the project and the pipeline's file declare.

    Raises:
        EmbeddingsOrchError: the pipeline to forget is declared, or may be in a file that cannot be read.
    """
    others = [other for other in _project(chosen) if other.name != chosen.name]
    for other in others:
        if forget is not None and other.name in (None, forget):
            unreadable = f"it may be declared in {other.file}, which cannot be read" if other.name is None else ""
            raise EmbeddingsOrchError(
                f"the pipeline {forget!r} cannot be forgotten: {unreadable or f'it is declared in {other.file}'}"
            )
    specs = []
    for other in others:
        # One that is wrong does not stop the others; what it has ever finished is recorded in the store.
        with suppress(SpecError):
            spec = other.load().spec
            if spec.store.uri == chosen.spec.store.uri:
                specs.append(spec)
    return Needs(Pipeline(chosen.spec), forget, specs)


def reload_pipeline(chosen: Declared) -> Declared:
    """A pipeline as its file declares it by now.

    Raises:
        SpecError: it is wrong by now, or declared no more.
    """
    return select(find(file=chosen.file), chosen.name).load()


def _project(chosen: Declared) -> list[Found]:
    pipelines = find(file=chosen.file)
    with suppress(SpecError):  # there is no project around it
        pipelines += [
            pipeline for pipeline in find(start=chosen.root) if pipeline.file.resolve() != chosen.file.resolve()
        ]
    return pipelines
