"""Small images and indexes, read as a crawl would read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubedash.artifacts.summary import ManifestSummary, summarise
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
BASE: Final = Digest.of(b"base layer")
BASE_SIZE: Final = 1_000_000
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


def image(
    number: int,
    *,
    created: str | None = "2026-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    arch: str = "amd64",
) -> ManifestSummary:
    """An image with a layer that all share and one of its own of `1000 + number` bytes."""
    config = _json({"architecture": arch, "os": "linux", "created": created, "n": number, "config": {"Labels": labels}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": MediaType.OCI_MANIFEST,
        "config": {"mediaType": MediaType.OCI_CONFIG, "digest": Digest.of(config), "size": 10},
        "layers": [
            {"mediaType": _LAYER, "digest": BASE, "size": BASE_SIZE},
            {"mediaType": _LAYER, "digest": Digest.of(b"own layer %d" % number), "size": 1000 + number},
        ],
    }
    raw = _json(manifest)
    return summarise(Digest.of(raw), raw, MediaType.OCI_MANIFEST, config)


def signature(number: int) -> ManifestSummary:
    """What cosign keeps under a `.sig` tag."""
    raw = _json(
        {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST,
            "config": {"mediaType": MediaType.OCI_CONFIG, "digest": Digest.of(b"%d" % number), "size": 2},
            "layers": [
                {
                    "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                    "digest": Digest.of(b"payload %d" % number),
                    "size": 200,
                }
            ],
        }
    )
    return summarise(Digest.of(raw), raw, MediaType.OCI_MANIFEST, None)


def index(children: Sequence[tuple[Digest, str]], attests: Sequence[tuple[Digest, Digest]] = ()) -> ManifestSummary:
    """An index of (digest, `os/architecture`), with attestations as (digest, digest of the sibling)."""
    entries: list[dict[str, Any]] = [_entry(digest, platform) for digest, platform in children]
    for digest, subject in attests:
        annotations = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": subject,
        }
        entries.append(_entry(digest, "unknown/unknown") | {"annotations": annotations})
    raw = _json({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": entries})
    return summarise(Digest.of(raw), raw, MediaType.OCI_INDEX, None)


def _entry(digest: Digest, platform: str) -> dict[str, Any]:
    system, architecture = platform.split("/")
    return {
        "mediaType": MediaType.OCI_MANIFEST,
        "digest": digest,
        "size": 500,
        "platform": {"os": system, "architecture": architecture},
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
