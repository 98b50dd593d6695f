"""Who may send events, and reading what they send: what all posts share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.notifications import Parsed, parse
from kubedash.oci.notifications.values import unreadable
from kubedash.policy.event_senders import Senders
from kubedash.storage import event_secrets, registries
from kubedash.storage.database import Database
from kubedash.storage.event_stats import PastSums

SENDERS_SECONDS: Final = 3.0
"""So long a change of registries or secrets by another process may stay unseen."""
LARGE_BODY: Final = 256 * 1024
"""Bytes from which on a post is read aside, one at a time."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One post as it came."""

    registry: str | None
    """The registry that its path names."""
    secret: str | None
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes
    address: str | None


class Reception:
    """Who may send, looked up again every few seconds and when somebody says so."""

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._token = token
        self._known: Senders | None = None
        self._until = 0.0
        self._large = asyncio.Lock()
        self.past = PastSums()
        self.counting = asyncio.Lock()
        """Held by who counts events: the others find the figures done."""

    async def senders(self) -> Senders:
        """Raises `Unavailable` where the store does not answer."""
        if self._known is None or monotonic() >= self._until:
            async with self._database.read() as session:
                found = await registries.list_all(session)
                digests = await event_secrets.digests(session)
            self._known = Senders.of(found, digests, self._token)
            self._until = monotonic() + SENDERS_SECONDS
        return self._known

    def forget(self) -> None:
        """A registry or secret has changed."""
        self._known = None

    async def read(self, post: Post) -> Parsed:
        """The events of a post. A large one is read in another thread, so that nobody waits for it."""
        if len(post.body) < LARGE_BODY:
            return _read(post)
        async with self._large:
            return await asyncio.to_thread(_read, post)


def _read(post: Post) -> Parsed:
    if not post.body.strip():
        return Parsed(())
    try:
        return parse(post.headers.get("content-type", ""), post.headers, post.body)
    except InvalidInput as error:
        # A refusal would make the registry send it for ever, and nothing else.
        return Parsed((unreadable(post.body, error.message),))
