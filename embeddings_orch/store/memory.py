"""Rows of small tables in memory, for as long as nobody commits to the table.

Every commit to a table, by whichever process, adds a file to its folder ``_versions``. So a look at that folder, which
takes microseconds, tells whether what was read is still so; a query of LanceDB takes milliseconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from cachetools import LRUCache

_KEPT = 64

_Stamp: TypeAlias = tuple[int, int, int, frozenset[str]]


class RowMemory:
    """What was read of the tables of one store, for any number of threads.

    Args:
        uri: of the store; of one that is no local folder nothing is remembered.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._rows: LRUCache[tuple[str, str | None], tuple[_Stamp, pa.Table]] = LRUCache(_KEPT)

    def get_or_read(self, name: str, where: str | None, read: Callable[[], pa.Table | None]) -> pa.Table | None:
        """The rows of a table that match.

        Args:
            name: the table's.
            where: a condition in SQL.
            read: reads them anew.
        """
        # Before the rows are read: what is committed in between is then read once more.
        stamp = self._stamp(name)
        with self._lock:
            before = self._rows.get((name, where))
        if before is not None and before[0] == stamp:
            return before[1]
        rows = read()
        if stamp is not None and rows is not None:
            with self._lock:
                self._rows[name, where] = (stamp, rows)
        return rows

    def _stamp(self, name: str) -> _Stamp | None:
        """What tells the latest version of a table from all others; None where that cannot be told."""
        if "://" in self._uri:
            return None
        folder = Path(self._uri, f"{name}.lance", "_versions")
        try:
            names = frozenset(os.listdir(folder))
            status = os.stat(folder)
        except OSError:
            return None
        # The names are enough for commits. A table that was removed and made anew has the same ones in another folder.
        return status.st_dev, status.st_ino, status.st_ctime_ns, names
