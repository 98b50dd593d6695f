"""Following events as they arrive, without loss and without repetition."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final, Self

from kubedash.errors import TooMany
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.event_filter import matches
from kubedash.records import EventFilter
from kubedash.storage import events as stored
from kubedash.workflows.event_tail import Batch, Follower
from kubedash.workflows.event_upkeep import try_to_count
from kubedash.workflows.follow import MAX_STREAMS
from kubedash.workflows.services import Services

MOST_MISSED: Final = 500
"""More than that since a follower last heard is not told one by one."""
MOST_AT_ONCE: Final = 50
"""Nobody reads more than that in one moment."""
_RETRY_SECONDS: Final = 60


def check_follow(services: Services, actor: Actor) -> None:
    """Raises `TooMany` where the person follows too much already."""
    access.require(actor, Permission.EVENTS_READ)
    if services.event_tail.followers(actor.name) >= MAX_STREAMS:
        raise TooMany("Too many live streams are open.", retry_after=_RETRY_SECONDS, hint="Close some pages.")


async def newest_event(services: Services, actor: Actor) -> int:
    """The id of the last event that is counted, after counting some more; 0 where there is none."""
    await try_to_count(services, actor, 1)
    return await services.counting.position()


class Following:
    """The batches that concern one follower; iterate over it. Waiting for the next may be cancelled without loss."""

    def __init__(self, follower: Follower, where: EventFilter, missed: Batch, after: int) -> None:
        """What came up to the id `after` is known already."""
        self._follower = follower
        self._where = where
        self._after = after
        self._missed: Batch | None = missed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        missed, self._missed = self._missed, None
        if missed is not None and (missed.events or missed.behind):
            return missed
        while True:
            found = await self._follower.take()
            told = tuple(event for event in found.events if event.id > self._after and matches(self._where, event))
            if len(told) > MOST_AT_ONCE:
                return Batch(behind=found.events[-1].id)
            if told or found.behind:
                return Batch(told, found.behind)


@contextlib.asynccontextmanager
async def follow_events(
    services: Services, actor: Actor, where: EventFilter, after: int | None
) -> AsyncIterator[Following]:
    """What matches and arrived behind the id `after`, in the order of arrival; without it, from now on.

    Ends when the block is left or the house closes. Raises `TooMany`.
    """
    check_follow(services, actor)
    async with services.event_tail.follow(actor.name) as follower:
        # Subscribed first, then what was missed: nothing falls in between, and nothing is told twice.
        missed = Batch() if after is None else await _missed(services, where, after, follower.position)
        yield Following(follower, where, missed, after or 0)


async def _missed(services: Services, where: EventFilter, after: int, position: int) -> Batch:
    if position - after > MOST_MISSED:
        return Batch(behind=position)
    async with services.database.read() as session:
        found = await stored.after(session, after, MOST_MISSED, where)
    return Batch(tuple(event for event in found if event.id <= position))
