"""Group commit: posts that come at once share a transaction, and each is told when it is on the disk.

One transaction at a time; whatever arrives meanwhile makes up the next one. So the
busier it gets, the more a transaction carries, and nobody waits for more than two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from kubedash.errors import Unavailable
from kubedash.storage import event_retention
from kubedash.storage.database import Database, WriteSession
from kubedash.storage.event_writing import Arrival, Values, add, row_of, source_of

MAX_TOGETHER: Final = 1_000
"""Events of one transaction; a post is never divided."""
MAX_WAITING: Final = 50_000
"""Events in memory; beyond it senders are told to come again."""

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
        try:
            while self._waiting:
                await self._store(self._next())
        finally:
            self._drain = None

    def _next(self) -> list[_Post]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].rows)
        while self._waiting and size + len(self._waiting[0].rows) <= MAX_TOGETHER:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].rows)
        self._events -= size
        return batch

    async def _store(self, batch: Sequence[_Post]) -> None:
        """All or, where one of them cannot be stored, each by itself: nobody fails for another."""
        try:
            last = await self._transaction(batch)
        except Unavailable as error:
            _tell(batch, error)
        except Exception as error:
            if len(batch) == 1:
                log.error("events that cannot be stored", action="events", exc_info=error)
                _tell(batch, error)
                return
            for post in batch:
                await self._store([post])
        else:
            _tell(batch, last)

    async def _transaction(self, batch: Sequence[_Post]) -> int:
        await self._prepare_weeks(batch)
        made: dict[int | None, int] = {}

        async def write(session: WriteSession) -> int:
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

        last = await self._database.write_for_good(write)
        self._sources |= made
        return last

    async def _prepare_weeks(self, batch: Sequence[_Post]) -> None:
        received = batch[-1].arrivals[-1].received_at
        for week in event_retention.weeks_around(received):
            if week not in self._weeks:
                await event_retention.prepare_week(self._database, week)
                self._weeks.add(week)


def _tell(batch: Sequence[_Post], outcome: int | Exception) -> None:
    for post in batch:
        if post.done.done():  # Its sender has gone.
            continue
        if isinstance(outcome, Exception):
            post.done.set_exception(outcome)
        else:
            post.done.set_result(outcome)
