"""Side by side, but bounded; and many small writes in few transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from kubedash.storage.database import Database, WriteSession

T = TypeVar("T")
Write = Callable[[WriteSession], Awaitable[None]]

MAX_WRITES: Final = 64
"""Writes that go into one transaction, so that nobody else waits long for the writer."""


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], workers: int) -> None:
    """Do `work` on every item, at most `workers` at once. The first failure stops all."""
    remaining = iter(items)

    async def worker() -> None:
        for item in remaining:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures


def first_of(error: BaseException) -> BaseException:
    """Tasks that work side by side fail as a group; the first of it says enough."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def each_or_first(items: Iterable[T], work: Callable[[T], Awaitable[None]], workers: int) -> None:
    """As `each`; what failed first is raised as it is, and not in a group."""
    try:
        await each(items, work, workers)
    except ExceptionGroup as group:
        raise _first(group) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner


class Writer:
    """Group commit: what is handed in while one transaction runs goes into the next.

    Writes may await nothing but their session. A failing write fails its whole transaction,
    and everybody who waits for that one hears of it. Use it as a context manager.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Write, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def submit(self, write: Write) -> None:
        """Returns when the write is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, done))
        self._arrived.set()
        await done

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            taken, self._waiting = self._waiting[:MAX_WRITES], self._waiting[MAX_WRITES:]
            if not self._waiting:
                self._arrived.clear()
            if taken:
                await self._commit(taken)

    async def _commit(self, taken: list[tuple[Write, asyncio.Future[None]]]) -> None:
        async def write_all(session: WriteSession) -> None:
            for write, done in taken:
                if not done.cancelled():
                    await write(session)

        try:
            await self._database.write_in_one(write_all)
        except BaseException as error:
            for _, done in taken:
                if not done.done():
                    done.set_exception(error) if isinstance(error, Exception) else done.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for _, done in taken:
            if not done.done():
                done.set_result(None)
