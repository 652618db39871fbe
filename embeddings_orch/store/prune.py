"""Removes old versions of a table and leaves alone those that are needed.

LanceDB removes by age alone, at the age that a version has by the time that its compaction is done. So the table is
compacted first, which keeps all versions; and what is needed is tagged meanwhile, for which LanceDB refuses the whole
clean-up rather than remove it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from embeddings_orch.policy.retry import Retrier, RetryPolicy
from embeddings_orch.store.base import TableOf, Version, store_errors
from embeddings_orch.store.conflicts import retry_conflicts

_NEVER = timedelta(days=36_500)
_TAG = "needed-"
_MARGINS = (0.05, 0.5, 5.0, 50.0)
"""Seconds between the age of the oldest version that is needed and that of those that are removed.

The first is enough where a clean-up is fast; what is older by less stays.
"""

HASTY = Retrier(RetryPolicy(max_retries=5, initial_wait=0.05, max_wait=0.5, deadline=5.0))
"""Where others write all the time, the next clean-up is soon enough."""

APART = timedelta(seconds=60)
"""What is older by more than this is removed for certain."""


def removable(
    history: list[Version], needed: Collection[int], used_since: datetime, apart: timedelta = timedelta(0)
) -> list[Version]:
    """The versions that can be removed, oldest first.

    Args:
        history: of the table, oldest first.
        needed: version numbers to keep; all later ones stay too.
        used_since: a version stays that was the latest at this time or later: somebody may still read it.
        apart: how much older than the oldest of those that stay.
    """
    still_needed = [version for version in history if version.number in needed]
    in_use = [version for version in history if version.at < used_since][-1:] or history[:1]
    oldest = min((version.at for version in (*still_needed, *in_use)), default=None)
    return [] if oldest is None else [version for version in history if version.at < oldest - apart]


def settle(table: Callable[[], Any]) -> None:
    """Compact a table until there is nothing more to compact; every version stays.

    Fragments are merged only once all indexes cover them, so it takes more than one pass.

    Args:
        table: opens it.
    """
    for _ in range(4):
        opened = table()
        before = opened.version
        opened.optimize(cleanup_older_than=_NEVER)
        if opened.version == before:
            return


def prune(table: TableOf, needed: Collection[int], used_since: datetime) -> int:
    """Remove the versions that `removable` names, but for some that are hardly older than what stays.

    Returns:
        How many are gone.

    Raises:
        StoreError: the store cannot be used, or others wrote all the time.
    """
    table.database.prepare_write()
    with store_errors(f"table {table.name} of the store"):
        history = table.history()
        obsolete = removable(history, needed, used_since)
        if not obsolete or table.at() is None:
            return 0
        retry_conflicts(lambda: settle(table.at), HASTY)
        first = next(version for version in history if version.number not in {old.number for old in obsolete})
        keep = {version.number for version in history if version.number in needed} | {first.number}
        _untag(table)
        try:
            for number in keep:
                table.at().tags.create(f"{_TAG}{number}", number)  # type: ignore[union-attr]
            for margin in _MARGINS:
                before = first.at - timedelta(seconds=margin)
                if retry_conflicts(lambda: _clean(table.at(), before), HASTY):  # noqa: B023
                    break
        finally:
            _untag(table)
        left = {version.number for version in table.history()}
        return sum(1 for version in obsolete if version.number not in left)


def _clean(table: Any, before: datetime) -> bool:
    """Remove all versions committed before a time; False where a tagged one is by now old enough to be among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an age of 0, which is exact here
        try:
            table.optimize(cleanup_older_than=max(timedelta(0), datetime.now(UTC) - before))
        except RuntimeError as error:
            if "tagged version" in str(error):
                return False
            raise
    return True


def _untag(table: TableOf) -> None:
    opened = table.at()
    for tag in opened.tags.list() if opened is not None else ():
        if tag.startswith(_TAG):
            with suppress(ValueError, RuntimeError):  # another clean-up removed it
                opened.tags.delete(tag)  # type: ignore[union-attr]
