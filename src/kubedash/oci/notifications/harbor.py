"""Harbor's own JSON, and the same facts inside a CloudEvent.

One event may tell of several resources; each becomes a notification. The tag of a pull
by digest holds the digest. There is no id: the same content is the same event.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from kubedash.oci.decoding import Notes, decode
from kubedash.oci.digest import Digest
from kubedash.oci.notifications.values import MAX_EVENTS, Action, Facts, Format, Notification, content_id, settle

_ACTIONS: Final = {
    "PUSH_ARTIFACT": Action.PUSH,
    "PULL_ARTIFACT": Action.PULL,
    "DELETE_ARTIFACT": Action.DELETE,
    "pushImage": Action.PUSH,
    "pullImage": Action.PULL,
    "deleteImage": Action.DELETE,
    "harbor.artifact.pushed": Action.PUSH,
    "harbor.artifact.pulled": Action.PULL,
    "harbor.artifact.deleted": Action.DELETE,
}
_LAST_SECOND: Final = 253_402_300_799
_NOT_OF_A_REPOSITORY: Final = ("quota", "replication", "retention")


class _Resource(msgspec.Struct, gc=False):
    digest: str | None = None
    tag: str | None = None
    resource_url: str | None = None


class _Repository(msgspec.Struct, gc=False):
    name: str | None = None
    namespace: str | None = None
    repo_full_name: str | None = None

    @property
    def full_name(self) -> str | None:
        if self.repo_full_name:
            return self.repo_full_name
        return f"{self.namespace}/{self.name}" if self.namespace and self.name else self.name


class Data(msgspec.Struct, gc=False):
    """What happened to what; `event_data` of Harbor's own form, `data` of a CloudEvent."""

    resources: list[_Resource] | None = None
    repository: _Repository | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    occur_at: int | None = None
    operator: str | None = None
    event_data: Data | None = None


def read(raw: bytes) -> tuple[Notification, ...]:
    """One event in Harbor's own form. Raises `InvalidInput` where it is no JSON object."""
    notes = Notes()
    event = decode(raw, _Event, notes)
    facts = Facts(
        format=Format.HARBOR, action=action_of(event.type), actor=event.operator, time=_time(event.occur_at, notes)
    )
    return tuple(per_resource(raw, facts, event.event_data or Data(), notes))


def action_of(kind: str | None) -> str | None:
    """`push`, `pull` or `delete` for what Harbor calls so; its own word for the rest."""
    return _ACTIONS.get(kind, kind) if kind else None


def per_resource(raw: bytes, facts: Facts, data: Data, notes: Notes) -> Iterator[Notification]:
    """A notification for each resource of the event, or one where it names none."""
    # Once, and not for each of a thousand resources.
    facts.event_id = facts.event_id or content_id(raw)
    facts.repository = (data.repository or _Repository()).full_name
    if not facts.repository and not any(word in (facts.action or "").lower() for word in _NOT_OF_A_REPOSITORY):
        notes.add("there is no repository")
    resources = data.resources or [_Resource()]
    if len(resources) > MAX_EVENTS:
        notes.add(f"it tells of {len(resources):,} resources, of which {MAX_EVENTS:,} are kept")
    for part, resource in enumerate(resources[:MAX_EVENTS]):
        by_digest = Digest.try_parse(resource.tag) is not None
        facts.digest = resource.digest or (resource.tag if by_digest else None)
        facts.tag = None if by_digest else resource.tag
        facts.host = _host(resource.resource_url)
        yield settle(raw, facts, notes.copy(), part)


def _host(url: str | None) -> str | None:
    """`harbor.example.org/library/nginx:latest` begins with the host."""
    text = url or ""
    return (text.partition("://")[2] or text).partition("/")[0] or None


def _time(seconds: int | None, notes: Notes) -> str | None:
    if seconds is None:
        return None
    if not 0 < seconds <= _LAST_SECOND:
        notes.add("the time is impossible")
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()
