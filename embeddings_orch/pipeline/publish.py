"""The published step: point search at a generation whose checks passed."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.index import current_generation
from embeddings_orch.store.generations import Generation


@dataclass(frozen=True)
class PublishReport:
    """What a publish did.

    Attributes:
        previous: the generation that was published before, or None.
    """

    asset: str
    generation: Generation
    previous: str | None

    @property
    def changed(self) -> bool:
        """Whether the pointer moved."""
        return self.previous != self.generation.id


def publish(pipeline: Pipeline, index: str) -> PublishReport:
    """Point an index at the newest generation of its declaration, by compare-and-swap.

    Raises:
        PublishRefusedError: there is none, its checks have not run or not passed, or another publish came first.
    """
    asset = pipeline.published_key(index)
    generation = current_generation(pipeline, index)
    if generation is None:
        raise PublishRefusedError(f"{asset}: nothing to publish; materialize {pipeline.index_key(index)} first")
    if not generation.checks:
        raise PublishRefusedError(
            f"{asset}: the checks of generation {generation.id} have not run; "
            f"materialize {pipeline.index_key(index)} with its checks. The published index stays as it is"
        )
    if not generation.passed:
        failed = "; ".join(f"{c.name}: {c.description}" for c in generation.checks if c.blocking and not c.passed)
        raise PublishRefusedError(
            f"{asset}: generation {generation.id} failed {failed}. The published index stays as it is"
        )
    pointer = pipeline.store.published.get(pipeline.spec.name, index)
    if pointer.generation != generation.id and not pipeline.store.published.swap(
        pipeline.spec.name, index, pointer.generation, generation.id
    ):
        now = pipeline.store.published.get(pipeline.spec.name, index).generation
        if now == generation.id:
            return PublishReport(asset, generation, now)  # the other run published the same generation
        raise PublishRefusedError(
            f"{asset}: another publish came first and points at {now}; run again to publish {generation.id}"
        )
    return PublishReport(asset, generation, pointer.generation)
