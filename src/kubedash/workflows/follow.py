"""Following what changes: which topics a person may hear."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from kubedash.errors import InvalidInput, TooMany
from kubedash.live import Message
from kubedash.oci.reference import MAX_REPOSITORY_LENGTH
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.workflows.services import Services

MAX_TOPICS: Final = 10
MAX_STREAMS: Final = 64
"""One person's, in one process: each holds a connection for minutes."""
_RETRY_SECONDS: Final = 60
_SLUG: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_TOPIC: Final = re.compile(
    rf"registries|events|events:{_SLUG}|registry:{_SLUG}|repository:{_SLUG}/[a-z0-9._/-]{{1,{MAX_REPOSITORY_LENGTH}}}|job:[A-Za-z0-9._:-]{{1,128}}"
)


def check_topics(services: Services, actor: Actor, topics: Sequence[str]) -> tuple[str, ...]:
    """The topics, each once.

    Raises `InvalidInput` for unknown kinds, none or too many, and `TooMany` where the
    person follows too much already.
    """
    access.require(actor, Permission.IMAGES_READ)
    if services.live.subscriptions(actor.name) >= MAX_STREAMS:
        raise TooMany("Too many live streams are open.", retry_after=_RETRY_SECONDS, hint="Close some pages.")
    if not 0 < len(topics) <= MAX_TOPICS:
        raise InvalidInput(f"Name 1 to {MAX_TOPICS} topics.", fields={"topic": f"1 to {MAX_TOPICS}"})
    for topic in topics:
        if not _TOPIC.fullmatch(topic):
            raise InvalidInput(f"There is no topic {topic[:80]!r}.", fields={"topic": "is unknown"})
    return tuple(dict.fromkeys(topics))


@contextlib.asynccontextmanager
async def follow(services: Services, actor: Actor, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[Message]]:
    """The messages of these topics until the block is left or the house closes. Raises as `check_topics`."""
    checked = check_topics(services, actor, topics)
    async with services.live.subscribe(checked, actor.name) as messages:
        yield messages
