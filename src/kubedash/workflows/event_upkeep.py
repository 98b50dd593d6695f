"""What has to be done with events now and then: count them, and let old ones go."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.storage import event_retention, event_rollups, events, pulls
from kubedash.workflows.services import Services

AT_ONCE: Final = 2_000
"""Events counted in one transaction: those that come meanwhile wait for it."""
BEHIND_AT_MOST: Final = 5
"""Transactions that somebody who opens the figures waits for."""
KEYS_KEPT: Final = timedelta(days=30)
"""So long an event that comes again is known. Registries repeat within seconds, or when we are back."""


async def count_events(services: Services, actor: Actor, most: int | None = None) -> bool:
    """Brings the figures up to date, in at most so many transactions; whether they are."""
    access.require(actor, Permission.EVENTS_READ)
    async with services.database.read() as session:
        newest, (counted, _) = await events.last_id(session), await event_rollups.position(session)
    if newest <= counted:
        return True
    async with services.reception.counting:
        async with services.database.write() as session:
            last = await event_rollups.settled_id(session)
        rounds = 0
        while counted < last and (most is None or rounds < most):
            async with services.database.write() as session:
                counted = await event_rollups.count_up_to(session, last, services.clock(), AT_ONCE)
            rounds += 1
    return counted >= last


async def forget_events(services: Services, actor: Actor) -> int:
    """Removes single events older than the setting says; their figures stay. How many, whole weeks apart."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    now = services.clock()
    async with services.database.write() as session:
        await pulls.forget(session, now)
    await event_retention.forget_keys_before(services.database, now - KEYS_KEPT)
    before = now - timedelta(days=services.settings.events_retention_days)
    return await event_retention.forget_before(services.database, before)
