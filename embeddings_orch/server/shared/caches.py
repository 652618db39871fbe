"""What is made once and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class ByteCache:
    """Keeps the bytes that were asked for last, for any number of threads.

    Two threads that ask for the same at once make it once.

    Args:
        most: bytes in all; what is larger by itself is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self.size = 0

    def get(self, key: Hashable) -> bytes | None:
        """What is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def get_or_make(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key, else what ``make`` gives."""
        if (found := self.get(key)) is not None:
            return found
        with self._lock:
            own = self._making.setdefault(key, threading.Lock())
        with own:
            try:
                if (found := self.get(key)) is not None:
                    return found
                value = make()
                self._put(key, value)
                return value
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _put(self, key: Hashable, value: bytes) -> None:
        with self._lock:
            if len(value) > self._most or key in self._kept:
                return
            self._kept[key] = value
            self.size += len(value)
            while self.size > self._most:
                _, gone = self._kept.popitem(last=False)
                self.size -= len(gone)
