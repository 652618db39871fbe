"""Rows of a table, read in one step of LanceDB's event loop.

A synchronous table of LanceDB changes threads for each of some nine calls that one read is made of (opening, the
version, the schema three times, the plan, each batch), which costs as much as the small tables of the store themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import is_missing


def read_rows(
    db: Any, name: str, *, where: str | None = None, columns: Sequence[str] | None = None, version: int | None = None
) -> pa.Table | None:
    """The rows of a table that match, at its latest version unless one is given; None where that is not there.

    Args:
        db: LanceDB's synchronous connection.
        name: the table's.
        where: a condition in SQL.
        columns: to read; None for all.
        version: of the table.

    Raises:
        OSError, RuntimeError, ValueError: LanceDB's error; also where a file of the table is not there.
    """
    from lancedb.background_loop import LOOP

    async def read() -> pa.Table | None:
        try:
            # A connection of our own would have caches, and of a database in memory tables, of its own.
            table = await db._conn.open_table(name)
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            if is_missing(error):
                return None
            raise
        if version is not None:
            try:
                await table.checkout(version)
            except (ValueError, RuntimeError, OSError):
                return None
        query = table.query()
        if where:
            query = query.where(where)
        if columns is not None:
            query = query.select(list(columns))
        return await query.to_arrow()

    return LOOP.run(read())


def list_tables(db: Any) -> list[str]:
    """The names of all tables of a database.

    Raises:
        OSError, RuntimeError, ValueError: LanceDB's error.
    """
    names: list[str] = []
    while True:
        page = db.list_tables(page_token=names[-1] if names else None, limit=1000)
        names += [str(name) for name in page.tables]
        if not page.page_token:
            return names
