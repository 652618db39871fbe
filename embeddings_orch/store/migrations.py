"""Migrations: what brings a store of an older format to the present one.

Each step can be done twice, and by two processes at once: a process that was killed in between leaves a store that the
next one migrates again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa

from embeddings_orch.errors import StoreError
from embeddings_orch.store.base import in_list, is_missing, short
from embeddings_orch.store.conflicts import retry_conflicts


def migrate(db: Any, stored: int, target: int) -> None:
    """Bring a store from one format to a later one.

    Args:
        db: the LanceDB connection.
        stored: the store's format.
        target: the format to reach.

    Raises:
        StoreError: a step cannot be done; what was done stays, and the store can be read as before.
    """
    for step in range(stored, target):
        try:
            retry_conflicts(partial(_STEPS[step], db))
            # Last: until then the store is of the older format, and the step is done again.
            retry_conflicts(partial(_mark, db, step + 1))
        except (OSError, RuntimeError, ValueError) as error:
            raise StoreError(f"the store {db.uri} cannot be migrated to format {target}: {short(error)}") from error


def _mark(db: Any, reached: int) -> None:
    older = in_list("value", [str(number) for number in range(reached)])
    db.open_table("meta").update(where=f"key = 'format' AND {older}", values={"value": str(reached)})


def _hold_version(db: Any) -> None:
    """Format 2: a held pointer remembers the declaration that it is held against."""
    try:
        table = db.open_table("published")
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        if is_missing(error):
            return
        raise
    if "hold_version" not in table.schema.names:
        table.add_columns(pa.field("hold_version", pa.string()))


_STEPS: dict[int, Callable[[Any], None]] = {1: _hold_version}
