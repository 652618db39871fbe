"""Commits that another writer's commit came before: made again on the newer version."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from embeddings_orch.errors import TransientError
from embeddings_orch.policy.retry import Attempts, Retrier, RetryPolicy

T = TypeVar("T")

_CONFLICT = re.compile(r"commit conflict|concurrent (transaction|writers)|too much write contention", re.IGNORECASE)
PATIENT = Retrier(RetryPolicy(max_retries=20, initial_wait=0.05, max_wait=2.0, deadline=60.0))


def is_conflict(error: Exception) -> bool:
    """Whether an error of LanceDB says that another writer was faster; nothing was committed then."""
    return _CONFLICT.search(str(error)) is not None


def retry_conflicts(function: Callable[[], T], retrier: Retrier = PATIENT) -> T:
    """Call a function that makes one commit, again for as long as other writers' commits come before its own.

    LanceDB does so by itself for some operations, and not for making an index or compacting.

    Args:
        function: opens its table anew at each call, and so works on what the others wrote.
        retrier: how often and how patiently.

    Raises:
        RuntimeError, OSError, ValueError: LanceDB's error, the last one where it was a conflict.
    """
    conflict: list[Exception] = []

    def attempt() -> T:
        try:
            return function()
        except (OSError, RuntimeError, ValueError) as error:
            if not is_conflict(error):
                raise
            conflict[:] = [error]
            raise TransientError(str(error)) from error

    try:
        return retrier.call(attempt, Attempts())
    except TransientError:
        raise conflict[0] from None
