"""What registries told: the timeline, and its figures."""

from __future__ import annotations

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Event, EventFilter, EventQuery, EventStats, Page
from kubedash.storage import event_rollups, events
from kubedash.storage import event_stats as figures
from kubedash.workflows.event_upkeep import BEHIND_AT_MOST, count_events
from kubedash.workflows.services import Services


async def open_events(services: Services, actor: Actor, query: EventQuery) -> Page[Event]:
    """A page of the timeline, newest first unless the query says otherwise. Raises `InvalidInput`."""
    access.require(actor, Permission.EVENTS_READ)
    async with services.database.read() as session:
        return await events.page(session, query)


async def event_stats(services: Services, actor: Actor, where: EventFilter) -> EventStats:
    """The figures of what the filter lets through, with what has just come."""
    access.require(actor, Permission.EVENTS_READ)
    await count_events(services, actor, BEHIND_AT_MOST)
    async with services.database.read() as session:
        return await figures.stats(session, where, services.clock(), services.reception.past)


async def newest_event(services: Services, actor: Actor) -> int:
    """The id of the newest arrival, to follow what comes after; 0 where none ever came."""
    access.require(actor, Permission.EVENTS_READ)
    return await _newest(services, 0)


async def events_after(
    services: Services, actor: Actor, identifier: int, limit: int, where: EventFilter | None = None
) -> tuple[tuple[Event, ...], int]:
    """What arrived behind an event, in that order, and the id to go on behind.

    At most `limit` arrivals are looked at; what the filter leaves out is among them. Of what
    arrives by several processes at once none is passed over.
    """
    access.require(actor, Permission.EVENTS_READ)
    newest = await _newest(services, identifier)
    if newest <= identifier:
        return (), identifier
    async with services.database.read() as session:
        return await events.follow(session, identifier, limit, where, newest)


async def _newest(services: Services, known: int) -> int:
    """The newest arrival; where it is newer than a known one, with none below it still to come."""
    async with services.database.read() as session:
        newest = await events.last_id(session)
    if newest <= known or services.database.dialect != "postgresql":
        return newest
    async with services.database.write() as session:
        return await event_rollups.settled_id(session)
