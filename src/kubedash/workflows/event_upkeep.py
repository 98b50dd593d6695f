"""What has to be done with events now and then: count them, and let old ones go."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Final

from kubedash.errors import Unavailable
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.storage import event_retention, pulls
from kubedash.workflows.services import Services

BEHIND_AT_MOST: Final = 5
"""Transactions that somebody who opens the figures waits for."""
KEYS_KEPT: Final = timedelta(days=30)
"""So long an event that comes again is known. Registries repeat within seconds, or when we are back."""


async def count_events(services: Services, actor: Actor, most: int | None = None) -> bool:
    """Brings the figures up to date, in at most so many transactions; whether they are."""
    access.require(actor, Permission.EVENTS_READ)
    return await services.counting.run(most)


async def try_to_count(services: Services, actor: Actor, most: int) -> None:
    """The same for who reads: where nothing can be written now, things are shown as they stand."""
    with contextlib.suppress(Unavailable):
        await count_events(services, actor, most)


async def forget_events(services: Services, actor: Actor) -> int:
    """Removes single events older than the setting says; their figures stay. How many, whole weeks apart."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    now = services.clock()
    async with services.database.write() as session:
        await pulls.forget(session, now)
    await event_retention.forget_keys_before(services.database, now - KEYS_KEPT)
    before = now - timedelta(days=services.settings.events_retention_days)
    return await event_retention.forget_before(services.database, before)
