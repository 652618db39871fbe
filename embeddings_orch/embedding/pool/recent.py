"""Vectors of queries that were asked a moment ago: a page asks the same again for each change of a filter."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from contextlib import suppress
from operator import attrgetter

from cachetools import LRUCache

from embeddings_orch.models.content import Vectors

RECENT_BYTES = 4 * 2**20


class Recent:
    """Keeps the vectors that were used last, for any number of threads.

    Args:
        most_bytes: of all vectors; 0 keeps none.
    """

    def __init__(self, most_bytes: int = RECENT_BYTES) -> None:
        self._vectors: LRUCache[Hashable, Vectors] = LRUCache(most_bytes, getsizeof=attrgetter("nbytes"))
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Vectors | None:
        """A vector, shape (dimensions,), not to be written to; None where it is not kept."""
        with self._lock:
            return self._vectors.get(key)

    def put(self, key: Hashable, vector: Vectors) -> None:
        """Keep a copy of a vector; the one that was not used for the longest time goes."""
        copy = vector.copy()  # else it holds the whole batch in memory
        copy.setflags(write=False)
        with self._lock, suppress(ValueError):  # it is larger than all that may be kept
            self._vectors[key] = copy

    def clear(self) -> None:
        """Keep none of them any more."""
        with self._lock:
            self._vectors.clear()
