"""Keeps a table small that gets a commit at a time, run after run.

Each commit leaves a fragment, which every read opens, and a version, which names all fragments: of 400 fragments a read
takes 60 times as long as of one. Nobody waits for a clean-up of a table by hand to have fast runs.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from embeddings_orch.errors import StoreError
from embeddings_orch.store.base import TableOf, store_errors
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.prune import HASTY, prune, settle

MOST_FRAGMENTS = 20
"""Fragments of a small table that are left as they are."""

_EVERY = 20
"""Commits after which it is looked for old versions: listing them reads them all."""

_IN_A_ROW = 3
"""Version numbers at which it is: who makes two or three commits each time may never come by a certain one."""

GRACE = timedelta(hours=1)
"""How long a version stays at least for those that read it, also where gc, which somebody starts, is given less."""


def tidy(table: TableOf, needed: Collection[int] = (), grace: float = 0.0) -> None:
    """Compact a table, and remove versions that nobody reads, if it has grown enough for that.

    To be called after a commit, which it never makes fail: what stands against it now (another writer, another
    clean-up) is gone by one of the next.

    Args:
        table: the table; it is rewritten as a whole.
        needed: version numbers to keep, and all later ones.
        grace: seconds that a version stays after a later one came; never less than `GRACE`.
    """
    with suppress(StoreError):
        opened = table.at()
        if opened is None:
            return
        fragmented = count_fragments(opened) > MOST_FRAGMENTS
        if fragmented:
            with store_errors(f"table {table.name} of the store"):
                retry_conflicts(lambda: settle(table.at), HASTY)
        if fragmented or should_look(opened):
            prune(table, needed, used_since(grace))


def should_look(opened: Any) -> bool:
    """Whether it is time to look for old versions of a LanceDB table."""
    return int(opened.version) % _EVERY < _IN_A_ROW


def used_since(grace: float) -> datetime:
    """The time since which a version was the latest that has to stay."""
    return datetime.now(UTC) - max(GRACE, timedelta(seconds=grace))


def count_fragments(opened: Any) -> int:
    """The fragments of a LanceDB table's version."""
    return int(opened.stats()["fragment_stats"]["num_fragments"])
