"""The deployments of a store: what each has, and how one that is gone is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.store import Store
from embeddings_orch.store.base import TableOf
from embeddings_orch.store.claims import Claims, alone, deployment_of
from embeddings_orch.store.names import QualifiedName, TableName


@dataclass(frozen=True)
class Deployment:
    """What a store has of one deployment.

    Attributes:
        current: whether it is that of this process.
        pipelines: their names.
        published: the generation that each ``pipeline/index`` points at.
        catalogs: for each pipeline that was scanned, the number of its items.
        generations: that it built or adopted.
        last_activity: when it last scanned, built or published something; None where that cannot be told.
    """

    name: str
    current: bool
    pipelines: tuple[str, ...]
    published: dict[str, str]
    catalogs: dict[str, int]
    generations: int
    last_activity: datetime | None

    def to_json(self) -> dict[str, Any]:
        """As ``deployments list --json`` prints it."""
        at = self.last_activity
        return {**self.__dict__, "pipelines": list(self.pipelines), "last_activity": at.isoformat() if at else None}


@dataclass(frozen=True)
class DroppedDeployment:
    """What was removed of a deployment; index tables and vectors that nobody needs any more are gc's.

    Attributes:
        tables: that were its own.
        generations: ids of those that it had.
    """

    name: str
    tables: tuple[str, ...]
    generations: tuple[str, ...]


def list_deployments(store: Store) -> list[Deployment]:
    """The deployments that a store has something of, by name."""
    generations = store.generations.all()
    tables = [TableName(name) for name in store.table_names()]
    names = {table.deployment for table in tables if table.deployment}
    names |= {deployment for generation in generations for deployment in generation.deployments}
    names |= {str(row["deployment"]) for records in _records(store) for row in records.rows()}
    return [_describe(store, name) for name in sorted(names)]


def drop_deployment(store: Store, name: str, make_claims: Callable[[Store], Claims] = Claims) -> DroppedDeployment:
    """Remove all that is a deployment's own; what a killed drop left, the next one removes.

    Args:
        store: opened as another deployment.
        name: of the deployment.
        make_claims: for the claims that are looked at.

    Raises:
        EmbeddingsOrchError: it is the deployment of this process, or the store has nothing of it.
        StoreError: a run of it is going on, or the store cannot be used.
    """
    if name == store.deployment:
        raise EmbeddingsOrchError(f"{name} is the deployment that this process works for; it cannot drop itself")
    names = [deployment.name for deployment in list_deployments(store)]
    if name not in names:
        raise EmbeddingsOrchError(
            f"the store has nothing of a deployment {name!r}; it has: {', '.join(names) or 'none'}"
        )
    # A gc of the deployment would write some of it anew.
    with alone(store, "gc"):
        with make_claims(store) as claims:
            _refuse_running(claims, name)
        own = Store(store.uri, name)
        for records in _records(own):
            records.delete_rows(f"deployment = '{name}'")
        tables = tuple(sorted(table for table in own.table_names() if _is_own(table, name)))
        for table in tables:
            own.drop(table)
        # Last: by them a drop that was killed is found again.
        generations = tuple(generation.id for generation in own.generations.all() if name in generation.deployments)
        own.generations.remove(generations)
    return DroppedDeployment(name, tables, generations)


def _records(store: Store) -> Iterator[TableOf]:
    """The tables with rows of deployments, in the order in which they are forgotten."""
    yield from (store.states, store.index_states, store.scans, store.published, store.publications)


def _is_own(table: str, deployment: str) -> bool:
    """Whether a table is a catalog of a deployment, or what was deleted from one."""
    return table.startswith((f"items.{deployment}.", f"tombstones.{deployment}."))


def _refuse_running(claims: Claims, name: str) -> None:
    keys = sorted(claim.key for claim in claims.table.all() if deployment_of(claim.holder) == name)
    for key in keys:
        claims.watch(key)
        if key not in claims.free([key]):
            raise StoreError(f"a run of the deployment {name} works on {key}; drop it when that has ended")


def _describe(store: Store, name: str) -> Deployment:
    own = Store(store.uri, name)
    catalogs = {
        table.pipeline: own.catalog(table.pipeline)
        for table in map(TableName, store.table_names())
        if table.deployment == name
    }
    pointers = {QualifiedName.of(*key): pointer for key, pointer in own.published.all().items()}
    generations = [generation for generation in own.generations.all() if name in generation.deployments]
    times = [
        *(row["updated_at"] for row in own.published.rows(f"deployment = '{name}'")),
        *(row["at"] for row in own.publications.rows(f"deployment = '{name}'")),
        *(generation.created_at for generation in generations),
        *(at for catalog in catalogs.values() if (at := catalog.last_written()) is not None),
    ]
    pipelines = {
        *catalogs,
        *(key.pipeline for key in pointers),
        *(pipeline for pipeline, _ in own.states.all()),
        *(generation.pipeline for generation in generations),
    }
    return Deployment(
        name=name,
        current=name == store.deployment,
        pipelines=tuple(sorted(pipelines)),
        published={key: pointer.generation for key, pointer in sorted(pointers.items()) if pointer.generation},
        catalogs={pipeline: catalog.total() for pipeline, catalog in sorted(catalogs.items())},
        generations=len(generations),
        last_activity=max(times, default=None),
    )
