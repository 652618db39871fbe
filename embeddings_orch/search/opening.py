"""Finds an index by its name: in a project's YAML files, or in a store alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embeddings_orch.errors import SpecError, StoreError
from embeddings_orch.media.scan import root_of
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.deployment import resolve_deployment
from embeddings_orch.spec.project import Declared, Found, find, select
from embeddings_orch.store import Store
from embeddings_orch.store.names import MAIN


@dataclass(frozen=True)
class IndexLocation:
    """Where an index is, and what its pipeline declares.

    Attributes:
        configs: of its models.
        root: the folder that its media are in; None where no declaration says so.
    """

    store: Store
    pipeline: str
    configs: tuple[EmbedderConfig, ...] = ()
    root: str | None = None


def find_index(
    name: str,
    *,
    file: str | Path | None = None,
    pipeline: str | None = None,
    store: Store | str | Path | None = None,
    deployment: str | None = None,
) -> IndexLocation:
    """Find an index; see `Index.open`.

    Raises:
        SpecError: there is no such index, or there are several; a YAML is wrong.
        StoreError: the store cannot be used, nobody says which deployment, or nothing of that name is published there.
    """
    opened = None if store is None else _reopen(store, deployment)
    if opened is not None and file is None:
        return IndexLocation(opened, pipeline or _find_published(opened, name))
    pipelines = find(file=Path(file) if file is not None else None)
    declared = select(pipelines, pipeline).load() if pipeline is not None else _find_declaring(pipelines, name)
    if name not in declared.spec.indexes:
        raise SpecError(f"there is no index {name!r}{suggestion(name, declared.spec.indexes)}")
    configs = tuple(embedding.config for embedding in declared.spec.embeddings.values())
    root = root_of(declared.spec.media.config)
    if opened is None:
        opened = _open(declared.spec.store.uri, deployment or declared.spec.store.deployment)
    return IndexLocation(opened, declared.name, configs, root)


def _reopen(store: Store | str | Path, deployment: str | None) -> Store:
    if not isinstance(store, Store):
        return _open(str(store), deployment)
    return store if deployment in (None, store.deployment) else _open(store.uri, deployment)


def _open(uri: str, deployment: str | None) -> Store:
    return Store(uri, resolve_deployment(uri, deployment))


def _find_declaring(pipelines: list[Found], name: str) -> Declared:
    """The only pipeline that declares an index."""
    if len(pipelines) == 1:
        return pipelines[0].load()
    loaded: list[Declared] = []
    broken: list[SpecError] = []
    for pipeline in pipelines:
        try:
            loaded.append(pipeline.load())
        except SpecError as error:  # of another pipeline, perhaps
            broken.append(error)
    having = [declared for declared in loaded if name in declared.spec.indexes]
    if len(having) > 1:
        several = ", ".join(declared.name for declared in having)
        raise SpecError(f"several pipelines have an index {name!r}; choose one with pipeline=: {several}")
    if having:
        return having[0]
    if broken:
        raise broken[0]
    names = [index for declared in loaded for index in declared.spec.indexes]
    raise SpecError(f"there is no index {name!r} in any pipeline{suggestion(name, names)}")


def _find_published(store: Store, name: str) -> str:
    """The only pipeline that has published an index in a store."""
    pointers = store.published.all() if store.exists else {}
    having = [pipeline for (pipeline, index), pointer in pointers.items() if index == name and pointer.generation]
    if len(having) == 1:
        return having[0]
    if having:
        several = ", ".join(sorted(having))
        raise StoreError(f"several pipelines have published an index {name!r}; choose one with pipeline=: {several}")
    names = sorted({index for (_, index), pointer in pointers.items() if pointer.generation})
    raise StoreError(f"no index {name!r} is published in {store.uri}{_named(store)}{suggestion(name, names)}")


def _named(store: Store) -> str:
    """The deployment, where it is one of several."""
    return "" if store.deployment == MAIN else f" by the deployment {store.deployment}"
