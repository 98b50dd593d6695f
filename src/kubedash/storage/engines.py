"""Connections to both databases, each kind with what it needs set.

SQLite has several readers, two writers, and one writer that waits for the disk. On
PostgreSQL the last one waits too, whatever the server's default is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

READERS: Final = 4
POSTGRESQL_WRITERS: Final = 8
POOL_TIMEOUT: Final = 30.0
BUSY_MILLISECONDS: Final = 30_000
_CACHE_KIBIBYTES: Final = 16_384
_LOG_PAGES: Final = 8_000
"""Pages of the log (32 MB) until they are moved to the file: a page that many events touch is moved once."""
_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}",
)
_ON_THE_DISK: Final = "PRAGMA synchronous = FULL"
_POSTGRESQL_SETTINGS: Final = ("SET jit = off", "SET plan_cache_mode = force_custom_plan")
"""Compiling costs more than these queries; a plan made for any pattern is a bad plan for one."""
_COMMIT_ON_THE_DISK: Final = "SET synchronous_commit = on"
_POSTGRESQL_CONNECTION: Final = {"connect_timeout": 10}


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def writing(url: URL) -> AsyncEngine:
    """One connection on SQLite, several on PostgreSQL."""
    if is_sqlite(url):
        engine = create_async_engine(url, connect_args=_sqlite_connection(), **_pool(writers(url)))
        _prepare_sqlite(engine.sync_engine, _SQLITE_PRAGMAS, "BEGIN IMMEDIATE")
        return engine
    engine = create_async_engine(url, pool_pre_ping=True, connect_args=_POSTGRESQL_CONNECTION, **_pool(writers(url)))
    _prepare_postgresql(engine.sync_engine, _POSTGRESQL_SETTINGS)
    return engine


def reading(url: URL) -> Engine:
    """For threads; SQLite refuses to write through it."""
    if is_sqlite(url):
        return _sqlite_in_threads(url, (*_SQLITE_PRAGMAS[1:], "PRAGMA query_only = ON"), "BEGIN", READERS)
    return _postgresql_in_threads(url, _POSTGRESQL_SETTINGS, READERS)


def swift(url: URL) -> Engine:
    """For `writers` threads: whole transactions, as durable as any."""
    if is_sqlite(url):
        return _sqlite_in_threads(url, _SQLITE_PRAGMAS, "BEGIN IMMEDIATE", writers(url))
    return _postgresql_in_threads(url, _POSTGRESQL_SETTINGS, writers(url))


def writers(url: URL) -> int:
    """How many may write at once."""
    return 1 if is_sqlite(url) else POSTGRESQL_WRITERS


def lasting(url: URL) -> Engine:
    """One connection for a thread: what it has committed survives a power cut."""
    if is_sqlite(url):
        return _sqlite_in_threads(url, (*_SQLITE_PRAGMAS, _ON_THE_DISK), "BEGIN IMMEDIATE", 1)
    return _postgresql_in_threads(url, (*_POSTGRESQL_SETTINGS, _COMMIT_ON_THE_DISK), 1)


def _sqlite_connection() -> dict[str, Any]:
    return {"timeout": BUSY_MILLISECONDS / 1000, "isolation_level": None}


def _sqlite_in_threads(url: URL, pragmas: Sequence[str], begin: str, connections: int) -> Engine:
    # Handed from one thread to the next between sessions; never in two at once.
    connection = {**_sqlite_connection(), "check_same_thread": False}
    plain = url.set(drivername="sqlite")
    engine = create_engine(plain, connect_args=connection, poolclass=QueuePool, **_pool(connections))
    _prepare_sqlite(engine, pragmas, begin)
    return engine


def _postgresql_in_threads(url: URL, settings: Sequence[str], connections: int) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, connect_args=_POSTGRESQL_CONNECTION, **_pool(connections))
    _prepare_postgresql(engine, settings)
    return engine


def _prepare_sqlite(engine: Engine, pragmas: Sequence[str], begin: str) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: object) -> None:
        _run_all(connection, pragmas)

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _prepare_postgresql(engine: Engine, settings: Sequence[str]) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: object) -> None:
        _run_all(connection, settings)
        connection.commit()


def _pool(connections: int) -> dict[str, Any]:
    return {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_TIMEOUT}


def _run_all(connection: DBAPIConnection, statements: Sequence[str]) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
