"""The end of the event table, read once for all who follow it in this process.

A message on the live line is only a hint; what is handed out is always what the store
holds. A flood costs a follower nothing: it is told that it fell behind, and looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
import structlog

from kubedash.errors import Unavailable
from kubedash.live import EVENTS_TOPIC, Live
from kubedash.records import Event
from kubedash.storage import events
from kubedash.storage.database import Database
from kubedash.workflows.event_counting import EventCounting

MOST_AT_ONCE: Final = 200
"""Events of one look that are handed out; of more, followers hear that there were more."""
PAUSE_SECONDS: Final = 0.25
"""Between two looks, however fast events arrive."""
MAX_WAITING: Final = 500
"""Events kept for a follower that does not read."""

log = structlog.get_logger(__name__)


class Batch(msgspec.Struct, frozen=True):
    """What has arrived since the last one, in the order of arrival."""

    events: tuple[Event, ...] = ()
    behind: int | None = None
    """Set where there was more than could be handed out: its last id. What a follower shows is to be read again."""


class Follower:
    """One reader's queue."""

    def __init__(self) -> None:
        self.position = 0
        """The last id that had arrived when it began to follow."""
        self._waiting: list[Event] = []
        self._behind: int | None = None
        self._ready = asyncio.Event()
        self._ended = False

    def begin(self, position: int) -> None:
        """Only what arrives behind this id."""
        self.position = position
        self._waiting.clear()
        self._behind = None

    def put(self, found: Sequence[Event]) -> None:
        self._waiting.extend(found)
        if len(self._waiting) > MAX_WAITING:
            self.fall_behind(found[-1].id)
        self._ready.set()

    def fall_behind(self, position: int) -> None:
        """What waits is part of what it will look at again."""
        self._waiting.clear()
        self._behind = position
        self._ready.set()

    def end(self) -> None:
        self._ended = True
        self._ready.set()

    async def take(self) -> Batch:
        """Waits for the next. It may be cancelled without loss. Raises `StopAsyncIteration` at the end."""
        while not self._waiting and self._behind is None:
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        taken = Batch(tuple(self._waiting), self._behind)
        self._waiting.clear()
        self._behind = None
        return taken


class EventTail:
    """Starts with its first follower and stops with its last."""

    def __init__(self, database: Database, live: Live, counting: EventCounting) -> None:
        self._database = database
        self._counting = counting
        self._live = live
        self._followers: set[Follower] = set()
        self._names: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._position = 0

    @contextlib.asynccontextmanager
    async def follow(self, who: str) -> AsyncIterator[Follower]:
        """Everything that arrives from now on, until the block is left or the house closes."""
        follower = Follower()
        self._followers.add(follower)
        self._names[who] += 1
        try:
            if self._task is None or self._task.done():
                self._started.clear()
                self._task = asyncio.create_task(self._run())
            await self._started.wait()
            follower.begin(self._position)
            yield follower
        finally:
            self._followers.discard(follower)
            self._names[who] -= 1
            self._names += Counter()
            if not self._followers:
                await self._stop()

    def followers(self, who: str) -> int:
        """How many of that name follow in this process."""
        return self._names[who]

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            async with self._live.subscribe((EVENTS_TOPIC,)) as messages:
                await self._counting.run(1)
                self._position = await self._counting.position()
                self._started.set()
                await self._look()
                async for _ in messages:
                    messages.clear()
                    await self._look()
        finally:
            self._started.set()
            for follower in self._followers:
                follower.end()

    async def _look(self) -> None:
        """Hands out all that has come, as soon as it is counted: what is no pull of its own is known then.

        A store that cannot be read now is read at the next message: nothing is lost, as the position stays.
        """
        more = True
        while more:
            try:
                counted = await self._counting.beyond(self._position)
                async with self._database.read() as session:
                    found, _ = await events.follow(session, self._position, MOST_AT_ONCE + 1, None, counted)
                    more = await events.last_id(session) > counted
            except Unavailable as error:
                log.warning("new events cannot be read", action="events.follow", reason=error.message)
                more = False
            else:
                self._hand_out(found, counted)
            await asyncio.sleep(PAUSE_SECONDS)

    def _hand_out(self, found: Sequence[Event], counted: int) -> None:
        self._position = max(self._position, counted)
        for follower in self._followers:
            if len(found) > MOST_AT_ONCE:
                follower.fall_behind(counted)
            elif found:
                follower.put(found)
