"""The published step: point search at a generation whose checks passed."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.errors import EmbeddingsOrchError, PublishConflictError, PublishRefusedError
from embeddings_orch.models.analysis import options_of
from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.delta import current_table
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.publications import PublicationKind
from embeddings_orch.store.tables.published import Pointer


@dataclass(frozen=True)
class PublishReport:
    """What a publish or a rollback did.

    Attributes:
        generation: what the index points at now.
        previous: the generation that was published before, or None.
        held: whether runs leave the pointer where it is.
        message: why the pointer did not move, where that is no matter of course; else empty.
    """

    asset: AssetKey
    generation: Generation
    previous: str | None
    held: bool = False
    message: str = ""

    @property
    def changed(self) -> bool:
        """Whether the pointer moved."""
        return self.previous != self.generation.id


def publish(pipeline: Pipeline, index: str, *, checked: bool = False) -> PublishReport:
    """Point an index at the newest generation of its declaration whose checks have run, by compare-and-swap.

    A pointer that is held stays, and so does one at a newer generation of the same table.

    Args:
        pipeline: whose index.
        index: the index.
        checked: this run has built and checked the index; so a generation without results is another run's.

    Raises:
        PublishRefusedError: there is none, or its checks have not run or not passed.
        PublishConflictError: another publish came first.
    """
    asset = pipeline.published_key(index)
    pointer = pipeline.store.published.get(pipeline.spec.name, index)
    if (report := _report_held(pipeline, index, pointer)) is not None:
        return report
    generations = candidates(pipeline, index)
    generation = next((candidate for candidate in generations if candidate.checks), None)
    newest = generations[0] if generations else None
    if newest is None:
        raise PublishRefusedError(f"{asset}: nothing to publish; materialize {pipeline.index_key(index)} first")
    if generation is None or (generation.id == pointer.generation and not newest.checks and not checked):
        raise PublishRefusedError(
            f"{asset}: the checks of generation {newest.id} have not run; "
            f"materialize {pipeline.index_key(index)} with its checks. The published index stays as it is"
        )
    if (report := _report_superseded(pipeline, index, pointer, generation)) is not None:
        return report
    if not generation.passed:
        raise PublishRefusedError(
            f"{asset}: generation {generation.id} failed {describe_failed_checks(generation)}. "
            "The published index stays as it is"
        )
    return _move_pointer(pipeline, index, pointer, generation)


def release(pipeline: Pipeline, index: str) -> PublishReport:
    """Publish the newest generation of an index's declaration whose checks passed, and end a hold.

    Raises:
        PublishRefusedError: there is none; the hold stays then.
        PublishConflictError: another publish came first.
    """
    asset = pipeline.published_key(index)
    pointer = pipeline.store.published.get(pipeline.spec.name, index)
    generations = candidates(pipeline, index)
    generation = next((candidate for candidate in generations if candidate.passed), None)
    if generation is None:
        reason = "was never built" if not generations else f"has none; generation {_why_not(generations[0])}"
        raise PublishRefusedError(
            f"{asset}: there is no generation to publish whose checks passed: {pipeline.index_key(index)} as it is "
            f"declared now {reason}. Run the pipeline: embeddings-orch run"
        )
    if not pointer.held and (report := _report_superseded(pipeline, index, pointer, generation)) is not None:
        return report
    return _move_pointer(pipeline, index, pointer, generation)


def candidates(pipeline: Pipeline, index: str) -> list[Generation]:
    """The generations of an index as it is declared now, newest first."""
    table = current_table(pipeline, index)
    generations = [
        generation
        for generation in pipeline.store.generations.of(pipeline.spec.name, index)
        if generation.table == table
    ]
    return sorted(generations, key=lambda generation: generation.version, reverse=True)


def describe_failed_checks(generation: Generation) -> str:
    """The blocking checks that a generation failed, with what they found."""
    return "; ".join(f"{c.name}: {c.description}" for c in generation.checks if c.blocking and not c.passed)


def move(
    pipeline: Pipeline, index: str, expected: Pointer, target: Pointer, *, kind: PublicationKind = "publish"
) -> bool:
    """Swap a pointer and log the move.

    Returns:
        False where the pointer is not the expected one.

    Raises:
        PublishRefusedError: the target is no more; the pointer is back then.
    """
    store, name = pipeline.store, pipeline.spec.name
    if not store.published.swap(name, index, expected, target):
        return False
    # gc takes the deployment's name off a generation, then looks whether search was pointed at it; one of the two sees
    # the other. Where another deployment has it still, it becomes this one's again.
    if not store.generations.adopt(target.generation or ""):
        store.published.swap(name, index, target, expected)
        raise PublishRefusedError(f"{pipeline.published_key(index)}: gc has removed generation {target.generation}")
    if target.generation != expected.generation:
        store.publications.add(name, index, generation=target.generation or "", previous=expected.generation, kind=kind)
    return True


def _move_pointer(pipeline: Pipeline, index: str, pointer: Pointer, generation: Generation) -> PublishReport:
    asset = pipeline.published_key(index)
    target = Pointer(generation.id)
    if (pointer.generation, pointer.held) == (generation.id, False) or move(pipeline, index, pointer, target):
        return PublishReport(asset, generation, pointer.generation)
    now = pipeline.store.published.get(pipeline.spec.name, index)
    report = _report_held(pipeline, index, now) or _report_superseded(pipeline, index, now, generation)
    if report is not None:
        return report
    if now.generation == generation.id:
        return PublishReport(asset, generation, now.generation, message="another run published it at the same time")
    raise PublishConflictError(
        f"{asset}: another publish came first and points at {now.generation}; run again to publish {generation.id}"
    )


def _report_held(pipeline: Pipeline, index: str, pointer: Pointer) -> PublishReport | None:
    if not is_held(pipeline, index, pointer):
        return None
    generation = pipeline.store.generations.get(pointer.generation or "")
    if generation is None:  # the store was meddled with; to go on is better than to hold nothing
        return None
    return PublishReport(
        pipeline.published_key(index),
        generation,
        generation.id,
        held=True,
        message=f"held at generation {generation.id}; to release it: embeddings-orch publish {index}",
    )


def _report_superseded(
    pipeline: Pipeline, index: str, pointer: Pointer, generation: Generation
) -> PublishReport | None:
    """Where a newer generation of the same table is published already: another run was faster."""
    now = pipeline.store.generations.get(pointer.generation or "")
    if now is None or now.table != generation.table or now.version <= generation.version:
        return None
    message = f"generation {generation.id} is superseded: another run published {now.id}, which is newer"
    return PublishReport(pipeline.published_key(index), now, now.id, held=pointer.held, message=message)


def _why_not(generation: Generation) -> str:
    return (
        f"{generation.id} {'failed ' + describe_failed_checks(generation) if generation.checks else 'was not checked'}"
    )


def hash_declaration(pipeline: Pipeline, index: str) -> str:
    """A hash that changes when the declaration of an index or of one of its models does, in more than how it runs."""
    spec = pipeline.spec.indexes[index]
    # Without defaults: a later version of this package may declare more of them.
    settings = spec.model_dump(mode="json", exclude_defaults=True, exclude={"map"})
    # Options of the full text that are the default change nothing, also where they are written out, nor does a default
    # that becomes another one: a hold outlives it.
    if spec.text_columns:
        settings["full_text"] = list(spec.text_columns)
    if options := options_of(spec.text_columns, spec.analysis):
        settings["analysis"] = options
    vectors = {
        name: [_fingerprint(pipeline, name), str(pipeline.spec.embeddings[name].inputs)] for name in spec.vectors
    }
    return digest({"index": settings, "vectors": vectors})


def is_held(pipeline: Pipeline, index: str, pointer: Pointer) -> bool:
    """Whether a run has to leave a pointer alone: it is held, against the declaration as it stands."""
    return pointer.held and pointer.hold_version in ("", hash_declaration(pipeline, index))


def _fingerprint(pipeline: Pipeline, name: str) -> str:
    try:
        return str(pipeline.spec.embeddings[name].config.fingerprint())
    except EmbeddingsOrchError:
        # A rollback has to work where the model's weights are missing, as they may be the reason for it.
        state = pipeline.store.states.get(pipeline.spec.name, name)
        return state.fingerprint if state else ""
