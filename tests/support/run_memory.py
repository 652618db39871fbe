"""Runs that were made before: the same run over the same files is copied, which takes a twentieth of the time.

What a run reads decides whether it is the same: the media, the declaration and the store, all of the same path. Lance
gives its files random names, so the names and sizes of a store's files tell its content.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from galleries import Gallery, Ran

PATCHING = {"caplog", "capfd", "capsys", "monkeypatch", "recwarn"}
"""Fixtures of tests whose runs are all made: they change what a run does, or listen to it."""

WATCHING = {"served", "shared_served"}
"""Fixtures of tests in which a store is read meanwhile, and must not be exchanged."""


class RunMemory:
    """The stores that runs of this worker left, by what the runs read.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ran: dict[str, Ran] = {}

    def run(self, gallery: Gallery, options: dict[str, bool], make: Callable[[], Ran]) -> Ran:
        """Copy what the run left, or make it and keep that."""
        store = gallery.root / "store"
        key = _digest(gallery, store, options)
        kept = self._folder / key
        if key in self._ran:
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(kept / "store", store)
            _append(gallery.log, (kept / "calls.log").read_text())
            return self._ran[key]
        earlier = gallery.log.read_text() if gallery.log.exists() else ""
        ran = make()
        # A store that stands elsewhere is not kept.
        if store.exists():
            shutil.copytree(store, kept / "store")
            calls = gallery.log.read_text()[len(earlier) :] if gallery.log.exists() else ""
            (kept / "calls.log").write_text(calls)
            self._ran[key] = ran
        return ran


def _append(log: Path, calls: str) -> None:
    if calls:
        with log.open("a") as file:
            file.write(calls)


def _digest(gallery: Gallery, store: Path, options: dict[str, bool]) -> str:
    media = [
        (str(path.relative_to(gallery.root)), hashlib.sha256(path.read_bytes()).hexdigest(), _old_time(path))
        for path in sorted(gallery.root.rglob("*"))
        if path.is_file() and store not in path.parents and path != gallery.log
    ]
    tables = [
        (str(path.relative_to(store)), path.stat().st_size) for path in sorted(store.rglob("*")) if path.is_file()
    ]
    read = [str(gallery.root), options, media, tables]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def _old_time(path: Path) -> int | None:
    """The time of a file that a test has made old: there the test is about the time, which a scan may trust."""
    stamp = path.stat().st_mtime_ns
    return None if stamp > time.time_ns() - 3600 * 10**9 else stamp
