"""Events as the store hands them out, newest first in lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubedash.records import Event

NOON: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
BLOB: Final = "application/octet-stream"
PLAIN: Final[dict[str, Any]] = {
    "registry": "prod",
    "action": "push",
    "repository": "shop/api",
    "tag": None,
    "digest": None,
    "media_type": MANIFEST,
    "size": 1234,
    "actor": "ci",
    "address": "192.0.2.7",
    "address_claimed": False,
    "user_agent": "docker/27",
    "method": None,
    "authenticated": True,
    "own": False,
    "counted": True,
    "from_repository": None,
    "host": None,
    "instance": "one",
    "sender": None,
    "format": "distribution",
    "strange": None,
}


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def event(number: int, **values: Any) -> Event:
    """The event of this id; `seconds` is how long after noon it happened, by default its id."""
    at = NOON + timedelta(seconds=values.pop("seconds", number))
    told = {"event_id": f"event-{number}", "at": at, "occurred_at": at, "received_at": at} | PLAIN | values
    return Event(id=number, **told)


def newest_first(*events: Event) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda found: (found.at, found.id), reverse=True))
