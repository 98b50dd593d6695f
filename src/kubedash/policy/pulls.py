"""What counts as one pull. Pure: events in, pulls out.

A registry reports requests, not pulls. A HEAD only looks. One pull of an image for
several platforms is a GET of its index and one of the platform's manifest; who asks by
tag may turn it into a digest by a HEAD first and GET by digest only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from kubedash.oci.media_types import INDEX_TYPES

WINDOW: Final = timedelta(seconds=60)
"""Requests of one client for one repository within this time may belong to the same pull."""
MAX_CLIENTS: Final = 20_000
"""Clients that are remembered at once; the one heard of longest ago goes first."""
MAX_REMEMBERED: Final = 64
"""Manifests that are remembered of a client."""
NOTHING_NAMED: Final = ""
"""The target of a pull that names neither tag nor digest."""
_BLOB: Final = "application/octet-stream"
_LOOK: Final = "HEAD"

Who = tuple[int, str | None, str | None, str | None, str | None]
Parents = Mapping[str, Collection[str]]
"""Of digests that belong to indexes: the digests of these."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One `pull` event."""

    source_id: int
    """Who told it: a registry, or nobody known."""
    repository: str | None
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
        return self.source_id, self.repository, self.actor, self.address, self.user_agent

    @property
    def is_look(self) -> bool:
        return self.method == _LOOK

    @property
    def names(self) -> str:
        """What it is of by itself."""
        return self.tag or self.digest or NOTHING_NAMED


class _Seen(msgspec.Struct, gc=False):
    """A manifest that a client was told of or got."""

    at: datetime
    tag: str | None
    is_index: bool
    fetched: int
    """How often the client got it, with no break longer than the window."""
    parts: int
    """How often that was part of another pull."""


_NEVER: Final = _Seen(datetime.min.replace(tzinfo=UTC), None, False, 0, 0)
_Memory = dict[str, _Seen]
"""Of one client, by digest; what was touched last stands last."""


class PullCounter:
    """Goes through the requests in their order; remembers about a minute of them."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Who, _Memory] = OrderedDict()

    @property
    def clients(self) -> int:
        """How many are remembered."""
        return len(self._clients)

    def take(self, request: Request, parents: Parents) -> str | None:
        """What was pulled: the tag, or the digest where it was asked for by that alone, or `NOTHING_NAMED`.

        None where the request is no pull of its own. `parents` are as far as the index knows
        them; for a digest without any, the media types tell: an image right behind an index
        belongs to it.
        """
        if request.own or request.media_type == _BLOB:
            return None
        seen = self._of(request.who)
        told = _told(seen, request)
        tag = request.tag or told.tag
        if request.is_look:
            _remember(seen, request, tag, told.fetched, told.parts)
            return None
        if tag is None and _is_part(seen, request, told, parents):
            # An index within an index has parts of its own.
            _remember(seen, request, None, told.fetched + 1, told.parts + 1)
            return None
        _remember(seen, request, tag, told.fetched + 1, told.parts)
        return tag or request.names

    def _of(self, who: Who) -> _Memory:
        seen = self._clients.get(who)
        if seen is None:
            seen = self._clients[who] = {}
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(who)
        return seen


def _told(seen: _Memory, request: Request) -> _Seen:
    """What the client knows of this manifest since a moment ago."""
    found = seen.get(request.digest) if request.digest else None
    return found if found is not None and _near(found, request) else _NEVER


def _is_part(seen: _Memory, request: Request, told: _Seen, parents: Parents) -> bool:
    """Whether the same client got the index that holds this manifest a moment ago.

    One pull takes each manifest of an index once: who asks more often than it got the
    index wants the manifest itself.
    """
    if request.digest is None:
        return False
    known = parents.get(request.digest)
    if not known and request.media_type in INDEX_TYPES:
        return False
    holding = [
        digest
        for digest, other in seen.items()
        if other.fetched
        and other.is_index
        and digest != request.digest
        and _near(other, request)
        and (not known or digest in known)
    ]
    if sum(seen[digest].fetched for digest in holding) <= told.parts:
        return False
    for digest in holding:
        # Not forgotten before its last part has come.
        seen[digest] = seen.pop(digest)
    return True


def _remember(seen: _Memory, request: Request, tag: str | None, fetched: int, parts: int) -> None:
    if request.digest is None:
        return
    seen.pop(request.digest, None)
    seen[request.digest] = _Seen(request.at, tag, request.media_type in INDEX_TYPES, fetched, parts)
    if len(seen) > MAX_REMEMBERED:
        del seen[next(iter(seen))]


def _near(seen: _Seen, request: Request) -> bool:
    return abs(request.at - seen.at) <= WINDOW
