"""Removes what gc listed: records before what they speak of, and each thing only if nobody needs it by then either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.claims import Claims, alone
from embeddings_orch.pipeline.garbage.listing import Garbage, GcPlan, make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.prune import prune


@dataclass
class GcReport:
    """What gc removed.

    Attributes:
        removed: with the bytes that were freed, where they can be told.
        left: what it left alone, with the reason: it is in use again, or could not be removed.
    """

    removed: list[Garbage] = field(default_factory=list)
    left: list[tuple[Garbage, str]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """The bytes that were freed."""
        return sum(garbage.bytes or 0 for garbage in self.removed)


def collect(needs: Needs, agreed: GcPlan) -> GcReport:
    """Remove what a plan lists, less what is needed again since; what a killed gc left is in the next one's list.

    Raises:
        EmbeddingsOrchError: as `make_gc`.
    """
    report = GcReport()
    if not agreed.garbage:
        return report
    # Two at once would take each other's marks off the versions to keep.
    with alone(needs.pipeline.store, "gc"):
        listed = {(item.kind, item.name) for item in agreed.garbage}
        for garbage in make_gc(needs).garbage:
            if (garbage.kind, garbage.name) not in listed:
                continue
            done = _try_drop(needs, garbage)
            if isinstance(done, str):
                report.left.append((garbage, done))
            else:
                report.removed.append(done)
    return report


def _try_drop(needs: Needs, garbage: Garbage) -> Garbage | str:
    """What was removed, or why it was not."""
    try:
        with Claims(needs.pipeline.store) as claims:
            claim = _claim(garbage)
            if claim and not claims.take([claim]):
                return "a run works on it"
            return _REMOVE[garbage.kind](needs, garbage) or "in use again"
    except StoreError as error:
        return str(error)


def _claim(garbage: Garbage) -> str:
    """The claim of a run that writes the same table."""
    kind, _, name = garbage.name.partition(".")
    if garbage.kind in ("table", "versions") and kind in ("index", "catalog"):
        return f"index/{garbage.name}" if kind == "index" else f"catalog/{name}"
    return ""


def _pointer(needs: Needs, garbage: Garbage) -> Garbage | None:
    name, _, index = garbage.name.partition("/")
    if any((generation.pipeline, generation.index) == (name, index) for generation in needs.generations()):
        return None
    needs.pipeline.store.published.remove(name, index)
    return garbage


def _generation(needs: Needs, garbage: Garbage) -> Garbage | None:
    store = needs.pipeline.store
    name, _, index = garbage.index.partition("/")
    generation = store.generations.get(garbage.name)
    if store.published.get(name, index).generation == garbage.name:
        return None
    store.generations.remove([garbage.name])
    # A publish moves the pointer, then looks whether its generation is there; one of the two sees the other.
    if generation is not None and store.published.get(name, index).generation == garbage.name:
        store.generations.put(generation)
        return None
    store.publications.remove(garbage.name)
    store.maps.remove([garbage.name])
    return garbage


def _table(needs: Needs, garbage: Garbage) -> Garbage | None:
    table = TableOf(needs.pipeline.store, garbage.name)
    if needs.young(table) or needs.versions(table):
        return None
    if garbage.name.startswith("index."):
        needs.pipeline.store.publications.remove_table(garbage.name)
        needs.pipeline.store.maps.remove_table(garbage.name)
    return _drop(table, garbage)


def _vectors(needs: Needs, garbage: Garbage) -> Garbage | None:
    table = TableOf(needs.pipeline.store, garbage.name)
    if needs.young(table) or garbage.name.partition(".")[2] in needs.fingerprints():
        return None
    return _drop(table, garbage)


def _drop(table: TableOf, garbage: Garbage) -> Garbage:
    freed = table.bytes
    table.drop()
    return replace(garbage, bytes=freed)


def _map(needs: Needs, garbage: Garbage) -> Garbage | None:
    if needs.pipeline.store.generations.get(garbage.name) is not None:
        return None
    needs.pipeline.store.maps.remove([garbage.name])
    return garbage


def _failures(needs: Needs, garbage: Garbage) -> Garbage | None:
    if garbage.name in needs.fingerprints():
        return None
    needs.pipeline.store.failures.forget(garbage.name)
    return garbage


def _state(needs: Needs, garbage: Garbage) -> Garbage | None:
    name, _, embedding = garbage.name.partition("/")
    needs.pipeline.store.states.remove(name, embedding)
    return garbage


def _versions(needs: Needs, garbage: Garbage) -> Garbage | None:
    store = needs.pipeline.store
    table = TableOf(store, garbage.name)
    before, latest = table.bytes, _latest(table)
    removed = prune(table, needs.versions(table), needs.used_since)
    now = _latest(table)
    if garbage.name.startswith("catalog.") and now != latest:
        # The same rows under another number: a run without changes then writes nothing.
        name = garbage.name.partition(".")[2]
        for embedding, state in store.states.of_pipeline(name).items():
            if state.catalog_version == latest and now is not None:
                store.states.put(name, embedding, replace(state, catalog_version=now))
    return replace(garbage, versions=removed, bytes=max(0, before - table.bytes))


def _latest(table: TableOf) -> int | None:
    history = table.history()
    return history[-1].number if history else None


_REMOVE: dict[str, Callable[[Needs, Garbage], Garbage | None]] = {
    "pointer": _pointer,
    "generation": _generation,
    "table": _table,
    "map": _map,
    "state": _state,
    "failures": _failures,
    "vectors": _vectors,
    "versions": _versions,
}


def indexes_that_lost(report: GcReport) -> dict[str, list[Garbage]]:
    """What was removed of each index, by ``pipeline/index``."""
    lost: dict[str, list[Garbage]] = {}
    for garbage in report.removed:
        parts = garbage.name.split(".")
        key = garbage.index or (f"{parts[1]}/{parts[2]}" if parts[0] == "index" and len(parts) == 4 else "")
        if key:
            lost.setdefault(key, []).append(garbage)
    return lost
