"""Runs a coroutine from a plain test."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(coro: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; a new event loop for each call."""
    return asyncio.run(coro)
