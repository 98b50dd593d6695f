"""A registry told something: who is it, what does it say, keep it, tell the pages."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from kubedash.live import EVENTS_TOPIC, events_topic
from kubedash.storage.event_writing import Arrival
from kubedash.workflows.reception import Post
from kubedash.workflows.services import Services

AT_A_TIME: Final = 100
"""Events of a post that are stored together: others' come between."""

log = structlog.get_logger(__name__)


class Receipt(msgspec.Struct, frozen=True):
    """What became of a post."""

    accepted: int
    strange: int
    """Of them: kept as they came, because they could not be read whole."""
    left_out: int = 0
    """Beyond what one post may hold."""


async def record_events(services: Services, post: Post) -> Receipt:
    """Returns when every event of the post is durable; what is there already is left alone.

    Some of it may be stored where it fails: sent again, those are left alone. Raises
    `NotSignedIn` for an event of a registry whose secret is missing, `Unavailable` where the
    store does not answer.
    """
    senders = await services.reception.senders()
    admission = post.admission
    parsed = await services.reception.read(post)
    now = services.clock()
    names: set[str | None] = set()
    arrivals: list[Arrival] = []
    for told in parsed.notifications:
        sender = senders.attribute(admission, told.host)
        names.add(sender.name if sender else None)
        arrivals.append(
            Arrival(
                notification=told,
                registry_id=sender.id if sender else None,
                authenticated=admission.authenticated,
                sender=post.address,
                received_at=now,
            )
        )
    if not arrivals:
        return Receipt(0, 0)
    for begin in range(0, len(arrivals), AT_A_TIME):
        last = await services.events.add(arrivals[begin : begin + AT_A_TIME])
    _announce(services, last, names)
    if parsed.left_out:
        log.warning("a post held too many events", action="events", address=post.address, left_out=parsed.left_out)
    return Receipt(len(arrivals), sum(told.strange is not None for told in parsed.notifications), parsed.left_out)


def _announce(services: Services, last: int, names: set[str | None]) -> None:
    message = msgspec.json.encode({"last": last}).decode()
    services.live.publish_soon(EVENTS_TOPIC, message)
    for name in names:
        if name is not None:
            services.live.publish_soon(events_topic(name), message)
