"""Importing it makes the databases of Dagster's homes cheap, which take half of the CPU time of a small run.

SQLite leaves the flushing to the system: a test's home need not outlive a power cut. Dagster makes an engine for each
access, which compiles its statements anew, and reads all migrations for each run's database: both are kept here.
"""

import sqlite3
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType, ModuleType

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import NullPool, create_engine, event
from sqlalchemy.engine import Engine

STORAGES: tuple[ModuleType, ...] = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
_SQLITES_OWN_TIMEOUT = 5.0


@event.listens_for(Engine, "connect")
def _leave_flushing_to_the_system(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@lru_cache(maxsize=32)
def _kept(url: str, timeout: float) -> Engine:
    return create_engine(url, poolclass=NullPool, connect_args={"timeout": timeout})


def _engine(url: str, poolclass: type[NullPool], connect_args: Mapping[str, float] = MappingProxyType({})) -> Engine:
    """An engine that holds no connection, and so may be kept."""
    return _kept(url, connect_args.get("timeout", _SQLITES_OWN_TIMEOUT))


class _Migrations(ScriptDirectory):
    @classmethod
    @cache
    def from_config(cls, config: Config) -> ScriptDirectory:
        return ScriptDirectory.from_config(config)


for storage in STORAGES:
    storage.create_engine = _engine
for reader in (sql, command):
    reader.ScriptDirectory = _Migrations
