"""The manifest that takes a tag's place, so that the tag can be deleted by digest and its siblings stay.

Distribution 2.8 cannot delete a tag by name, and deleting by digest takes every tag of the
digest along. So the tag is moved to a manifest that nothing else in the world shares, and
that one is deleted (as regclient does, scheme/reg/tag.go). Pure: time and chance come from outside.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from kubedash.oci.digest import EMPTY_JSON, Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import Tag

EMPTY_LAYER: Final = b"{}"
OWN_LABEL: Final = "io.kubedash.placeholder"
"""By which a crawl knows that a tag is about to go, and not that somebody pushed an empty image."""
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_TYPES: Final = frozenset({MediaType.OCI_MANIFEST, MediaType.OCI_INDEX, MediaType.OCI_ARTIFACT})


class Placeholder(msgspec.Struct, frozen=True):
    """What has to be pushed, in this order: layer, config, manifest."""

    layer: bytes
    config: bytes
    manifest: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)


def make_placeholder(tag: Tag, media_type: str, now: datetime, nonce: str) -> Placeholder:
    """A manifest of the same family as `media_type`; `nonce` makes it unlike any other.

    Were two of them alike, deleting one would take the other's tag along.
    """
    oci = media_type in _OCI_TYPES
    stamp = now.isoformat()
    config = _encode(
        {
            "created": stamp,
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"delete-tag": tag, "delete-date": stamp, OWN_LABEL: nonce}},
            "rootfs": {"type": "layers", "diff_ids": [EMPTY_JSON]},
            "history": [{"created": stamp, "created_by": "kubedash: placeholder of a tag that is being deleted"}],
        }
    )
    own_type = MediaType.OCI_MANIFEST if oci else MediaType.DOCKER_MANIFEST
    manifest = _encode(
        {
            "schemaVersion": 2,
            "mediaType": own_type,
            "config": _descriptor(MediaType.OCI_CONFIG if oci else MediaType.DOCKER_CONFIG, config),
            "layers": [_descriptor(_OCI_LAYER if oci else _DOCKER_LAYER, EMPTY_LAYER)],
        }
    )
    return Placeholder(EMPTY_LAYER, config, manifest, own_type.value)


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content)}


def _encode(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document, enc_hook=str)
