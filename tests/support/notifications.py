"""Posts of registries in their several formats, to be changed by tests."""

from __future__ import annotations

from typing import Any

from kubedash.oci.digest import Digest

V1 = "application/vnd.docker.distribution.events.v1+json"
V2 = "application/vnd.docker.distribution.events.v2+json"
DIGEST = Digest.of(b"manifest")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PUSH: dict[str, Any] = {
    "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
    "timestamp": "2026-03-09T14:44:26.402973972+02:00",
    "action": "push",
    "target": {
        "mediaType": MANIFEST,
        "size": 708,
        "digest": DIGEST,
        "length": 708,
        "repository": "shop/api",
        "url": "http://registry:5000/v2/shop/api/manifests/x",
        "tag": "1.4",
    },
    "request": {
        "id": "6df24a34",
        "addr": "192.168.64.11:42961",
        "host": "registry.example.org:5000",
        "method": "PUT",
        "useragent": "docker/27.0 go/1.22",
    },
    "actor": {"name": "ci"},
    "source": {"addr": "node-1:5000", "instanceID": "a53db899-3b4b-4a62-a067-8dd013beaca4"},
}
ZOT: dict[str, Any] = {
    "name": "shop/api",
    "reference": "1.4",
    "digest": DIGEST,
    "mediaType": MANIFEST,
    "manifest": '{"schemaVersion":2}',
    "actor": {"name": "ci"},
    "request": {"addr": "[2001:db8::1]:5000", "method": "PUT", "useragent": "skopeo/1.9"},
}
ZOT_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "9b2d",
    "ce-source": "zotregistry.dev",
    "ce-type": "zotregistry.image.updated",
    "ce-time": "2026-03-09T14:44:26.402973972Z",
}
HARBOR: dict[str, Any] = {
    "type": "PUSH_ARTIFACT",
    "occur_at": 1773067466,
    "operator": "admin",
    "event_data": {
        "resources": [{"digest": DIGEST, "tag": "1.4", "resource_url": "harbor.example.org/shop/api:1.4"}],
        "repository": {"name": "api", "namespace": "shop", "repo_full_name": "shop/api", "repo_type": "private"},
    },
}
HARBOR_CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "66e18103",
    "requestid": "51c0b694",
    "source": "/projects/2/webhook/policies/15",
    "type": "harbor.artifact.pulled",
    "datacontenttype": "application/json",
    "time": "2026-03-09T14:44:26Z",
    "data": HARBOR["event_data"],
    "operator": "robot$ci",
}


def changed(event: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The event with fields replaced; a dict replaces fields inside, None removes one."""
    merged = {**event}
    for key, value in parts.items():
        merged[key] = {**merged[key], **value} if isinstance(value, dict) and key in merged else value
    return {key: value for key, value in merged.items() if value is not None}
