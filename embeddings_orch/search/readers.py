"""The versions of index tables that were searched last, kept open: opening one takes longer than a small search."""

from __future__ import annotations

import threading

from cachetools import LRUCache

from embeddings_orch.store import Store
from embeddings_orch.store.tables.generations import Generation
from embeddings_orch.store.tables.index_reader import IndexReader

_KEPT = 4


class Readers:
    """Readers of the generations of one store, for any number of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._open: LRUCache[tuple[str, str], IndexReader] = LRUCache(_KEPT)

    def of(self, generation: Generation) -> IndexReader:
        """The reader of a generation.

        Raises:
            StoreError: its table or version is gone.
        """
        key = _key(generation)
        with self._lock:
            if (reader := self._open.get(key)) is not None:
                return reader
        reader = self._store.index(generation.table).reader(generation.version)
        with self._lock:
            self._open[key] = reader
        return reader

    def forget(self, generation: Generation) -> None:
        """Open it anew next time: what it reads may be gone."""
        with self._lock:
            self._open.pop(_key(generation), None)


def _key(generation: Generation) -> tuple[str, str]:
    # An index that is dropped and built again may have the same ids.
    return generation.id, generation.created_at.isoformat()
