"""Whether this process can do its work, and the figures of the house."""

from __future__ import annotations

from collections import Counter

from kubedash.errors import KubedashError, Unavailable
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.storage import people, registries
from kubedash.workflows.services import Services


async def check_ready(services: Services) -> None:
    """Anybody may ask. Raises `Unavailable` where the store does not answer."""
    try:
        async with services.database.read() as session:
            await people.count(session)
    except KubedashError:
        raise
    except Exception as error:
        # Whatever the driver says, it is for the log: the one who asks may be anybody.
        raise Unavailable("The store does not answer.") from error


async def count_registries(services: Services, actor: Actor) -> dict[str, int]:
    """Registries by the state of the last contact."""
    access.require(actor, Permission.METRICS_READ)
    async with services.database.read() as session:
        return dict(Counter(str(registry.status) for registry in await registries.list_all(session)))
