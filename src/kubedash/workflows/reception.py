"""Who may send events, and reading what they send: what all posts share."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Final

import msgspec

from kubedash.oci.notifications import Parsed
from kubedash.policy.event_senders import Admission, Senders
from kubedash.storage import event_secrets, registries
from kubedash.storage.database import Database
from kubedash.storage.event_stats import PastSums
from kubedash.workflows.reading_events import Aside, read, takes_long

SENDERS_SECONDS: Final = 3.0
"""So long a change of registries or secrets by another process may stay unseen."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One post as it came."""

    admission: Admission
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
        self._aside = Aside()
        self.past = PastSums()

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

    async def admit(self, registry: str | None, secret: str | None) -> Admission:
        """What the path of a post and its secret show, before it is read.

        Raises `NotSignedIn` for a wrong or missing secret, `NotFound` for a path that names
        no registry, `Unavailable` where the store does not answer.
        """
        return (await self.senders()).admit(registry, secret)

    async def read(self, post: Post) -> Parsed:
        """The events of a post. One that takes long to read is read aside, so that nobody waits for it."""
        if takes_long(post.body):
            return await self._aside.read(post.headers, post.body)
        return read(post.headers, post.body)

    async def close(self) -> None:
        await self._aside.close()
