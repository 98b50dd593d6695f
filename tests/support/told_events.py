"""Events as if a registry had told them, put straight into the store of an open house."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kubedash.live import EVENTS_TOPIC
from kubedash.oci.notifications import parse
from kubedash.storage import event_writing, registries
from kubedash.storage.event_writing import Arrival, row_of
from kubedash.workflows.services import Services
from tests.support.events import CONTENT_TYPE, envelope


async def tell(
    services: Services, registry: str | None, told: Sequence[dict[str, Any]], authenticated: bool = True
) -> None:
    """`told` as `tests.support.events.told` makes them, in the order of arrival."""
    now = datetime.now(UTC)
    async with services.database.write() as session:
        found = await registries.find(session, registry) if registry else None
        registry_id = found.id if found else None
        source = await event_writing.source_of(session, registry_id)
        arrivals = [
            Arrival(
                notification=notification,
                registry_id=registry_id,
                authenticated=authenticated,
                sender="127.0.0.1",
                received_at=now,
            )
            for notification in parse(CONTENT_TYPE, {}, envelope(*told)).notifications
        ]
        await event_writing.add(session, [row_of(arrival) | {"source_id": source} for arrival in arrivals])
    services.live.publish(EVENTS_TOPIC)
