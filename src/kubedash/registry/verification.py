"""Whether bytes are what their digest says, and what they are when nobody says.

Digests are verified over the bytes as they came. Signed schema 1 is the exception: its
digest is that of the payload without the signatures (distribution, manifest/schema1).
"""

from __future__ import annotations

import base64

import msgspec

from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType, essence
from kubedash.registry.addresses import shown
from kubedash.registry.errors import DigestMismatch, Unsupported

_GENERIC = frozenset({"", "application/json", "text/plain", "application/octet-stream", "binary/octet-stream"})


class _Protected(msgspec.Struct):
    length: int = msgspec.field(name="formatLength")
    tail: str = msgspec.field(name="formatTail")


class _Signature(msgspec.Struct):
    protected: str


class _Shape(msgspec.Struct):
    """As much of a manifest as tells its kind."""

    media_type: str | None = msgspec.field(default=None, name="mediaType")
    schema_version: int | None = msgspec.field(default=None, name="schemaVersion")
    manifests: msgspec.Raw = msgspec.Raw()
    config: msgspec.Raw = msgspec.Raw()
    layers: msgspec.Raw = msgspec.Raw()
    blobs: msgspec.Raw = msgspec.Raw()
    artifact_type: str | None = msgspec.field(default=None, name="artifactType")
    signatures: tuple[_Signature, ...] = ()


def require_digest(digest: Digest, content: bytes, url: str) -> None:
    """Raises `DigestMismatch`, or `Unsupported` for algorithms that we cannot compute."""
    if digest.matches(content):
        return
    asked = f"GET {shown(url)}"
    if not digest.verifiable:
        raise Unsupported(
            f"Content under a {digest.algorithm} digest cannot be verified here.", asked=asked, answered=str(digest)
        )
    raise DigestMismatch(
        "The registry sent other bytes than the digest names.",
        asked=asked,
        answered=f"{len(content)} bytes with the digest {Digest.of(content)}",
        hint="Its storage may be damaged, or a proxy changes what passes through.",
    )


def verified_digest(identifier: Digest | None, header: str | None, raw: bytes, media_type: str, url: str) -> Digest:
    """The manifest's digest, checked: the one asked for, else the registry's word, else our own sum.

    A registry may answer with another algorithm than it was asked with; what was asked counts.
    """
    expected = identifier or Digest.try_parse(header)
    if expected is None or (identifier is None and not expected.verifiable):
        return Digest.of(raw)
    content = raw
    if media_type == MediaType.SCHEMA1_SIGNED and not expected.matches(raw):
        content = schema1_payload(raw) or raw
    require_digest(expected, content, url)
    return expected


def schema1_payload(raw: bytes) -> bytes | None:
    """The signed part of a schema 1 manifest: a prefix of it and the tail from the JWS header."""
    try:
        signatures = msgspec.json.decode(raw, type=_Shape).signatures
        if not signatures:
            return None
        protected = msgspec.json.decode(_unpadded(signatures[0].protected), type=_Protected)
        return raw[: protected.length] + _unpadded(protected.tail)
    except (ValueError, RecursionError):
        return None


def media_type_of(content_type: str | None, raw: bytes) -> str:
    """The header's type without parameters; where it is generic, what the manifest itself says.

    A type that contradicts the manifest's own `mediaType` is kept: whoever reads the
    manifest refuses it then.
    """
    stated = essence(content_type)
    if stated not in _GENERIC:
        return stated
    try:
        shape = msgspec.json.decode(raw, type=_Shape)
    except (ValueError, RecursionError):
        return stated or "application/octet-stream"
    return shape.media_type or _by_shape(shape) or stated or "application/octet-stream"


def _by_shape(shape: _Shape) -> str | None:
    if shape.schema_version == 1:
        return MediaType.SCHEMA1_SIGNED if shape.signatures else MediaType.SCHEMA1
    if shape.manifests:
        return MediaType.OCI_INDEX
    if shape.config and shape.layers:
        return MediaType.OCI_MANIFEST
    if shape.blobs and shape.artifact_type is not None:
        return MediaType.OCI_ARTIFACT
    return None


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
