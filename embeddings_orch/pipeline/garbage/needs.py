"""What the pipelines of a store need: which generations, models and versions gc has to leave alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.delta import table_name
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.names import TableName
from embeddings_orch.store.prune import APART
from embeddings_orch.store.tables.generations import Generation


def utc_now() -> datetime:
    """The time of the day."""
    return datetime.now(UTC)


@dataclass
class Needs:
    """What a store's pipelines need, as it is at the time it is asked.

    Args:
        pipeline: whose garbage is looked for.
        forget: another pipeline of the store, of which nothing is needed any more.
        others: declared pipelines of the same project; their models are needed from before their first run ends.
        clock: tells the time.
        apart: how much older than all that stays a version has to be to be listed for its age alone.
    """

    pipeline: Pipeline
    forget: str | None = None
    others: Sequence[PipelineSpec] = ()
    clock: Callable[[], datetime] = utc_now
    apart: timedelta = APART
    declared: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        specs = [self.pipeline.spec, *self.others]
        self.declared = frozenset(
            embedding.config.fingerprint() for spec in specs for embedding in spec.embeddings.values()
        )

    @property
    def used_since(self) -> datetime:
        """The time since which all that was in use is left alone."""
        return self.clock() - timedelta(seconds=self.pipeline.spec.store.gc_grace)

    @property
    def names(self) -> list[str]:
        """The pipelines whose garbage is collected."""
        return [self.pipeline.spec.name, *([self.forget] if self.forget else [])]

    def is_own(self, generation: Generation) -> bool:
        """Whether a generation belongs to the deployment."""
        return self.pipeline.store.deployment in generation.deployments

    def own_generations(self) -> list[Generation]:
        """The generations that the deployment needs, of all its pipelines."""
        by_index: dict[tuple[str, str], list[Generation]] = {}
        for generation in filter(self.is_own, self.pipeline.store.generations.all()):
            by_index.setdefault((generation.pipeline, generation.index), []).append(generation)
        needed: list[Generation] = []
        for (name, index), generations in by_index.items():
            ids = (
                self.needed_generations(name, index, generations)
                if name in self.names
                else {generation.id for generation in generations}
            )
            needed += [generation for generation in generations if generation.id in ids]
        return needed

    def generations(self) -> list[Generation]:
        """The generations that any deployment of the store needs; other deployments say themselves what they do not."""
        own, deployment = {generation.id for generation in self.own_generations()}, self.pipeline.store.deployment
        return [
            generation
            for generation in self.pipeline.store.generations.all()
            if generation.id in own or generation.deployments - {deployment}
        ]

    def needed_generations(self, name: str, index: str, generations: Sequence[Generation]) -> set[str]:
        """The ids of those that the deployment needs among its generations of one index, given oldest first."""
        store = self.pipeline.store
        log = store.publications.of(name, index)
        used = {generation.id: generation.created_at for generation in generations}
        published_at: dict[str, datetime] = {}
        for entry in log:
            published_at[entry.generation] = entry.at
            for generation_id in (entry.generation, entry.previous):
                if generation_id in used and generation_id is not None:
                    used[generation_id] = max(used[generation_id], entry.at)
        needed = {generation.id for generation in generations if used[generation.id] >= self.used_since}
        if name == self.forget or index not in self.pipeline.spec.indexes:
            return needed
        published = store.published.get(name, index).generation
        keep = self.pipeline.spec.indexes[index].keep_generations
        current = self.table(index) or next((generation.table for generation in reversed(generations)), "")
        here = sorted(
            (generation for generation in generations if generation.table == current),
            key=lambda generation: generation.version,
        )
        needed |= {generation.id for generation in here[-keep:]} | {
            generation.id for generation in [generation for generation in here if generation.passed][-1:]
        }
        last = _last_published(generations, published_at)
        earlier = [generation.id for table, generation in last if table != current]
        return needed | set(earlier[-keep:]) | ({published} & used.keys() if published else set())

    def table(self, index: str) -> str | None:
        """The table of an index as it is declared now; None before the first run."""
        return self._tables.get(index)

    @cached_property
    def _tables(self) -> dict[str, str]:
        schema = self.pipeline.store.catalog(self.pipeline.spec.name).schema()
        if schema is None:
            return {}
        return {index: table_name(self.pipeline, index, schema) for index in self.pipeline.spec.indexes}

    def fingerprints(self) -> set[str]:
        """The models whose vectors and failures are needed."""
        store = self.pipeline.store
        needed = {
            deployed.state.fingerprint
            for deployed in store.states.everywhere()
            if deployed.deployment != store.deployment or deployed.pipeline not in self.names
        }
        needed |= {model.fingerprint for generation in self.generations() for model in generation.models}
        return needed | self.declared

    def versions(self, table: TableOf) -> set[int]:
        """The versions of a table that are needed, whatever their age."""
        name = TableName(table.name)
        store = self.pipeline.store
        if name.kind == "catalog":
            states = store.states.of_pipeline(name.pipeline)
            return {state.catalog_version for state in states.values()}
        # What is still recorded, needed or not: a version goes after its record.
        if name.kind != "index":
            return set()
        return {generation.version for generation in store.generations.all() if generation.table == table.name}

    def young(self, table: TableOf) -> bool:
        """Whether a table was written a short time ago: somebody may be at it."""
        written = table.last_written()
        return written is not None and written >= self.used_since


def _last_published(
    generations: Sequence[Generation], published_at: dict[str, datetime]
) -> list[tuple[str, Generation]]:
    """The generation of each table that was published last, in the order of publication."""
    last: dict[str, tuple[datetime, Generation]] = {}
    for generation in generations:
        # A store that was written before moves were logged: what passed was published.
        logged = any(other.id in published_at for other in generations if other.table == generation.table)
        at = published_at.get(generation.id) if logged else (generation.created_at if generation.passed else None)
        if at is not None and (generation.table not in last or at >= last[generation.table][0]):
            last[generation.table] = (at, generation)
    return [(table, generation) for table, (_, generation) in sorted(last.items(), key=lambda item: item[1][0])]
