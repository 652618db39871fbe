"""Formats 1 and 2 to format 3: all tables are copied, then one commit flips the format, then the old ones are dropped.

Killed at any point, it goes on the next time. Until the flip, older versions of the package work on the old tables as
if nothing had happened; after it they are refused.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from embeddings_orch.errors import StoreError
from embeddings_orch.store.base import as_store_error
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.migrations.copying import Copying
from embeddings_orch.store.migrations.layout import FORMAT_3, new_name
from embeddings_orch.store.migrations.old import OldStore
from embeddings_orch.store.migrations.space import check_space
from embeddings_orch.store.room import free_bytes

_log = logging.getLogger(__name__)

_CLAIM = "migration"
_LEFT = "old_tables"
"""The row of ``meta`` that names the old tables that are still to be dropped."""

_OLDER = "target.value IN ('1', '2')"


class _TakenOverError(Exception):
    """Another process took the migration over, because this one stood still for too long."""


def migrate_to_3(
    db: Any,
    claims: Callable[[], Claims],
    *,
    free: Callable[[str], int] = free_bytes,
) -> None:
    """Bring a store of format 1 or 2 to format 3, or go on with what a killed process left of that.

    Of several processes one works, and the others wait for it.

    Args:
        db: LanceDB's connection to the store.
        claims: makes this process's claims on a store whose format is left as it is.
        free: the bytes that are left where a folder is.

    Raises:
        StoreError: the disk has too little space, and nothing was changed; or a table cannot be read or written: what
            was copied stays, the store can be read as before, and the next time goes on.
    """
    try:
        while not is_done(db):
            with claims() as held:
                while not held.take([_CLAIM]):
                    _log.warning("another process migrates the store %s; waiting for it", db.uri)
                    held.wait([_CLAIM])
                try:
                    _migrate(db, held, free)
                except _TakenOverError:
                    _log.info("another process goes on with the migration of the store %s", db.uri)
    except (OSError, RuntimeError, ValueError) as error:
        raise as_store_error(f"the store {db.uri} cannot be migrated to format {FORMAT_3}", error) from error


def is_done(db: Any) -> bool:
    """Whether a store has format 3 or a later one, and no old table of an earlier one is left."""
    meta = _read_meta(db)
    return int(meta.get("format", FORMAT_3)) >= FORMAT_3 and _LEFT not in meta


def _migrate(db: Any, held: Claims, free: Callable[[str], int]) -> None:
    def committed(_: str) -> None:
        if not held.holds(_CLAIM):
            raise _TakenOverError

    old = OldStore(db)
    copied: dict[str, int | None] = {}
    if int(_read_meta(db)["format"]) < FORMAT_3:
        names = _in_order(old.old_names())
        _check_names(old, names)
        check_space(old, db.uri, free)
        # A warning, which is shown also where nobody asked for messages: it can take minutes.
        _log.warning("migrating the store %s once to format %d: %d tables are copied", db.uri, FORMAT_3, len(names))
        copying = Copying(old, db, committed)
        for number, name in enumerate(names, start=1):
            copied[name] = old.version(name)
            copying.copy(name)
            _log.info("migrating the store %s: %d of %d tables", db.uri, number, len(names))
        committed(_LEFT)
        retry_conflicts(lambda: _flip(db, names))
        committed("meta")
    _drop_old(db, old, committed, copied)
    _log.info("the store %s has format %d", db.uri, FORMAT_3)


def _check_names(old: OldStore, names: Sequence[str]) -> None:
    targets = [str(new_name(name)) for name in names]
    targets += [target.replace("items.", "tombstones.", 1) for target in targets if target.startswith("items.")]
    if in_the_way := [target for target in targets if old.is_others(target)]:
        raise StoreError(
            f"the store {old.db.uri} cannot be migrated to format {FORMAT_3}, which has tables that are there and are "
            f"not its own, {', '.join(in_the_way)}: move these to another database; nothing was changed"
        )


def _in_order(names: Sequence[str]) -> list[str]:
    """Vectors first, which take longest; the states after the catalogs, whose versions they name."""
    first = [name for name in names if name.startswith("vectors.")]
    then = [name for name in names if name.startswith("catalog.")]
    return [*first, *then, *(name for name in names if name not in {*first, *then})]


def _flip(db: Any, names: Sequence[str]) -> None:
    meta = db.open_table("meta")
    rows = {"format": str(FORMAT_3), _LEFT: json.dumps(names)}
    source = pa.table({"key": list(rows), "value": list(rows.values())}, schema=meta.schema)
    builder = meta.merge_insert("key").when_matched_update_all(where=_OLDER).when_not_matched_insert_all()
    builder.execute(source)


def _drop_old(db: Any, old: OldStore, committed: Callable[[str], None], copied: dict[str, int | None]) -> None:
    """Drop the old tables; before that, copy what older processes that still ran wrote to them meanwhile."""
    left = json.loads(_read_meta(db).get(_LEFT, "[]"))
    for name in left:
        version = old.version(name)
        if version is not None and name.startswith("vectors.") and copied.get(name) != version:
            Copying(old, db, committed).copy(name)
        old.drop(name)
        committed(name)
    retry_conflicts(lambda: db.open_table("meta").delete(f"key = '{_LEFT}'"))


def _read_meta(db: Any) -> dict[str, str]:
    return {row["key"]: row["value"] for row in OldStore(db).rows("meta")}
