"""Vectors of queries that were asked a moment ago: a page asks the same again for each change of a filter."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from embeddings_orch.models.content import Vectors

RECENT_BYTES = 4 * 2**20


class Recent:
    """Keeps the vectors that were used last, for any number of threads.

    Args:
        most_bytes: of all vectors; 0 keeps none.
    """

    def __init__(self, most_bytes: int = RECENT_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._vectors: OrderedDict[Hashable, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Vectors | None:
        """A vector, shape (dimensions,), not to be written to; None where it is not kept."""
        with self._lock:
            if (vector := self._vectors.get(key)) is not None:
                self._vectors.move_to_end(key)
            return vector

    def put(self, key: Hashable, vector: Vectors) -> None:
        """Keep a copy of a vector; the one that was not used for the longest time goes."""
        kept = vector.copy()  # else it holds the whole batch in memory
        kept.setflags(write=False)
        with self._lock:
            before = self._vectors.pop(key, None)
            self._bytes += kept.nbytes - (before.nbytes if before is not None else 0)
            self._vectors[key] = kept
            while self._bytes > self._most:
                self._bytes -= self._vectors.popitem(last=False)[1].nbytes
