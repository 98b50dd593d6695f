"""Which processes work on the jobs, and which of them died.

Every process has a name that it gets back at its next start on the same data folder:
the engine then goes on with what it left. What a process leaves that does not come
back is taken over by another one when its heartbeat has been silent for a while.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
import uuid
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kubedash.errors import Unavailable
from kubedash.jobs.job_database import JobDatabase

BEAT_SECONDS: Final = 5.0
DEAD_SECONDS: Final = 25.0
MAX_PROCESSES: Final = 64
"""Processes that share one data folder."""
_IDENTITY: Final = "executor.id"


class Executors:
    """This process's name and everybody's heartbeat."""

    def __init__(self, folder: Path, database: JobDatabase) -> None:
        self._folder = folder
        self._engine = database.engine
        self._table = sa.Table(
            "kubedash_executor",
            sa.MetaData(schema=database.schema),
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("seen_at", sa.Float, nullable=False),
        )
        self._lock: int | None = None
        self.own = ""

    async def register(self) -> None:
        """Take a name that no living process has. Raises `Unavailable` where there is none left."""
        identity = _identity(self._folder / _IDENTITY)
        for slot in range(MAX_PROCESSES):
            self._lock = _try_lock(self._folder / f"executor-{slot}.lock")
            if self._lock is not None:
                self.own = f"{identity}-{slot}"
                break
        else:
            raise Unavailable(f"More than {MAX_PROCESSES} processes use the data folder.")
        await asyncio.to_thread(self._create)
        await self.beat()

    async def beat(self) -> None:
        """Say that this process lives."""
        await asyncio.to_thread(self._beat)

    async def silent(self, names: set[str]) -> list[str]:
        """Those of `names` that have not been heard of for too long; never this process."""
        fresh = await asyncio.to_thread(self._fresh)
        return sorted(names - fresh - {self.own})

    async def close(self) -> None:
        """Leave in order: others may take over at once. The name is free for the next process."""
        if self._lock is not None:
            await asyncio.to_thread(self._leave)
            os.close(self._lock)
            self._lock = None
        self._engine.dispose()

    def _create(self) -> None:
        with self._engine.begin() as connection:
            if self._table.schema is not None:
                connection.execute(sa.schema.CreateSchema(self._table.schema, if_not_exists=True))
            connection.execute(sa.schema.CreateTable(self._table, if_not_exists=True))

    def _beat(self) -> None:
        with self._engine.begin() as connection:
            row = {"seen_at": time.time()}
            if not connection.execute(sa.update(self._table).where(self._table.c.id == self.own).values(row)).rowcount:
                connection.execute(sa.insert(self._table).values(id=self.own, **row))

    def _fresh(self) -> set[str]:
        with self._engine.begin() as connection:
            statement = sa.select(self._table.c.id).where(self._table.c.seen_at > time.time() - DEAD_SECONDS)
            return set(connection.scalars(statement))

    def _leave(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(self._table).where(self._table.c.id == self.own))


def _identity(path: Path) -> str:
    """The name of this data folder, made once."""
    try:
        with path.open("x") as file:
            file.write(uuid.uuid4().hex)
    except FileExistsError:
        pass
    return path.read_text().strip() or path.parent.name


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, also by the end of the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
