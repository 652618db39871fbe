"""Making a table so that of several processes that do so in the same instant one makes it and the others find it.

LanceDB looks whether a table is there and then commits it as an overwrite, which it also does where another process
has made the table, and written to it, in between.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

SETTLE = 2.0
"""Seconds to wait on an object store, where nothing can be renamed: whoever saw no table has committed by then."""

_STABLE = {"new_table_enable_stable_row_ids": "true"}
"""So that each row keeps its number, and the version that wrote it last, whatever is compacted or changed around it."""

_PRIMARY_KEY = "lance-schema:unenforced-primary-key:position"

_ASIDE = ".new-"
_LEFT = 86_400.0
"""Seconds after which what a killed process left aside is removed."""


def mark_key(schema: pa.Schema, column: str) -> pa.Schema:
    """The schema with Lance's mark of a primary key, by which it sees that two writers insert the same row.

    Part of the schema that a table is made with: ``set_unenforced_primary_key`` is a commit of its own, and what
    others write before it goes unchecked.
    """
    position = schema.get_field_index(column)
    return schema.set(position, schema.field(position).with_metadata({_PRIMARY_KEY: "1"}))


def create_table(db: Any, name: str, **options: Any) -> None:
    """Make a table as all tables of a store are made.

    Args:
        db: LanceDB's connection.
        name: the table's.
        options: of LanceDB's ``create_table``: the data or the schema, and the mode.

    Raises:
        OSError, RuntimeError, ValueError: LanceDB's error.
    """
    db.create_table(name, storage_options=_STABLE, **options)


def make_table(db: Any, uri: str, name: str, schema: pa.Schema, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make an empty table where there is none; the caller opens it.

    Raises:
        OSError, RuntimeError, ValueError: LanceDB's error; also where another process was faster.
    """
    if "://" in uri:
        create_table(db, name, schema=schema)
        sleep(SETTLE)
        return
    import lancedb

    _tidy(Path(uri))
    # Made aside and moved into its place, which fails where there is a table already.
    aside = Path(uri, f"{_ASIDE}{secrets.token_hex(8)}")
    try:
        create_table(lancedb.connect(str(aside)), name, schema=schema)
        os.rename(aside / f"{name}.lance", Path(uri, f"{name}.lance"))
    except OSError:
        with suppress(FileNotFoundError, ValueError, RuntimeError):
            db.open_table(name)
            raise
        # What lies in its place is no table: the rest of one that was being removed.
        create_table(db, name, schema=schema)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _tidy(folder: Path) -> None:
    for aside in folder.glob(f"{_ASIDE}*"):
        with suppress(OSError):
            if time.time() - aside.stat().st_mtime > _LEFT:
                shutil.rmtree(aside)
