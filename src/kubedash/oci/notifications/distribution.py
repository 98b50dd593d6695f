"""distribution's envelope, versions 1 and 2 alike, and its fork in GitLab.

`{"events": [{id, timestamp, action, target, request, actor, source}]}`
(distribution, notifications/event.go). Deletions come without media type, and with
either a digest or a tag; later versions write empty texts for what is missing.
"""

from __future__ import annotations

import msgspec

from kubedash.oci.decoding import Notes, decode
from kubedash.oci.notifications.values import Action, Facts, Format, Notification, settle


class _Target(msgspec.Struct, gc=False, rename="camel"):
    media_type: str | None = None
    size: int | None = None
    length: int | None = None
    digest: str | None = None
    repository: str | None = None
    from_repository: str | None = None
    tag: str | None = None


class _Request(msgspec.Struct, gc=False):
    addr: str | None = None
    host: str | None = None
    method: str | None = None
    useragent: str | None = None


class _Actor(msgspec.Struct, gc=False):
    name: str | None = None
    user_type: str | None = None


class _Source(msgspec.Struct, gc=False):
    instance: str | None = msgspec.field(name="instanceID", default=None)


class _Event(msgspec.Struct, gc=False):
    id: str | None = None
    timestamp: str | None = None
    action: str | None = None
    target: _Target | None = None
    request: _Request | None = None
    actor: _Actor | None = None
    source: _Source | None = None


_NO_TARGET = _Target()
_NO_REQUEST = _Request()
_NO_ACTOR = _Actor()
_NO_SOURCE = _Source()


def read(raw: bytes) -> tuple[Notification, ...]:
    """One event of the envelope. Raises `InvalidInput` where it is no JSON object."""
    notes = Notes()
    event = decode(raw, _Event, notes)
    target = event.target or _NO_TARGET
    request = event.request or _NO_REQUEST
    actor = event.actor or _NO_ACTOR
    if not target.repository:
        notes.add("there is no repository")
    facts = Facts(
        format=Format.GITLAB if actor.user_type is not None else Format.DISTRIBUTION,
        event_id=event.id,
        action=event.action,
        repository=target.repository,
        tag=target.tag,
        digest=target.digest,
        media_type=target.media_type,
        size=_size(target, event.action),
        actor=actor.name,
        address=request.addr,
        user_agent=request.useragent,
        method=request.method,
        time=event.timestamp,
        host=request.host,
        instance=(event.source or _NO_SOURCE).instance,
        from_repository=target.from_repository,
    )
    return (settle(raw, facts, notes),)


def _size(target: _Target, action: str | None) -> int | None:
    """Version 3 writes zero where it does not know: of what was deleted."""
    size = target.length if target.size is None else target.size
    return None if action == Action.DELETE and not size else size
