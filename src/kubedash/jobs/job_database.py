"""Where the engine keeps its rows: a file beside the index, or a schema beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

FILE: Final = "jobs.sqlite"
SCHEMA: Final = "kubedash_jobs"
_PRAGMAS: Final = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
)


class JobDatabase(Protocol):
    """An open engine; `schema` is where its tables are, None on SQLite."""

    url: str
    engine: sa.Engine
    schema: str | None


class SqliteJobs:
    """One file in WAL, where a step costs a third of what it does with the defaults."""

    schema: str | None = None

    def __init__(self, folder: Path) -> None:
        path = folder.absolute() / FILE
        path.touch(mode=0o600)
        self.url = f"sqlite:///{path}"
        self.engine = sa.create_engine(self.url)

        @event.listens_for(self.engine, "connect")
        def prepare(connection: DBAPIConnection, record: object) -> None:
            # Writers queue at BEGIN instead of failing where a read turns into a write.
            connection.isolation_level = "IMMEDIATE"
            cursor = connection.cursor()
            for pragma in _PRAGMAS:
                cursor.execute(pragma)
            cursor.close()


class PostgresJobs:
    """The database of the index, in a schema of its own."""

    schema: str | None = SCHEMA

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self.url = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self.engine = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=8, pool_pre_ping=True)
