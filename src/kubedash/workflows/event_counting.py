"""Counting events: first which requests were a pull, then the figures, both in one transaction.

Whoever wants figures counts what has come; how far that is stands in the store, so nobody
counts an event twice. Lists, charts, timelines and what is passed on follow what was
decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from time import monotonic
from typing import Final

from kubedash.policy.pulls import Parents, PullCounter
from kubedash.storage import event_feed, event_requests, event_rollups, events, pulls
from kubedash.storage.database import Database, ReadSession, WriteSession
from kubedash.storage.event_requests import Asked, Verdict

AT_ONCE: Final = 2_000
"""Events counted in one transaction: those that come meanwhile wait for it."""
MAX_LOOKED_BACK: Final = 10_000
"""Ids before an event within which its pull may have begun, for who has not read them yet."""
REST: Final = 10
"""So many times as long as a transaction took, nobody begins the next who can wait: few large ones cost less."""
LONGEST_REST: Final = 1.0
BREATH: Final = 100
"""Requests after which others may go on: those who post events wait for their answer meanwhile."""
_MOMENT: Final = attrgetter("occurred_at")


class EventCounting:
    """One in each process. What it remembers only saves reading it again."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lock = asyncio.Lock()
        self._counter = PullCounter()
        self._seen = 0
        """The last event that the counter was shown."""
        self._rests_until = 0.0

    async def run(self, most: int | None = None) -> bool:
        """Brings the figures up to date, in at most so many transactions; whether they are."""
        newest, counted = await self._database.read_in_one(_newest_and_counted)
        if newest <= counted:
            return True
        last = await self._database.read_in_one(event_rollups.settled_id)
        rounds = 0
        while counted < last and (most is None or rounds < most):
            counted, rounds = await self._count_some(last), rounds + 1
        return counted >= last

    async def position(self) -> int:
        """The last event that is counted; none before it is still to come."""
        async with self._database.read() as session:
            return (await event_rollups.position(session))[0]

    async def beyond(self, position: int) -> int:
        """The same, after counting some more where nothing behind `position` is counted yet.

        Where events come fast that waits up to a second, for who asks again and again.
        """
        counted = await self.position()
        if counted > position or monotonic() < self._rests_until:
            return counted
        await self.run(1)
        return await self.position()

    async def _count_some(self, last: int) -> int:
        """One transaction of it; how far that led. Others that wait for their turn find it done."""
        async with self._lock:
            counted = await self.position()
            if counted < last:
                began = monotonic()
                await self._count(counted, min(last, counted + AT_ONCE))
                counted = await self.position()
                self._rests_until = monotonic() + min(LONGEST_REST, REST * (monotonic() - began))
        return counted

    async def _count(self, behind: int, upto: int) -> None:
        """Nothing happens where another process was first."""
        counter, seen = self._take_counter(behind)
        async with self._database.read() as session:
            before = await event_requests.between(session, max(seen, behind - MAX_LOOKED_BACK), behind)
            asked = await event_requests.between(session, behind, upto)
            parents = await pulls.parents(session, _by_digest((*before, *asked)))
        await _decided(counter, before, parents)
        verdicts = await _decided(counter, asked, parents)

        async def keep(session: WriteSession) -> bool:
            ours = await event_feed.is_at(session, event_rollups.CURSOR, behind)
            if ours:
                await event_requests.mark(session, verdicts)
                await event_rollups.add(session, behind, upto, self._clock())
            return ours

        if await self._database.write_in_one(keep):
            self._counter, self._seen = counter, upto

    def _take_counter(self, position: int) -> tuple[PullCounter, int]:
        """A counter, and the last event up to `position` that it has seen.

        It is gone from here until the store knows what it decided: meanwhile it is ahead.
        """
        counter, seen = self._counter, self._seen
        self._counter, self._seen = PullCounter(), 0
        return (counter, seen) if seen <= position else (PullCounter(), 0)


async def _newest_and_counted(session: ReadSession) -> tuple[int, int]:
    return await events.last_id(session), (await event_rollups.position(session))[0]


def _by_digest(asked: Sequence[Asked]) -> set[str]:
    """Who asks by tag asks for no part of anything."""
    return {one.request.digest for one in asked if one.request.digest and not one.request.tag}


async def _decided(counter: PullCounter, asked: Sequence[Asked], parents: Parents) -> list[Verdict]:
    """In the order in which it happened: of what comes together, the later may have come first."""
    found = []
    for number, one in enumerate(sorted(asked, key=_MOMENT)):
        if number % BREATH == 0:
            await asyncio.sleep(0)
        target = counter.take(one.request, parents)
        if target != one.request.names and not one.request.is_look:
            found.append(Verdict(one, target))
    return found
