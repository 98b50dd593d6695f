"""What counts as one pull. Pure: events in, pulls out.

A registry reports requests, not pulls. A HEAD only looks. One pull of an image for
several platforms is a GET of its index and one of the platform's manifest; who asks by
tag may turn it into a digest by a HEAD first and GET by digest only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kubedash.oci.media_types import INDEX_TYPES

WINDOW: Final = timedelta(seconds=60)
"""Requests of one client for one repository within this time may belong to the same pull."""
MAX_CLIENTS: Final = 20_000
"""Clients that are remembered at once; the one heard of longest ago goes first."""
MAX_REMEMBERED: Final = 64
"""Manifests that are remembered of a client."""
_BLOB: Final = "application/octet-stream"
_LOOK: Final = "HEAD"

Who = tuple[int, str, str | None, str | None, str | None]
Parents = Mapping[str, Collection[str]]
"""Of digests that belong to indexes: the digests of these."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One `pull` event."""

    registry_id: int
    repository: str
    tag: str | None
    digest: str | None
    media_type: str | None
    method: str | None
    actor: str | None
    address: str | None
    user_agent: str | None
    own: bool
    at: datetime

    @property
    def who(self) -> Who:
        return self.registry_id, self.repository, self.actor, self.address, self.user_agent


class Pull(msgspec.Struct, frozen=True, gc=False):
    """One pull that somebody did."""

    registry_id: int
    repository: str
    target: str
    """The tag, or the digest where it was asked for by digest alone."""
    at: datetime


class _Seen(msgspec.Struct, gc=False):
    """A manifest that a client was told of or got."""

    at: datetime
    tag: str | None
    is_index: bool
    fetched: bool


class PullCounter:
    """Goes through the requests in their order; remembers about a minute of them."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Who, OrderedDict[str, _Seen]] = OrderedDict()

    @property
    def clients(self) -> int:
        """How many are remembered."""
        return len(self._clients)

    def take(self, request: Request, parents: Parents) -> Pull | None:
        """The pull that the request stands for; None where it stands for none of its own.

        `parents` are as far as the index knows them; for a digest without any, the media
        types tell: an image right behind an index belongs to it.
        """
        if request.own or request.media_type == _BLOB or not (request.tag or request.digest):
            return None
        seen = self._of(request.who)
        told = seen.get(request.digest) if request.digest else None
        tag = request.tag or (told.tag if told and _near(told, request) else None)
        if request.method == _LOOK:
            self._remember(seen, request, tag, fetched=told is not None and told.fetched)
            return None
        if tag is None and self._is_part(seen, request, parents):
            return None
        self._remember(seen, request, tag, fetched=True)
        target = tag or request.digest
        return Pull(request.registry_id, request.repository, target, request.at) if target else None

    def _of(self, who: Who) -> OrderedDict[str, _Seen]:
        seen = self._clients.setdefault(who, OrderedDict())
        self._clients.move_to_end(who)
        while len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return seen

    def _remember(self, seen: OrderedDict[str, _Seen], request: Request, tag: str | None, *, fetched: bool) -> None:
        if request.digest is None:
            return
        seen[request.digest] = _Seen(request.at, tag, request.media_type in INDEX_TYPES, fetched)
        seen.move_to_end(request.digest)
        while len(seen) > MAX_REMEMBERED:
            seen.popitem(last=False)

    def _is_part(self, seen: Mapping[str, _Seen], request: Request, parents: Parents) -> bool:
        """Whether the index that holds this manifest was fetched by the same client a moment ago."""
        fetched = [
            digest
            for digest, other in seen.items()
            if other.fetched and other.is_index and digest != request.digest and _near(other, request)
        ]
        known = parents.get(request.digest or "")
        if known:
            return any(digest in known for digest in fetched)
        return bool(fetched) and request.media_type not in INDEX_TYPES


def _near(seen: _Seen, request: Request) -> bool:
    return abs(request.at - seen.at) <= WINDOW
