"""Manifests as values (image-spec: manifest.md, image-index.md, descriptor.md).

`parse_manifest` never raises: what cannot be read at all is an `UnknownManifest` with
the reason, and what can be read in part says in `problem` what was left out.
"""

from __future__ import annotations

import binascii
from typing import Final, TypeAlias

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.decoding import MAX_SIZE, Notes, decode
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import (
    IMAGE_MANIFEST_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    SCHEMA1_TYPES,
    MediaType,
    essence,
)

MAX_DESCRIPTORS: Final = 10_000
MAX_TYPE_LENGTH: Final = 255
MAX_PLATFORM_LENGTH: Final = 128
UNKNOWN: Final = "unknown"


class Platform(msgspec.Struct, frozen=True, gc=False):
    """What an image runs on (image-index.md, "platform")."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`linux/arm/v7`, or `windows/amd64:10.0.20348.2227` where the version is given."""
        variant = f"/{self.variant}" if self.variant else ""
        version = f":{self.os_version}" if self.os_version else ""
        return f"{self.os}/{self.architecture}{variant}{version}"

    @property
    def is_unknown(self) -> bool:
        """True for attestations in an index: they run on nothing."""
        return self.os == self.architecture == UNKNOWN


class Descriptor(msgspec.Struct, frozen=True, gc=False):
    """A pointer to content (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int | None
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = None
    """The content itself, where it was embedded and hashes to `digest`."""


class ImageManifest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One image or artifact: a config and layers, base first."""

    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = {}
    unreadable_layers: int = 0
    """How many layers were left out, because their descriptor has no usable digest."""
    problem: str | None = None


class ImageIndex(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A list of manifests, such as one image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = {}
    problem: str | None = None


class SchemaOneManifest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Docker's oldest format. Its lists run top first; here they are base first.

    The digest of the signed form is that of the payload without its signatures, so the
    bytes of the document do not hash to it.
    """

    media_type: str
    architecture: str
    layers: tuple[Digest, ...]
    history_json: tuple[str, ...]
    unreadable_layers: int = 0
    problem: str | None = None


class ArtifactManifest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The artifact manifest of OCI 1.1's release candidates, still found in the wild."""

    media_type: str
    artifact_type: str | None
    blobs: tuple[Descriptor, ...]
    subject: Digest | None = None
    annotations: dict[str, str] = {}
    problem: str | None = None


class UnknownManifest(msgspec.Struct, frozen=True, gc=False):
    """Content that is no manifest known here."""

    media_type: str
    problem: str


Manifest: TypeAlias = ImageManifest | ImageIndex | SchemaOneManifest | ArtifactManifest | UnknownManifest


class WirePlatform(msgspec.Struct, gc=False):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    os_features: list[str] | None = msgspec.field(default=None, name="os.features")


class WireDescriptor(msgspec.Struct, gc=False, rename="camel"):
    media_type: str | None = None
    digest: str | None = None
    size: int | None = None
    annotations: dict[str, str] | None = None
    platform: WirePlatform | None = None
    artifact_type: str | None = None
    urls: list[str] | None = None
    data: str | None = None


class WireFsLayer(msgspec.Struct, gc=False, rename="camel"):
    blob_sum: str | None = None


class WireV1History(msgspec.Struct, gc=False, rename="camel"):
    v1_compatibility: str | None = msgspec.field(default=None, name="v1Compatibility")


class WireManifest(msgspec.Struct, gc=False, rename="camel"):
    """Every field of every kind of manifest, as it is written in JSON."""

    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: WireDescriptor | None = None
    layers: list[WireDescriptor] | None = None
    manifests: list[WireDescriptor] | None = None
    blobs: list[WireDescriptor] | None = None
    subject: WireDescriptor | None = None
    annotations: dict[str, str] | None = None
    architecture: str | None = None
    fs_layers: list[WireFsLayer] | None = None
    history: list[WireV1History] | None = None


def parse_manifest(raw: bytes, content_type: str | None) -> Manifest:
    """Reads any manifest; never raises.

    The type is what the document says of itself, then what the registry said
    (`content_type`), then what its fields look like; a contradiction is noted.
    """
    notes = Notes()
    try:
        wire = decode(raw, WireManifest, notes)
    except InvalidInput as error:
        return UnknownManifest(_clean_type(essence(content_type)), error.message)
    media_type = _media_type_of(wire, essence(content_type), notes)
    if media_type in INDEX_TYPES:
        return _index(wire, media_type, notes)
    if media_type in IMAGE_MANIFEST_TYPES:
        return _image(wire, media_type, notes)
    if media_type in SCHEMA1_TYPES:
        return _schema_one(wire, media_type, notes)
    if media_type == MediaType.OCI_ARTIFACT:
        return _artifact(wire, media_type, notes)
    return UnknownManifest(media_type, notes.text() or f"no manifest type that is known here: {media_type or 'none'}")


def _media_type_of(wire: WireManifest, served: str, notes: Notes) -> str:
    if wire.manifests is not None and (wire.layers is not None or wire.config is not None):
        notes.add("the document is an index and an image at once")
    written = essence(wire.media_type)
    known = [name for name in (written, served) if name in MANIFEST_TYPES]
    if len(known) == 2 and known[0] != known[1] and not SCHEMA1_TYPES.issuperset(known):
        notes.add(f"it was served as {served} and calls itself {written}")
    return known[0] if known else _guess(wire) or _clean_type(written or served)


def _guess(wire: WireManifest) -> str | None:
    """The type by the fields, for documents without a (known) type of their own."""
    if wire.schema_version == 1 and wire.fs_layers is not None:
        return MediaType.SCHEMA1.value
    if wire.schema_version != 2:
        return None
    if wire.manifests is not None:
        return MediaType.OCI_INDEX.value
    if wire.config is not None or wire.layers is not None:
        return MediaType.OCI_MANIFEST.value
    return None


def _image(wire: WireManifest, media_type: str, notes: Notes) -> ImageManifest:
    config = _descriptor(wire.config, "its config", 0, notes) if wire.config else None
    if wire.config is None:
        notes.add("it has no config")
    layers = _descriptors(wire.layers, "layer", notes)
    return ImageManifest(
        media_type=media_type,
        config=config,
        layers=layers,
        subject=_subject(wire, notes),
        artifact_type=_clean_type(wire.artifact_type) or None,
        annotations=wire.annotations or {},
        unreadable_layers=len(wire.layers or ()) - len(layers),
        problem=notes.text(),
    )


def _index(wire: WireManifest, media_type: str, notes: Notes) -> ImageIndex:
    return ImageIndex(
        media_type=media_type,
        manifests=_descriptors(wire.manifests, "entry", notes),
        subject=_subject(wire, notes),
        artifact_type=_clean_type(wire.artifact_type) or None,
        annotations=wire.annotations or {},
        problem=notes.text(),
    )


def _artifact(wire: WireManifest, media_type: str, notes: Notes) -> ArtifactManifest:
    return ArtifactManifest(
        media_type=media_type,
        artifact_type=_clean_type(wire.artifact_type) or None,
        blobs=_descriptors(wire.blobs, "blob", notes),
        subject=_subject(wire, notes),
        annotations=wire.annotations or {},
        problem=notes.text(),
    )


def _schema_one(wire: WireManifest, media_type: str, notes: Notes) -> SchemaOneManifest:
    digests = [Digest.try_parse(layer.blob_sum) for layer in reversed(wire.fs_layers or ())]
    history = tuple(entry.v1_compatibility or "" for entry in reversed(wire.history or ()))
    layers = tuple(digest for digest in digests if digest is not None)
    if len(layers) < len(digests):
        notes.add(f"layers without a valid digest: {len(digests) - len(layers)}")
    if len(digests) != len(history):
        notes.add(f"the number of layers ({len(digests)}) is not that of steps in its history ({len(history)})")
    return SchemaOneManifest(
        media_type=media_type,
        architecture=(wire.architecture or UNKNOWN)[:MAX_PLATFORM_LENGTH],
        layers=layers[:MAX_DESCRIPTORS],
        history_json=history[:MAX_DESCRIPTORS],
        unreadable_layers=len(digests) - len(layers),
        problem=notes.text(),
    )


def _subject(wire: WireManifest, notes: Notes) -> Digest | None:
    if wire.subject is None:
        return None
    digest = Digest.try_parse(wire.subject.digest)
    if digest is None:
        notes.add("its subject has no valid digest")
    return digest


def _descriptors(wires: list[WireDescriptor] | None, what: str, notes: Notes) -> tuple[Descriptor, ...]:
    if not wires:
        return ()
    if len(wires) > MAX_DESCRIPTORS:
        notes.add(f"only the first {MAX_DESCRIPTORS:,} of its {len(wires):,} entries were read")
    found = [_descriptor(wire, what, position, notes) for position, wire in enumerate(wires[:MAX_DESCRIPTORS], start=1)]
    return tuple([descriptor for descriptor in found if descriptor is not None])


def _descriptor(wire: WireDescriptor, what: str, position: int, notes: Notes) -> Descriptor | None:
    """The descriptor, or None without a valid digest; `position` counts from 1, 0 is no list."""
    digest = Digest.try_parse(wire.digest)
    if digest is None:
        notes.add(f"{_where(what, position)} has no valid digest")
        return None
    size = wire.size
    if size is not None and not 0 <= size <= MAX_SIZE:
        notes.add(f"{_where(what, position)} has an impossible size")
        size = None
    data = None
    if wire.data:
        data = _embedded(wire.data, digest)
        if data is None:
            notes.add(f"the data embedded in {_where(what, position)} is not what its digest says")
    return Descriptor(
        _clean_type(wire.media_type),
        digest,
        size,
        wire.annotations or {},
        platform_of(wire.platform) if wire.platform else None,
        _clean_type(wire.artifact_type) or None,
        tuple(wire.urls) if wire.urls else (),
        data,
    )


def _where(what: str, position: int) -> str:
    return f"{what} {position}" if position else what


def _embedded(data: str, digest: Digest) -> bytes | None:
    """The content of base64 `data`, where it hashes to `digest`."""
    try:
        content = binascii.a2b_base64(data)
    except ValueError:
        return None
    return content if digest.matches(content) else None


def platform_of(wire: WirePlatform) -> Platform | None:
    """The platform; a missing part is `unknown`, and nothing at all is None."""
    if not (wire.os or wire.architecture):
        return None
    return Platform(
        _clean_platform(wire.os) or UNKNOWN,
        _clean_platform(wire.architecture) or UNKNOWN,
        _clean_platform(wire.variant) or None,
        _clean_platform(wire.os_version) or None,
        tuple(_clean_platform(feature) for feature in wire.os_features or ()),
    )


def _clean_platform(text: str | None) -> str:
    return (text or "")[:MAX_PLATFORM_LENGTH]


def _clean_type(media_type: str | None) -> str:
    return media_type.strip()[:MAX_TYPE_LENGTH] if media_type else ""
