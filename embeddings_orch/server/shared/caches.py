"""What is made or read once, and kept while there is room or for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import Generic, TypeVar

from cachetools import LRUCache, TTLCache, cachedmethod

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class ByteCache:
    """Keeps the bytes that were asked for last, for any number of threads.

    Two threads that ask for the same at once make it once.

    Args:
        most: bytes in all; what is larger by itself is not kept.
    """

    def __init__(self, most: int) -> None:
        self._kept: LRUCache[Hashable, bytes] = LRUCache(most, getsizeof=len)
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return int(self._kept.currsize)

    def get(self, key: Hashable) -> bytes | None:
        """What is kept under a key."""
        with self._changed:
            return self._kept.get(key)

    @cachedmethod(attrgetter("_kept"), key=lambda _self, key, _make: key, condition=attrgetter("_changed"))
    def get_or_make(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key, else what ``make`` gives."""
        return make()


class FreshCache(Generic[KeyT, ValueT]):
    """Keeps what was read for a moment, for any number of threads; one of them reads at a time.

    Args:
        most: values that are kept.
        seconds: for which a value counts, from the moment its reading began.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._kept: TTLCache[KeyT, ValueT] = TTLCache(most, seconds, timer=clock)
        self._lock = threading.Lock()

    def get_or_read(self, key: KeyT, read: Callable[[], ValueT]) -> ValueT:
        """What is kept under a key, else what ``read`` gives; None is not kept."""
        # The cache's time stands still meanwhile, so that a value is as old as its reading's begin.
        with self._lock, self._kept.timer:
            kept = self._kept.get(key)
            if kept is not None:
                return kept
            value = read()
            # What is asked for by names of a client's choice and is not there takes no place from what is.
            if value is not None:
                self._kept[key] = value
            return value
