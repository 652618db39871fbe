"""How long claims have stood unchanged before the eyes of this process, by its own clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embeddings_orch.store.tables.claims import Claim, ClaimsTable

_MOST = 10_000
"""Claims remembered; the one met first is forgotten first, and costs who meets it again one more watch."""


@dataclass(frozen=True)
class Sight:
    """A claim as it was read, and for how many seconds it is known to have been just so."""

    claim: Claim
    unchanged: float


class Watch:
    """What a process has seen of claims.

    A claim's own numbers are of its holder's clock, which may be hours off. All that counts here is that a living
    holder changes them: how long they stand still is measured by the clock of who looks. So machines' clocks may show
    anything, as long as a second is about as long on each.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[tuple[str, str], tuple[Claim, float]] = {}

    def look(self, store: str, table: ClaimsTable, keys: Sequence[str]) -> dict[str, Sight]:
        """The claims on some keys as they are now, by key; one that is met for the first time is unchanged for 0 s.

        Args:
            store: the store's URI.
            table: of the store.
            keys: of claims.
        """
        before = self._clock()
        claims = table.of(keys)
        after = self._clock()
        sights = {}
        with self._lock:
            for key in keys:
                claim = claims.get(key)
                if claim is None:
                    self._since.pop((store, key), None)
                    continue
                known, since = self._since.get((store, key), (None, after))
                if known != claim:
                    # Removed first, so that it comes last in the order of what is forgotten.
                    self._since.pop((store, key), None)
                    self._since[store, key] = claim, (since := after)
                # From after the first read to before this one: the reads themselves may be slow.
                sights[key] = Sight(claim, max(0.0, before - since))
            while len(self._since) > _MOST:
                del self._since[next(iter(self._since))]
        return sights


HERE = Watch()
"""Of this process: what one step has watched, the next need not watch anew."""
