"""The kinds of garbage: each knows its name, and removes itself only if nobody needs it by then either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, Self

from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store.base import TableOf, store_errors
from embeddings_orch.store.names import QualifiedName, TableName
from embeddings_orch.store.prune import prune

GarbageKind = Literal["pointer", "generation", "table", "map", "state", "failures", "vectors", "versions"]


@dataclass(frozen=True, kw_only=True)
class Garbage(ABC):
    """One thing that nobody needs any more.

    Attributes:
        kind: what it is.
        why: nobody needs it.
        rows: it has.
        versions: it has.
        bytes: it takes; None where they are known only once it is removed.
    """

    kind: ClassVar[GarbageKind]
    why: str
    rows: int = 0
    versions: int = 0
    bytes: int | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """What tells it from others of its kind."""

    @property
    def index(self) -> QualifiedName | None:
        """The index that loses it, if any does."""
        return None

    @property
    def claim(self) -> str:
        """The claim of a run that writes the same; empty where none does."""
        return ""

    @abstractmethod
    def remove(self, needs: Needs) -> Self | None:
        """Remove it, records before what they speak of.

        Returns:
            What was removed; None where it is needed again.

        Raises:
            StoreError: the store cannot be used.
        """


@dataclass(frozen=True, kw_only=True)
class _OfIndex(Garbage):
    of: QualifiedName

    @property
    def name(self) -> str:
        """The index."""
        return self.of

    @property
    def index(self) -> QualifiedName:
        """The index."""
        return self.of


@dataclass(frozen=True, kw_only=True)
class PointerGarbage(_OfIndex):
    """Where search of an index pointed, and what the index was made from."""

    kind = "pointer"

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        if any((g.pipeline, g.index) == (self.of.pipeline, self.of.name) for g in needs.own_generations()):
            return None
        needs.pipeline.store.index_states.remove(self.of.pipeline, self.of.name)
        needs.pipeline.store.published.remove(self.of.pipeline, self.of.name)
        return self


@dataclass(frozen=True, kw_only=True)
class GenerationGarbage(_OfIndex):
    """A generation that the deployment needs no more: its record, with publications and maps, once no other has it."""

    kind = "generation"
    id: str

    @property
    def name(self) -> str:
        """Its id."""
        return self.id

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        store, pointer = needs.pipeline.store, (self.of.pipeline, self.of.name)
        generation = store.generations.get(self.id)
        if store.published.get(*pointer).generation == self.id:
            return None
        store.generations.remove([self.id])
        # A publish moves the pointer, then looks whether its generation is there; one of the two sees the other.
        if generation is not None and needs.is_own(generation) and store.published.get(*pointer).generation == self.id:
            store.generations.put(generation)
            return None
        store.publications.remove(self.id)
        if store.generations.get(self.id) is None:
            store.maps.remove([self.id])
        return self


@dataclass(frozen=True, kw_only=True)
class MapGarbage(_OfIndex):
    """The maps of a generation that is gone."""

    kind = "map"
    generation: str

    @property
    def name(self) -> str:
        """The generation's id."""
        return self.generation

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        if needs.pipeline.store.generations.get(self.generation) is not None:
            return None
        needs.pipeline.store.maps.remove([self.generation])
        return self


@dataclass(frozen=True, kw_only=True)
class StateGarbage(Garbage):
    """What an embedding covered."""

    kind = "state"
    of: QualifiedName

    @property
    def name(self) -> str:
        """The embedding."""
        return self.of

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        needs.pipeline.store.states.remove(self.of.pipeline, self.of.name)
        return self


@dataclass(frozen=True, kw_only=True)
class FailuresGarbage(Garbage):
    """What a model could not embed."""

    kind = "failures"
    fingerprint: str

    @property
    def name(self) -> str:
        """The model's fingerprint."""
        return self.fingerprint

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        if self.fingerprint in needs.fingerprints():
            return None
        needs.pipeline.store.failures.forget(self.fingerprint)
        return self


@dataclass(frozen=True, kw_only=True)
class _OfTable(Garbage):
    table: TableName

    @property
    def name(self) -> str:
        """The table."""
        return self.table

    @property
    def index(self) -> QualifiedName | None:
        """Whose table it is; None of other tables than an index's."""
        return self.table.declared_as

    def _drop(self, table: TableOf) -> Self:
        freed = table.bytes
        table.drop()
        return replace(self, bytes=freed)


@dataclass(frozen=True, kw_only=True)
class VectorsGarbage(_OfTable):
    """The vectors of a model."""

    kind = "vectors"

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        table = TableOf(needs.pipeline.store, self.table)
        if needs.young(table) or self.table.fingerprint in needs.fingerprints():
            return None
        return self._drop(table)


@dataclass(frozen=True, kw_only=True)
class _OfClaimedTable(_OfTable):
    @property
    def claim(self) -> str:
        """See `Garbage.claim`."""
        match self.table.kind:
            case "index":
                return f"index/{self.table}"
            case "catalog":
                return f"catalog/{self.table.deployment}/{self.table.pipeline}"
        return ""


@dataclass(frozen=True, kw_only=True)
class TableGarbage(_OfClaimedTable):
    """An index's table, or the catalog of a pipeline that is forgotten."""

    kind = "table"

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        store, table = needs.pipeline.store, TableOf(needs.pipeline.store, self.table)
        if needs.young(table) or needs.versions(table):
            return None
        if self.table.kind == "index":
            store.publications.remove_table(self.table)
            store.maps.remove_table(self.table)
        if self.table.kind == "catalog":
            store.tombstones(self.table.pipeline).drop()
            store.scans.remove(self.table.pipeline)
        return self._drop(table)


@dataclass(frozen=True, kw_only=True)
class VersionsGarbage(_OfClaimedTable):
    """Old versions of a table that stays."""

    kind = "versions"

    def remove(self, needs: Needs) -> Self | None:
        """See `Garbage.remove`."""
        store, table = needs.pipeline.store, TableOf(needs.pipeline.store, self.table)
        bytes_before, before = table.bytes, _latest(table)
        removed = prune(table, needs.versions(table), needs.used_since)
        after = _latest(table)
        # The same rows under another number: a run without changes then reads and writes nothing. Of vectors that
        # somebody appended meanwhile no index knows yet.
        if before is not None and after is not None and before.rows == after.rows and before.number != after.number:
            for states in (store.states, store.index_states):
                if self.table.kind == "catalog":
                    states.renumber_catalog(self.table.pipeline, before.number, after.number)
                elif self.table.kind == "vectors":
                    states.renumber_vectors(self.table.fingerprint, before.number, after.number)
        return replace(self, versions=removed, bytes=max(0, bytes_before - table.bytes))


class _Latest(NamedTuple):
    number: int
    rows: int


def _latest(table: TableOf) -> _Latest | None:
    with store_errors(f"table {table.name} of the store"):
        opened = table.at()
        return None if opened is None else _Latest(int(opened.version), int(opened.count_rows()))
