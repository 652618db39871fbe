"""Claims: what a run works on now, so that others leave it alone; they expire, so that a dead run blocks nobody."""

from __future__ import annotations

import time
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


@dataclass(frozen=True)
class Claim:
    """Who works on a key, and until when nobody else may.

    Attributes:
        expires_at: seconds since 1970.
    """

    key: str
    holder: str
    expires_at: float

    def over(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires_at <= now


class ClaimsTable(TableOf):
    """One row for each key that is claimed now.

    Wall clocks of several machines are compared: where they differ by more than the time that a claim lasts, two
    runs may hold one key, so what must be right has to be verified after the work.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, "claims")
        self.clock = clock

    def of(self, keys: Sequence[str]) -> dict[str, Claim]:
        """The claims on some keys, expired ones included, by key."""
        return {row["key"]: Claim(**row) for row in self.rows(in_list("key", keys))} if keys else {}

    @guard
    def take(
        self,
        keys: Sequence[str],
        holder: str,
        seconds: float,
        gone: Callable[[str], bool] = lambda _: False,
    ) -> set[str]:
        """Claim keys that nobody holds, that a holder let expire, or whose holder is gone; in one commit.

        Args:
            keys: what to claim.
            holder: unique to one step of one run.
            seconds: how long the claim lasts unless it is extended.
            gone: whether a holder is known to have died.

        Returns:
            The keys that are now held, the holder's earlier ones among them.
        """
        now = self.clock()
        claims = self.of(keys)
        dead = {claim.holder for claim in claims.values() if gone(claim.holder)}
        free = [key for key in keys if key not in claims or claims[key].over(now) or claims[key].holder in dead]
        if free:
            rows = [{"key": key, "holder": holder, "expires_at": now + seconds} for key in free]
            source = pa.Table.from_pylist(rows, schema=_SCHEMA)
            # Asked again at the commit: the first one to take a claim over is no dead holder any more.
            over = f"target.expires_at <= {now!r}" + (f" OR {in_list('target.holder', sorted(dead))}" if dead else "")

            def commit() -> None:
                table = self.at()
                if table is None:
                    table = self.database.create(self.name, _SCHEMA, primary_key="key")
                builder = table.merge_insert("key").when_matched_update_all(where=over)
                builder.when_not_matched_insert_all().execute(source)

            retry_conflicts(commit)
            claims = self.of(keys)
        return {key for key, claim in claims.items() if claim.holder == holder}

    @guard
    def extend(self, holder: str, seconds: float) -> None:
        """Let all that a holder has claimed expire later."""
        until = self.clock() + seconds

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

    def free(self, keys: Sequence[str], gone: Callable[[str], bool] = lambda _: False) -> list[str]:
        """Those of some keys that could be claimed now."""
        now, claims = self.clock(), self.of(keys)
        return [key for key in keys if key not in claims or claims[key].over(now) or gone(claims[key].holder)]
