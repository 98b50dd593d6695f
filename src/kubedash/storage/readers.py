"""Threads that read: each has one connection in hand at a time, and does its work in order.

A driver that is asynchronous itself hops between threads, or through the loop, several
times a query. Here a query with all its rows is one hop, and the beginning of the
transaction comes along with the first of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

T = TypeVar("T")
WAIT_SECONDS: Final = 30.0
"""So long somebody waits for a free thread."""


class Readers:
    """As many threads as the engine's pool has connections."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix=f"reader-{number}") for number in range(threads)]
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for thread in self._threads:
            self._free.put_nowait(thread)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[_Reading]:
        """What runs work in a transaction that ends with the block. Raises `PoolTimeout`."""
        thread = await self._next()
        reading = _Reading(self._engine, thread)
        try:
            yield reading
        finally:
            # Not waited for: whoever has the thread next comes after it, as it does one thing after another.
            # So does the end of what a cancelled reader had left running.
            thread.submit(reading.end)
            self._free.put_nowait(thread)

    async def _next(self) -> ThreadPoolExecutor:
        if not self._free.empty():
            return self._free.get_nowait()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._free.get()
        except TimeoutError as error:
            raise PoolTimeout("every reader is busy") from error

    async def close(self) -> None:
        """Lets what is running end."""
        for thread in self._threads:
            await asyncio.to_thread(thread.shutdown)
        self._engine.dispose()


class _Reading:
    """One transaction in one thread; begun by the first work."""

    def __init__(self, engine: Engine, thread: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._thread = thread
        self._connection: Connection | None = None

    async def __call__(self, work: Callable[[Connection], T], /) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        return work(self._connection)

    def end(self) -> None:
        """Gives the connection back, in its thread. The pool sees to one that broke."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
