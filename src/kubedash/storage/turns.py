"""Whose turn it is to write: on SQLite one at a time, because waiting here is cheaper than at the file's lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """In the order of asking."""

    def __init__(self, *, alone: bool) -> None:
        """`alone`: one at a time; else everybody may write at once."""
        self._lock = asyncio.Lock() if alone else None
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        if self._lock is None:
            yield
            return
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    def are_wanted(self) -> bool:
        """Whether somebody waits; may be asked from any thread."""
        return self._waiting > 0
