"""How many requests may be under way at once to one registry.

Additive increase, multiplicative decrease: the limit grows while answers come about as
fast as the fastest seen, shrinks a little when they get slower, and halves on 429, 5xx
and timeouts. A registry that checks bcrypt on every request ends near what it can bear.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

START: Final = 4.0
HALVE: Final = 0.5
EASE: Final = 0.9
NEAR: Final = 2.0
"""Answers up to this many times the lowest latency count as near it."""
COMFORT: Final = 0.2
"""Below this many seconds nobody waits, however much faster the fastest was."""
SMOOTH: Final = 0.1
FORGET: Final = 0.001
"""How fast the lowest latency is forgotten: registries move and grow."""
MAX_PAUSE: Final = 30.0


class Limiter:
    """A semaphore whose size follows the registry. Belongs to one event loop."""

    def __init__(self, cap: int) -> None:
        self.cap = max(1, cap)
        self._limit = min(START, float(self.cap))
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ramping = True
        self._lowest: float | None = None
        self._average = 0.0
        self._changed_at = 0.0
        self._resume_at = 0.0

    @property
    def limit(self) -> int:
        """Never below 1, never above the cap."""
        return int(self._limit)

    @property
    def running(self) -> int:
        return self._running

    async def acquire(self) -> None:
        """Waits for a place, and for the end of a pause."""
        loop = asyncio.get_running_loop()
        # The pause may be prolonged while we sleep.
        while (pause := self._resume_at - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(pause)
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return
        place = loop.create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # The place was given to us in the same moment: it is for somebody else now.
                self.release()
            raise

    def release(self) -> None:
        """Gives the place back."""
        self._running -= 1
        while self._waiting and self._running < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._running += 1
                place.set_result(None)

    def pause(self, now: float, seconds: float) -> None:
        """Nobody starts before that; at most `MAX_PAUSE`."""
        self._resume_at = max(self._resume_at, now + min(seconds, MAX_PAUSE))

    def answered(self, started: float, now: float) -> None:
        """A request that was begun at `started` has been answered well."""
        latency = now - started
        lowest = latency if self._lowest is None else min(latency, self._lowest)
        self._average += (latency - self._average) * (SMOOTH if self._lowest is not None else 1.0)
        self._lowest = lowest + (self._average - lowest) * FORGET
        if self._average <= max(COMFORT, NEAR * lowest):
            # Doubling a round at first, then one more a round.
            self._limit = min(self.cap, self._limit + (1.0 if self._ramping else 1.0 / self._limit))
        else:
            self._shrink(EASE, started, now)

    def troubled(self, started: float, now: float) -> None:
        """A request that was begun at `started` met 429, 5xx or silence."""
        self._shrink(HALVE, started, now)

    def _shrink(self, factor: float, started: float, now: float) -> None:
        """Once a round: whoever began before the last change knows nothing new."""
        self._ramping = False
        if started >= self._changed_at:
            self._limit = max(1.0, self._limit * factor)
            self._changed_at = now
