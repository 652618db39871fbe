"""Claims: what a run works on now, so that others leave it alone; one record for each key."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("holder", pa.string(), nullable=False),
        pa.field("expires_at", pa.float64(), nullable=False),
    ]
)

_STEP = 0.001
"""Seconds by which a holder's value grows at least, also while its clock stands still or goes back."""


@dataclass(frozen=True)
class Claim:
    """Who works on a key.

    Attributes:
        expires_at: a number that the holder changes at each extension. It is made with the holder's wall clock, in
            seconds since 1970, and means nothing to another clock: two equal claims are one that was not extended.
    """

    key: str
    holder: str
    expires_at: float


class ClaimsTable(TableOf):
    """One row for each key that is claimed now.

    The table does not judge whether a claim is over; who takes one over says exactly which.

    Args:
        database: where the table is.
        clock: the wall clock.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, "claims")
        self.clock = clock
        self._lock = threading.Lock()
        self._last = float("-inf")

    def all(self) -> list[Claim]:
        """All claims of the store."""
        return [Claim(**row) for row in self.rows()]

    def of(self, keys: Sequence[str]) -> dict[str, Claim]:
        """The claims on some keys, by key."""
        return {row["key"]: Claim(**row) for row in self.rows(in_list("key", keys))} if keys else {}

    @guard
    def take(self, keys: Sequence[str], holder: str, seconds: float, over: Sequence[Claim] = ()) -> set[str]:
        """Claim keys that nobody holds, and take claims over, in one commit.

        Args:
            keys: what to claim if nobody holds it.
            holder: unique to one step of one run.
            seconds: how long the claim lasts unless it is extended.
            over: what to take over; each only if it still is exactly as it is here.

        Returns:
            Those of the keys, and of the keys to take over, that are now held.
        """
        wanted = [*keys, *(claim.key for claim in over)]
        if not wanted:
            return set()
        until = self._renew(seconds)
        rows = [{"key": key, "holder": holder, "expires_at": until} for key in wanted]
        source = pa.Table.from_pylist(rows, schema=_SCHEMA)

        def commit() -> None:
            table = self.at()
            if table is None:
                table = self.database.create(self.name, _SCHEMA, primary_key="key")
            builder = table.merge_insert("key").when_not_matched_insert_all()
            if over:
                # Asked at the commit: what was extended, released or taken over meanwhile is another claim.
                builder = builder.when_matched_update_all(where=_same(over))
            builder.execute(source)

        retry_conflicts(commit)
        return {key for key, claim in self.of(wanted).items() if claim.holder == holder}

    @guard
    def extend(self, holder: str, seconds: float) -> None:
        """Change all that a holder has claimed, so that others see that it lives."""
        until = self._renew(seconds)

        def commit() -> None:
            if (table := self.at()) is not None:
                table.update(where=f"holder = {text(holder)}", values={"expires_at": until})

        retry_conflicts(commit)

    @guard
    def release(self, holder: str) -> None:
        """Give up all that a holder has claimed."""

        def commit() -> None:
            if (table := self.at()) is not None:
                table.delete(f"holder = {text(holder)}")

        retry_conflicts(commit)
        tidy(self)

    def _renew(self, seconds: float) -> float:
        """A value that none of this table's claims ever had."""
        with self._lock:
            # Near the wall clock: a run of an earlier version compares it with its own.
            self._last = max(self.clock() + seconds, self._last + _STEP)
            return self._last


def _same(claims: Sequence[Claim]) -> str:
    """The rows that are exactly these claims, in SQL."""
    keys = defaultdict(list)
    for claim in claims:
        keys[claim.holder, claim.expires_at].append(claim.key)
    return " OR ".join(
        f"(target.holder = {text(holder)} AND target.expires_at = {until!r} AND {in_list('target.key', sorted(names))})"
        for (holder, until), names in sorted(keys.items())
    )
