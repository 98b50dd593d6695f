"""Runs a coroutine from a plain test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(coro: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; a new event loop for each call."""
    return asyncio.run(coro)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Returns when it holds; fails when it does not for so long."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)
