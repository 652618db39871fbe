"""Tries everything a run needs; what the embeddings need is tried by `embeddings_orch.cli.commands.probe`."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from embeddings_orch.cli.commands.probe import probe
from embeddings_orch.cli.common import has_dagster
from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.spec.project import Declared, prepare_home
from embeddings_orch.store import Store

_PACKAGES = ("embeddings-orch", "dagster", "lancedb", "torch")
_SECONDS = 5.0


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was tried.

    Attributes:
        detail: what is there, or what is wrong.
        advice: what would be faster, truer or safer here.
    """

    what: str
    ok: bool
    detail: str
    advice: list[str] = field(default_factory=list)


def examine(declared: Declared) -> Iterator[Diagnosis]:
    """Try Dagster's home, the store, the media for some seconds, and each embedding with a tiny call a side."""
    yield Diagnosis("versions", True, f"Python {platform.python_version()}, {', '.join(_versions())}")
    if has_dagster():
        yield _diagnose("Dagster home", lambda: f"{prepare_home(declared.root)}")
    try:
        pipeline = Pipeline(declared.spec)
    except StoreError as error:
        yield Diagnosis("store", False, str(error))
    else:
        yield _diagnose("store", lambda: _store(pipeline.store))
        yield _diagnose("media", lambda: _media(pipeline))
    for name, embedding in declared.spec.embeddings.items():
        tried = probe(embedding.config)
        yield Diagnosis(f"embedding {name} ({embedding.provider})", tried.ok, tried.detail, list(tried.advice))


def _diagnose(what: str, action: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(what, True, action())
    except (EmbeddingsOrchError, OSError) as error:
        return Diagnosis(what, False, str(error))


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} not installed"


def _store(store: Store) -> str:
    tables = f"{store.uri}, {len(store.table_names()):,} tables"
    if "://" in store.uri:
        return f"{tables} (writing is not tried)"
    folder = Path(store.uri)
    # Where there is none yet the first run makes it, in the nearest folder that is there.
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".embeddings_orch-"):
            pass
    except OSError as error:
        raise StoreError(f"{store.uri}: nothing can be written in {nearest}: {error.strerror}") from error
    return tables if folder.is_dir() else f"{store.uri}, made by the first run"


class _EnoughError(Exception):
    """The media were looked at for long enough."""


def _media(pipeline: Pipeline) -> str:
    """Scan, at most for some seconds: a source tells its progress after every couple of thousand items."""
    started = time.monotonic()
    stored = pipeline.store.catalog(pipeline.spec.name).read()
    seen = 0

    def progress(count: int) -> None:
        nonlocal seen
        seen = count
        if time.monotonic() - started > _SECONDS:
            raise _EnoughError

    try:
        scan = pipeline.source.scan(None if stored is None else pipeline.absolute(stored), progress)
    except _EnoughError:
        return f"the first {seen:,} items in {time.monotonic() - started:.1f} s; plan looks at all"
    count = sum(not problem.kept for problem in scan.problems)
    left_out = f", {count:,} left out" if count else ""
    items = f"{scan.table.num_rows:,} items" if scan.table.num_rows else "none yet"
    return f"{items} in {time.monotonic() - started:.1f} s{left_out}"
