"""What registries told: the timeline, and its figures."""

from __future__ import annotations

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Event, EventFilter, EventQuery, EventStats, Page
from kubedash.storage import event_stats as figures
from kubedash.storage import events
from kubedash.workflows.services import Services


async def open_events(services: Services, actor: Actor, query: EventQuery) -> Page[Event]:
    """A page of the timeline, newest first unless the query says otherwise. Raises `InvalidInput`."""
    access.require(actor, Permission.EVENTS_READ)
    async with services.database.read() as session:
        return await events.page(session, query)


async def event_stats(services: Services, actor: Actor, where: EventFilter) -> EventStats:
    """The figures of what the filter lets through."""
    access.require(actor, Permission.EVENTS_READ)
    async with services.database.read() as session:
        return await figures.stats(session, where, services.clock())
