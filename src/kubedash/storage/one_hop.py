"""Whole transactions in one hop to a thread.

A driver that is asynchronous hops for every statement, for the beginning and for the
end; where thousands of events a second are written, that costs more than writing them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")


class OneHop:
    """One thread or several, each with a connection of its own, opened when it is first needed."""

    def __init__(self, engine: Engine, threads: int = 1) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(threads, thread_name_prefix="writer")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def transaction(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """In that thread: what `work` returns, when it is committed; it may await nothing but `at_once`."""
        with self._engine.begin() as connection:
            return result_of(work(connection))

    async def close(self) -> None:
        """Lets what is running end."""
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()


async def at_once(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Awaiting it never waits: the thread does it there and then."""
    return work(connection)


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in this thread; a `RuntimeError` where it awaits something that would have to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("a transaction in one hop awaited something else than its session")
