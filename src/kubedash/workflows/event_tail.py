"""The end of the event table, read once for all who follow it in this process.

A message on the live line is only a hint; what is handed out is always what the store
holds. A flood costs a follower nothing: it is told that it fell behind, and looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from kubedash.errors import Unavailable
from kubedash.live import EVENTS_TOPIC, Live
from kubedash.records import Event
from kubedash.storage import events
from kubedash.storage.database import Database

MOST_AT_ONCE: Final = 200
"""Events of one look that are handed out; of more, followers hear that there were more."""
PAUSE_SECONDS: Final = 0.25
"""Between two looks, however fast events arrive."""
MAX_WAITING: Final = 500
"""Events kept for a follower that does not read."""
_LOOK_BACK: Final = 100
"""Several processes may commit in another order than they numbered: so far back is looked again."""

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

    def put(self, found: list[Event]) -> None:
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

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live
        self._followers: set[Follower] = set()
        self._names: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._first = self._position = 0
        self._seen: deque[int] = deque(maxlen=MOST_AT_ONCE + _LOOK_BACK)

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
                async with self._database.read() as session:
                    self._first = self._position = await events.last_id(session)
                self._seen.clear()
                self._started.set()
                async for _ in messages:
                    messages.clear()
                    await self._look()
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._started.set()
            for follower in self._followers:
                follower.end()

    async def _look(self) -> None:
        """A store that cannot be read now is read at the next message: nothing is lost, as the position stays."""
        start = max(self._first, self._position - _LOOK_BACK)
        try:
            async with self._database.read() as session:
                read = await events.after(session, start, MOST_AT_ONCE + _LOOK_BACK + 1)
                flood = len(read) > MOST_AT_ONCE + _LOOK_BACK
                newest = await events.last_id(session) if flood else 0
        except Unavailable as error:
            log.warning("new events cannot be read", action="events.follow", reason=error.message)
            return
        if flood:
            self._skip_to(newest)
        else:
            self._hand_out([event for event in read if event.id not in self._seen])

    def _skip_to(self, newest: int) -> None:
        self._first = self._position = newest
        self._seen.clear()
        for follower in self._followers:
            follower.fall_behind(newest)

    def _hand_out(self, found: list[Event]) -> None:
        if not found:
            return
        self._position = max(self._position, found[-1].id)
        self._seen.extend(event.id for event in found)
        for follower in self._followers:
            follower.put(found)
