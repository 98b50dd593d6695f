"""Group commit: posts that come at once share a transaction, and each is told when it is on the disk.

One transaction at a time; whatever arrives meanwhile makes up the next one. So the
busier it gets, the more a transaction carries, and nobody waits for more than two.
While posts keep coming, the thread that writes takes the next ones by itself: the loop
that receives them is busy, and the store would wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import structlog

from kubedash.errors import Unavailable
from kubedash.storage import event_retention
from kubedash.storage.database import Database, WriteForGood, WriteSession
from kubedash.storage.event_writing import Arrival, Values, add, row_of, source_of

MAX_TOGETHER: Final = 1_000
"""Events of one transaction; a post is never divided."""
MAX_WAITING: Final = 50_000
"""Events in memory; beyond it senders are told to come again."""

SHIFT_SECONDS: Final = 1.0
"""At most so long the thread goes on by itself, and no longer than until others want to write."""

log = structlog.get_logger(__name__)


class _Post:
    """What came together, and who waits for it."""

    __slots__ = ("arrivals", "done", "rows")

    def __init__(self, arrivals: Sequence[Arrival], done: asyncio.Future[int]) -> None:
        self.arrivals = arrivals
        self.rows = [row_of(arrival) for arrival in arrivals]
        self.done = done


class EventWriter:
    """The one way for events into the store; one a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Post] = deque()
        """Filled by the loop, emptied by the thread."""
        self._events = 0
        self._drain: asyncio.Task[None] | None = None
        self._sources: dict[int | None, int] = {}
        self._weeks: set[int] = set()

    async def add(self, arrivals: Sequence[Arrival]) -> int:
        """Returns when all of them are durable; the newest id then. What is there already is left alone.

        Raises `Unavailable` where the store does not answer, or too much waits for it.
        """
        if self._events + len(arrivals) > MAX_WAITING:
            raise Unavailable("Too many events wait to be stored.", hint="Send it again.")
        post = _Post(arrivals, asyncio.get_running_loop().create_future())
        self._waiting.append(post)
        self._events += len(arrivals)
        if self._drain is None:
            self._drain = asyncio.create_task(self._work())
        return await post.done

    async def close(self) -> None:
        """What waits is stored first."""
        if self._drain is not None:
            await self._drain

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                try:
                    await self._prepare_weeks(datetime.now(UTC))
                    await self._database.take_turn(lambda write: self._shift(write, loop))
                except Unavailable as error:
                    # There is no place for them yet: no transaction was begun.
                    self._tell(self._next(), error)
        finally:
            self._drain = None

    async def _prepare_weeks(self, now: datetime) -> None:
        for week in event_retention.weeks_around(now):
            if week not in self._weeks:
                await event_retention.prepare_week(self._database, week)
                self._weeks.add(week)

    def _shift(self, write: WriteForGood, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread: batch after batch, while there are any and nobody else wants to write."""
        until = monotonic() + SHIFT_SECONDS
        self._store(write, self._next(), loop)
        while self._waiting and not self._database.others_wait() and monotonic() < until:
            self._store(write, self._next(), loop)

    def _next(self) -> list[_Post]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].rows)
        while self._waiting and size + len(self._waiting[0].rows) <= MAX_TOGETHER:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].rows)
        return batch

    def _store(self, write: WriteForGood, batch: Sequence[_Post], loop: asyncio.AbstractEventLoop) -> None:
        """All or, where one of them cannot be stored, each by itself: nobody fails for another."""
        made: dict[int | None, int] = {}
        outcome: int | Exception
        try:
            outcome = write(lambda session: self._add(session, batch, made))
        except Unavailable as error:
            outcome = error
        except Exception as error:
            if len(batch) > 1:
                for post in batch:
                    self._store(write, [post], loop)
                return
            log.error("events that cannot be stored", action="events", exc_info=error)
            outcome = error
        else:
            self._sources |= made
        loop.call_soon_threadsafe(self._tell, batch, outcome)

    async def _add(self, session: WriteSession, batch: Sequence[_Post], made: dict[int | None, int]) -> int:
        rows: list[Values] = []
        for post in batch:
            for arrival, row in zip(post.arrivals, post.rows, strict=True):
                registry_id = arrival.registry_id
                source = self._sources.get(registry_id) or made.get(registry_id)
                if source is None:
                    source = made[registry_id] = await source_of(session, registry_id)
                row["source_id"] = source
                rows.append(row)
        return await add(session, rows)

    def _tell(self, batch: Sequence[_Post], outcome: int | Exception) -> None:
        for post in batch:
            self._events -= len(post.rows)
            if post.done.done():  # Its sender has gone.
                continue
            if isinstance(outcome, Exception):
                post.done.set_exception(outcome)
            else:
                post.done.set_result(outcome)
