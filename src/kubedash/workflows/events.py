"""What registries told: the timeline, and its figures."""

from __future__ import annotations

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Event, EventFilter, EventQuery, EventStats, Page
from kubedash.storage import event_stats as figures
from kubedash.storage import events
from kubedash.workflows.event_upkeep import BEHIND_AT_MOST, try_to_count
from kubedash.workflows.services import Services


async def open_events(services: Services, actor: Actor, query: EventQuery) -> Page[Event]:
    """A page of the timeline, newest first unless the query says otherwise. Raises `InvalidInput`."""
    access.require(actor, Permission.EVENTS_READ)
    if query.cursor is None:
        # What is no pull of its own is known then.
        await try_to_count(services, actor, 1)
    return await services.database.read_in_one(lambda session: events.page(session, query))


async def event_stats(services: Services, actor: Actor, where: EventFilter) -> EventStats:
    """The figures of what the filter lets through, with what has just come."""
    access.require(actor, Permission.EVENTS_READ)
    await try_to_count(services, actor, BEHIND_AT_MOST)
    now, past = services.clock(), services.reception.past
    return await services.database.read_in_one(lambda session: figures.stats(session, where, now, past))


async def newest_event(services: Services, actor: Actor) -> int:
    """The id of the newest arrival that is counted, to follow what comes after; 0 where none ever came."""
    await try_to_count(services, actor, BEHIND_AT_MOST)
    return await services.counting.position()


async def events_after(
    services: Services, actor: Actor, identifier: int, limit: int, where: EventFilter | None = None
) -> tuple[tuple[Event, ...], int]:
    """What arrived behind an event, in that order, and the id to go on behind.

    At most `limit` arrivals are looked at; what the filter leaves out is among them. Of what
    arrives by several processes at once none is passed over.
    """
    access.require(actor, Permission.EVENTS_READ)
    await try_to_count(services, actor, 1)
    newest = await services.counting.position()
    if newest <= identifier:
        return (), identifier
    async with services.database.read() as session:
        return await events.follow(session, identifier, limit, where, newest)
