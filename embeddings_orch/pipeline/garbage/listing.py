"""What gc would remove: a list to look at first; `pipeline.collect` removes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.generations import Generation
from embeddings_orch.store.maps import MapHeader
from embeddings_orch.store.prune import removable

Kind = Literal["pointer", "generation", "table", "map", "state", "failures", "vectors", "versions"]

_WORTH = 10
"""Old versions of a small table that are worth a clean-up, which makes some itself."""

SMALL_TABLES = ("generations", "published", "publications", "embedding_states", "failures", "maps")


@dataclass(frozen=True)
class Garbage:
    """One thing that nobody needs any more.

    Attributes:
        name: ``pipeline/index`` of a pointer, ``pipeline/embedding`` of a state, a generation's id (of maps as well),
            a model's fingerprint for failures, else a table of the store.
        index: whose generation, map or table it is, as ``pipeline/index``; else empty.
        bytes: None where they are known only once it is removed.
    """

    kind: Kind
    name: str
    why: str
    index: str = ""
    rows: int = 0
    versions: int = 0
    bytes: int | None = None


@dataclass(frozen=True)
class GcPlan:
    """What would be removed, in the order of removal, and the ids of the generations that stay."""

    pipeline: str
    garbage: tuple[Garbage, ...]
    kept: frozenset[str]


def make_gc(needs: Needs) -> GcPlan:
    """List what nobody needs any more; nothing is written.

    Raises:
        EmbeddingsOrchError: a declared model's identity cannot be read, so its vectors cannot be told from garbage;
            or the store holds nothing of the pipeline to forget.
    """
    store = needs.pipeline.store
    _check_forget(needs)
    kept = needs.generations()
    gone = [one for one in store.generations.all() if one.pipeline in needs.names and one not in kept]
    garbage = [*_pointers(needs, kept), *_generations(needs, gone), *_tables(needs, kept), *_maps(needs)]
    garbage += [*_states(needs), *_models(needs), *_catalogs(needs), *_versions(needs, garbage)]
    return GcPlan(needs.pipeline.spec.name, tuple(garbage), frozenset(one.id for one in kept))


def _check_forget(needs: Needs) -> None:
    if needs.forget is None:
        return
    there = pipelines_of(needs.pipeline)
    if needs.forget in {spec.name for spec in (needs.pipeline.spec, *needs.others)}:
        raise EmbeddingsOrchError(f"the pipeline {needs.forget!r} is declared; take it out of the project to forget it")
    if needs.forget not in there:
        listed = ", ".join(sorted(there)) or "none"
        raise EmbeddingsOrchError(f"the store holds nothing of a pipeline {needs.forget!r}; it has: {listed}")


def pipelines_of(pipeline: Pipeline) -> set[str]:
    """The names of all pipelines that a store has something of."""
    store = pipeline.store
    tables = (name.split(".") for name in store.table_names())
    return {
        *(parts[1] for parts in tables if parts[0] in ("catalog", "index") and len(parts) > 1),
        *(name for name, _ in store.published.all()),
        *(name for name, _ in store.states.all()),
        *(one.pipeline for one in store.generations.all()),
    }


def why_undeclared(needs: Needs, name: str, index: str) -> str:
    """Why an index is no index of the project any more; empty where it is one."""
    if name == needs.forget:
        return f"the pipeline {name} is forgotten"
    return "" if index in needs.pipeline.spec.indexes else f"the index {index} is no longer declared"


def _pointers(needs: Needs, kept: Iterable[Generation]) -> Iterator[Garbage]:
    used = {(one.pipeline, one.index) for one in kept}
    for name, index in needs.pipeline.store.published.all():
        if name in needs.names and (name, index) not in used and (why := why_undeclared(needs, name, index)):
            yield Garbage("pointer", f"{name}/{index}", why, f"{name}/{index}", rows=1)


def _generations(needs: Needs, gone: Iterable[Generation]) -> Iterator[Garbage]:
    for one in gone:
        spec = needs.pipeline.spec.indexes.get(one.index)
        current = one.table == needs.table(one.index)
        what = "versions of the current table" if current else "published ones of earlier tables"
        why = (
            why_undeclared(needs, one.pipeline, one.index) or f"not of the last {spec and spec.keep_generations} {what}"
        )
        yield Garbage("generation", one.id, why, f"{one.pipeline}/{one.index}", rows=one.rows, versions=1)


def _tables(needs: Needs, kept: Iterable[Generation]) -> Iterator[Garbage]:
    """Index tables that no generation is kept of; those without any are what a killed gc or build left."""
    store = needs.pipeline.store
    used = {one.table for one in kept} | {needs.table(index) for index in needs.pipeline.spec.indexes}
    recorded = {one.table for one in store.generations.all()}
    for name in store.table_names():
        parts = name.split(".")
        if parts[0] == "index" and len(parts) == 4 and parts[1] in needs.names and name not in used:
            table = store.index(name)
            if not needs.young(table):
                why = why_undeclared(needs, parts[1], parts[2]) or (
                    "none of its generations is kept" if name in recorded else "no generation was recorded of it"
                )
                yield _table(table, why, f"{parts[1]}/{parts[2]}")


def _maps(needs: Needs) -> Iterator[Garbage]:
    """Maps whose generation is gone: what a killed gc left, or a run that made one while gc was at work."""
    store = needs.pipeline.store
    recorded = {one.id for one in store.generations.all()}
    lost: dict[str, list[MapHeader]] = {}
    for one in store.maps.headers():
        if one.generation not in recorded and one.table.split(".")[1] in needs.names:
            lost.setdefault(one.generation, []).append(one)
    for generation, headers in lost.items():
        if max(one.made_at for one in headers) < needs.used_since:
            _, name, index, _ = headers[0].table.split(".")
            yield Garbage("map", generation, "its generation is gone", f"{name}/{index}", rows=len(headers))


def _states(needs: Needs) -> Iterator[Garbage]:
    for name, embedding in needs.pipeline.store.states.all():
        if name == needs.forget:
            yield Garbage("state", f"{name}/{embedding}", f"the pipeline {name} is forgotten", rows=1)
        elif name == needs.pipeline.spec.name and embedding not in needs.pipeline.spec.embeddings:
            yield Garbage("state", f"{name}/{embedding}", f"the embedding {embedding} is no longer declared", rows=1)


def _models(needs: Needs) -> Iterator[Garbage]:
    store, needed = needs.pipeline.store, needs.fingerprints()
    why = "no pipeline and no kept generation has this model"
    for fingerprint, failures in store.failures.by_fingerprint().items():
        if fingerprint not in needed and max(one.at for one in failures) < needs.used_since:
            yield Garbage("failures", fingerprint, why, rows=len(failures))
    for name in store.table_names():
        kind, _, fingerprint = name.partition(".")
        if kind == "vectors" and fingerprint not in needed:
            table = TableOf(store, name)
            if not needs.young(table):
                yield _table(table, why, kind="vectors")


def _catalogs(needs: Needs) -> Iterator[Garbage]:
    table = TableOf(needs.pipeline.store, f"catalog.{needs.forget}")
    if needs.forget and table.name in needs.pipeline.store.table_names() and not needs.young(table):
        yield _table(table, f"the pipeline {needs.forget} is forgotten")


def _versions(needs: Needs, garbage: Sequence[Garbage]) -> Iterator[Garbage]:
    """Versions of tables that stay: by age, and after the records of the generations that go now."""
    dropped = {one.name for one in garbage if one.kind == "table"}
    forgotten = {one.name for one in garbage if one.kind == "generation"}
    generations = needs.pipeline.store.generations.all()
    for table in tables_to_prune(needs):
        if table.name in dropped:
            continue
        gone = {one.version for one in generations if one.table == table.name and one.id in forgotten}
        # With a generation go the versions before it; the few that a build makes on its way are not worth a line.
        apart = timedelta(0) if gone else needs.apart
        old = removable(table.history(), needs.versions(table) - gone, needs.used_since, apart)
        if len(old) >= (1 if table.name.startswith("index.") else _WORTH):
            why = "older than all that is kept" if table.name.startswith("index.") else "older than the latest"
            yield Garbage("versions", table.name, why, versions=len(old))


def tables_to_prune(needs: Needs) -> Iterator[TableOf]:
    """The tables whose old versions are removed; vectors are only ever appended, so that theirs take no room."""
    there = needs.pipeline.store.table_names()
    for name in there:
        parts = name.split(".")
        index = parts[0] == "index" and len(parts) == 4
        if name in SMALL_TABLES or ((parts[0] == "catalog" or index) and parts[1] in needs.names):
            yield TableOf(needs.pipeline.store, name)


def _table(table: TableOf, why: str, index: str = "", kind: Kind = "table") -> Garbage:
    return Garbage(kind, table.name, why, index, table.total(), len(table.history()), table.bytes)


def to_json(garbage: Iterable[Garbage]) -> list[dict[str, Any]]:
    """A list that ``gc --json`` prints."""
    return [
        {"kind": one.kind, "name": one.name, "index": one.index or None, "why": one.why, "rows": one.rows,
         "versions": one.versions, "bytes": one.bytes}
        for one in garbage
    ]  # fmt: skip
