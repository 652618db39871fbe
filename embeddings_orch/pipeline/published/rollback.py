"""Rollback: point search at an earlier generation, and hold it there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from embeddings_orch.errors import EmbeddingsOrchError, PublishConflictError, PublishRefusedError, StoreError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.published.publish import PublishReport, describe_failed_checks, hash_declaration, move
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.publications import Publication, PublicationKind
from embeddings_orch.store.tables.published import Pointer


def rollback(pipeline: Pipeline, index: str, to: str | None = None) -> PublishReport:
    """Point an index at what was published before, and hold it there: runs build and check, and do not publish.

    Args:
        pipeline: whose index.
        index: the index.
        to: a generation's id, the beginning of one, or its number in the list; default one step back.

    Raises:
        EmbeddingsOrchError: ``to`` names no generation, or several.
        PublishRefusedError: there is nothing to go back to, or its checks did not pass.
        PublishConflictError: another publish came first.
        StoreError: the generation's table is gone.
    """
    asset = pipeline.published_key(index)
    pointer = pipeline.store.published.get(pipeline.spec.name, index)
    if pointer.generation is None:
        raise PublishRefusedError(f"{asset}: nothing is published, so there is nothing to go back from")
    generations = pipeline.store.generations.of(pipeline.spec.name, index)
    known = {generation.id: generation for generation in generations}
    steps = history(pipeline.store.publications.of(pipeline.spec.name, index), pointer.generation, known)
    target = _step_back(asset, pointer.generation, generations, steps) if to is None else find(generations, to)
    _usable(pipeline, asset, target)
    now = known.get(pointer.generation)
    # Onwards to what was never published, or was rolled away from: the way back from there leads here.
    onwards = target.id not in steps and now is not None and target.created_at > now.created_at
    kind: PublicationKind = "publish" if onwards else "rollback"
    held = Pointer(target.id, held=True, hold_version=hash_declaration(pipeline, index))
    if held != pointer and not move(pipeline, index, pointer, held, kind=kind):
        raise PublishConflictError(
            f"{asset}: another publish came first and points at "
            f"{pipeline.store.published.get(pipeline.spec.name, index).generation}; look at the list and try again"
        )
    return PublishReport(asset, target, pointer.generation, held=True)


def history(log: Sequence[Publication], published: str | None, known: Collection[str]) -> list[str]:
    """What was published one after another, less what was rolled back: the last is published now.

    Args:
        log: the moves, oldest first.
        published: what is published now, whether the log says so or not.
        known: the generations that are still there.
    """
    steps: list[str] = []

    def onto(generation: str | None) -> None:
        if generation in known and generation is not None and steps[-1:] != [generation]:
            steps.append(generation)

    for entry in log:
        onto(entry.previous)  # where the move to it is not in the log
        if entry.kind == "rollback":
            steps[-1:] = []
            if entry.generation in steps:
                while steps[-1] != entry.generation:
                    steps.pop()
        onto(entry.generation)
    onto(published)
    return steps


def find(generations: Sequence[Generation], to: str) -> Generation:
    """The generation of an id, of the beginning of one, or of a number in the list, from 1 for the oldest.

    Raises:
        EmbeddingsOrchError: there is none, or several begin so.
    """
    for generation in generations:
        if generation.id == to:
            return generation
    if to.isdecimal() and 1 <= int(to) <= len(generations):
        return generations[int(to) - 1]
    matches = [generation for generation in generations if to and generation.id.startswith(to)]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(generation.id for generation in matches or generations) or "none"
    if matches:
        raise EmbeddingsOrchError(f"several generations begin with {to!r}: {listed}")
    raise EmbeddingsOrchError(f"there is no generation {to!r}; there are, from number 1: {listed}")


def _step_back(asset: str, published: str, generations: Sequence[Generation], steps: Sequence[str]) -> Generation:
    known = {generation.id: generation for generation in generations}
    if len(steps) > 1:
        return known[steps[-2]]
    # A store that was written before moves were logged.
    ids = [generation.id for generation in generations]
    older = generations[: ids.index(published)] if published in known else generations
    passing = [generation for generation in older if generation.passed]
    if not passing:
        raise PublishRefusedError(
            f"{asset}: there is nothing to go back to: no earlier generation whose checks passed is kept"
        )
    return passing[-1]


def _usable(pipeline: Pipeline, asset: str, target: Generation) -> None:
    if not target.checks:
        raise PublishRefusedError(f"{asset}: the checks of generation {target.id} have not run; the index stays")
    if not target.passed:
        raise PublishRefusedError(
            f"{asset}: generation {target.id} failed {describe_failed_checks(target)}; the index stays as it is"
        )
    if pipeline.store.index(target.table).at(target.version) is None:
        raise StoreError(f"{asset}: version {target.version} of table {target.table} is gone; the index stays as it is")
