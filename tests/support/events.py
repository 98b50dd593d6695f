"""Events as registries tell them, and as they reach us."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from kubedash.oci.notifications import Notification, parse
from kubedash.storage.event_writing import Arrival, Values, row_of
from tests.support.summaries import NOW

CONTENT_TYPE: Final = "application/vnd.docker.distribution.events.v1+json"
DIGEST: Final = "sha256:" + "a" * 64


def told(number: int = 1, at: datetime | None = NOW, **fields: Any) -> dict[str, Any]:
    """A pull of `team/api:1.0` by `ci`, as distribution writes it.

    `fields` replace parts: `action`, `repository`, `tag`, `digest`, `media_type`,
    `actor`, `addr`, `method`, `useragent`, `id`, `instance`.
    """
    target = {
        "mediaType": fields.get("media_type", "application/vnd.oci.image.manifest.v1+json"),
        "size": 500,
        "digest": fields.get("digest", DIGEST),
        "repository": fields.get("repository", "team/api"),
        "tag": fields.get("tag", "1.0"),
    }
    return {
        "id": fields.get("id", f"event-{number}"),
        "timestamp": at.isoformat() if at else None,
        "action": fields.get("action", "pull"),
        "target": {name: value for name, value in target.items() if value is not None},
        "request": {
            "id": f"request-{number}",
            "addr": fields.get("addr", "10.0.0.1:5000"),
            "host": "registry.example.com",
            "method": fields.get("method", "GET"),
            "useragent": fields.get("useragent", "docker/27"),
        },
        "actor": {"name": fields.get("actor", "ci")},
        "source": {"addr": "registry:5000", "instanceID": fields.get("instance", "one")},
    }


def envelope(*events: Any) -> bytes:
    return json.dumps({"events": list(events)}).encode()


def notification(number: int = 1, at: datetime | None = NOW, **fields: Any) -> Notification:
    return parse(CONTENT_TYPE, {}, envelope(told(number, at, **fields))).notifications[0]


def row(source_id: int, number: int = 1, at: datetime | None = NOW, **fields: Any) -> Values:
    """A row of `event`, received a second after `NOW` unless `received` says otherwise."""
    received = fields.pop("received", NOW)
    arrival = Arrival(
        notification=notification(number, at, **fields),
        registry_id=None,
        authenticated=True,
        sender="127.0.0.1",
        received_at=received,
    )
    return row_of(arrival) | {"source_id": source_id}
