"""What gc would remove: a list to look at first; `pipeline.garbage.collect` removes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.garbage.kinds import (
    FailuresGarbage,
    Garbage,
    GenerationGarbage,
    MapGarbage,
    PointerGarbage,
    StateGarbage,
    TableGarbage,
    VectorsGarbage,
    VersionsGarbage,
)
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.names import QualifiedName, TableName
from embeddings_orch.store.prune import removable
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.maps import MapHeader


class _Size(TypedDict):
    rows: int
    versions: int
    bytes: int


_WORTH = 10
"""Old versions of a small table that are worth a clean-up, which makes some itself."""

SMALL_TABLES = (
    *("index_generations", "pointers", "publication_log", "states", "index_states", "scans"),
    *("embedding_failures", "maps"),
)


@dataclass(frozen=True)
class GcPlan:
    """What would be removed, in the order of removal, and the ids of the generations that the deployment keeps."""

    pipeline: str
    garbage: tuple[Garbage, ...]
    kept: frozenset[str]


def make_gc(needs: Needs) -> GcPlan:
    """List what nobody needs any more; write nothing.

    Raises:
        EmbeddingsOrchError: a declared model's identity cannot be read, so its vectors cannot be told from garbage;
            or the store holds nothing of the pipeline to forget.
    """
    store = needs.pipeline.store
    _check_forget(needs)
    needed, own = needs.generations(), needs.own_generations()
    kept = frozenset(generation.id for generation in own)
    unneeded = [
        generation
        for generation in store.generations.all()
        # One of no deployment is what a killed gc left.
        if generation.pipeline in needs.names
        and generation.id not in kept
        and (needs.is_own(generation) or not generation.deployments)
    ]
    garbage = [*_pointers(needs, own), *_generations(needs, unneeded), *_tables(needs, needed), *_maps(needs)]
    garbage += [*_states(needs), *_models(needs), *_catalogs(needs), *_versions(needs, garbage)]
    return GcPlan(needs.pipeline.spec.name, tuple(garbage), kept)


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
    """The names of all pipelines that a store has something of the deployment of, or tables that deployments share."""
    store = pipeline.store
    tables = map(TableName, store.table_names())
    return {
        *(table.pipeline for table in tables if table.pipeline and table.deployment in ("", store.deployment)),
        *(name for name, _ in store.published.all()),
        *(name for name, _ in store.states.all()),
        *(generation.pipeline for generation in store.generations.all() if store.deployment in generation.deployments),
    }


def why_undeclared(needs: Needs, name: str, index: str) -> str:
    """Why an index is no index of the project any more; empty where it is one."""
    if name == needs.forget:
        return f"the pipeline {name} is forgotten"
    return "" if index in needs.pipeline.spec.indexes else f"the index {index} is no longer declared"


def _pointers(needs: Needs, needed: Iterable[Generation]) -> Iterator[Garbage]:
    used = {(generation.pipeline, generation.index) for generation in needed}
    for name, index in needs.pipeline.store.published.all():
        if name in needs.names and (name, index) not in used and (why := why_undeclared(needs, name, index)):
            yield PointerGarbage(of=QualifiedName.of(name, index), why=why, rows=1)


def _generations(needs: Needs, unneeded: Iterable[Generation]) -> Iterator[Garbage]:
    for generation in unneeded:
        spec = needs.pipeline.spec.indexes.get(generation.index)
        current = generation.table == needs.table(generation.index)
        what = "versions of the current table" if current else "published ones of earlier tables"
        why = (
            why_undeclared(needs, generation.pipeline, generation.index)
            or f"not of the last {spec and spec.keep_generations} {what}"
        )
        of = QualifiedName.of(generation.pipeline, generation.index)
        yield GenerationGarbage(id=generation.id, of=of, why=why, rows=generation.rows, versions=1)


def _tables(needs: Needs, needed: Iterable[Generation]) -> Iterator[Garbage]:
    """Index tables that no generation is kept of; those without any are what a killed gc or build left."""
    store = needs.pipeline.store
    used = {generation.table for generation in needed} | {needs.table(index) for index in needs.pipeline.spec.indexes}
    recorded = {generation.table for generation in store.generations.all()}
    for name in map(TableName, store.table_names()):
        index = name.declared_as
        if index is not None and index.pipeline in needs.names and name not in used:
            table = store.index(name)
            if not needs.young(table):
                why = why_undeclared(needs, index.pipeline, index.name) or (
                    "none of its generations is kept" if name in recorded else "no generation was recorded of it"
                )
                yield TableGarbage(table=name, why=why, **_measure(table))


def _maps(needs: Needs) -> Iterator[Garbage]:
    """Maps whose generation is gone: what a killed gc left, or a run that made one while gc was at work."""
    store = needs.pipeline.store
    recorded = {generation.id for generation in store.generations.all()}
    lost: dict[str, list[MapHeader]] = {}
    for header in store.maps.headers():
        if header.generation not in recorded and TableName(header.table).pipeline in needs.names:
            lost.setdefault(header.generation, []).append(header)
    for generation_id, headers in lost.items():
        of = TableName(headers[0].table).declared_as
        if of is not None and max(header.made_at for header in headers) < needs.used_since:
            yield MapGarbage(generation=generation_id, of=of, why="its generation is gone", rows=len(headers))


def _states(needs: Needs) -> Iterator[Garbage]:
    for name, embedding in needs.pipeline.store.states.all():
        of = QualifiedName.of(name, embedding)
        if name == needs.forget:
            yield StateGarbage(of=of, why=f"the pipeline {name} is forgotten", rows=1)
        elif name == needs.pipeline.spec.name and embedding not in needs.pipeline.spec.embeddings:
            yield StateGarbage(of=of, why=f"the embedding {embedding} is no longer declared", rows=1)


def _models(needs: Needs) -> Iterator[Garbage]:
    store, needed = needs.pipeline.store, needs.fingerprints()
    why = "no pipeline and no kept generation has this model"
    for fingerprint, failures in store.failures.by_fingerprint().items():
        if fingerprint not in needed and max(failure.at for failure in failures) < needs.used_since:
            yield FailuresGarbage(fingerprint=fingerprint, why=why, rows=len(failures))
    for name in map(TableName, store.table_names()):
        if name.kind == "vectors" and name.fingerprint not in needed:
            table = TableOf(store, name)
            if not needs.young(table):
                yield VectorsGarbage(table=name, why=why, **_measure(table))


def _catalogs(needs: Needs) -> Iterator[Garbage]:
    if needs.forget is None:
        return
    name = TableName.of_catalog(needs.forget, needs.pipeline.store.deployment)
    table = TableOf(needs.pipeline.store, name)
    if name in needs.pipeline.store.table_names() and not needs.young(table):
        yield TableGarbage(table=name, why=f"the pipeline {needs.forget} is forgotten", **_measure(table))


def _versions(needs: Needs, garbage: Sequence[Garbage]) -> Iterator[Garbage]:
    """Versions of tables that stay: by age, and after the records of the generations that go now."""
    dropped = {item.name for item in garbage if item.kind in ("table", "vectors")}
    forgotten = {item.name for item in garbage if item.kind == "generation"}
    generations = needs.pipeline.store.generations.all()
    others = {generation.id for generation in generations if generation.deployments - {needs.pipeline.store.deployment}}
    forgotten -= others
    for table in tables_to_prune(needs):
        if table.name in dropped:
            continue
        forgotten_versions = {
            generation.version
            for generation in generations
            if generation.table == table.name and generation.id in forgotten
        }
        # With a generation go the versions before it; the few that a build makes on its way are not worth a line.
        apart = timedelta(0) if forgotten_versions else needs.apart
        old = removable(table.history(), needs.versions(table) - forgotten_versions, needs.used_since, apart)
        name = TableName(table.name)
        if len(old) >= (1 if name.kind == "index" else _WORTH):
            why = "older than all that is kept" if name.kind == "index" else "older than the latest"
            yield VersionsGarbage(table=name, why=why, versions=len(old))


def tables_to_prune(needs: Needs) -> Iterator[TableOf]:
    """The tables whose old versions are removed; of vectors, other pipelines read the latest version alone as well."""
    for name in map(TableName, needs.pipeline.store.table_names()):
        own = name.pipeline in needs.names and name.deployment in ("", needs.pipeline.store.deployment)
        if name in SMALL_TABLES or name.kind == "vectors" or own:
            yield TableOf(needs.pipeline.store, name)


def _measure(table: TableOf) -> _Size:
    return {"rows": table.total(), "versions": len(table.history()), "bytes": table.bytes}


def to_json(garbage: Iterable[Garbage]) -> list[dict[str, Any]]:
    """A list that ``gc --json`` prints."""
    return [
        {"kind": item.kind, "name": item.name, "index": item.index or None, "why": item.why, "rows": item.rows,
         "versions": item.versions, "bytes": item.bytes}
        for item in garbage
    ]  # fmt: skip
