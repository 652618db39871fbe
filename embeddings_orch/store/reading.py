"""Rows of a table, read in one step of LanceDB's event loop.

A synchronous table of LanceDB changes threads for each of some nine calls that one read is made of (opening, the
version, the schema three times, the plan, each batch), which costs as much as the small tables of the store themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from embeddings_orch.store.base import is_missing


class Reader:
    """Reads tables of one database, each at its latest version unless one is given.

    Args:
        db: LanceDB's synchronous connection.
    """

    def __init__(self, db: Any) -> None:
        from lancedb.background_loop import LOOP

        # The one that it is made of: a second one would have caches, and of a database in memory tables, of its own.
        self._loop, self._db = LOOP, db._conn

    def read(
        self,
        name: str,
        *,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table | None:
        """The rows that match; None where the table, or the version, is not there.

        Raises:
            OSError, RuntimeError, ValueError: LanceDB's error; also where a file of the table is not there.
        """
        return self._loop.run(self._read(name, where, columns, version))

    async def _read(
        self, name: str, where: str | None, columns: Sequence[str] | None, version: int | None
    ) -> pa.Table | None:
        try:
            table = await self._db.open_table(name)
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
