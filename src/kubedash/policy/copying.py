"""What belongs to an image that is copied, and in which order it has to arrive.

A registry refuses a manifest whose parts it lacks, so blobs come before manifests and
entries before their index. The tag moves last: whoever pulls it meanwhile gets the old
image or the whole new one, with its signatures. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubedash.artifacts.kinds import ArtifactKind, artifact_type_of, classify
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import (
    ArtifactManifest,
    Descriptor,
    ImageIndex,
    ImageManifest,
    Manifest,
    SchemaOneManifest,
    UnknownManifest,
    parse_manifest,
)
from kubedash.oci.media_types import INDEX_TYPES, MANIFEST_TYPES, MediaType
from kubedash.oci.reference import Tag
from kubedash.records.copies import CopyRole

MAX_PARTS: Final = 2000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all manifests together: they are held in memory while the copy is planned."""
MAX_DEPTH: Final = 8
"""Levels of indexes in indexes, and of attachments on attachments."""
_FOREIGN: Final = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A manifest that is copied, as it was fetched."""

    digest: Digest
    media_type: str
    raw: bytes
    manifest: Manifest
    role: CopyRole
    subject: Digest | None = None
    """Of an attachment: on what it was found."""
    tag: Tag | None = None
    platform: str | None = None

    @property
    def kind(self) -> ArtifactKind:
        return classify(self.manifest)


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to bring to the target."""

    what: str
    """`blob`, `manifest` or `tag`."""
    name: str
    """For people."""
    digest: Digest
    size: int | None
    media_type: str = ""
    identifier: str = ""
    """Of a manifest: under what it is put."""
    subject: Digest | None = None
    """Of an attachment found by its subject: in whose list it has to stand."""


def make_part(digest: Digest, media_type: str, raw: bytes, role: CopyRole, **more: Any) -> Part:
    """A part with its manifest read; `more` are the fields of `Part` that are not known from the bytes."""
    return Part(
        digest=digest, media_type=media_type, raw=raw, manifest=parse_manifest(raw, media_type), role=role, **more
    )


def entries_of(part: Part) -> tuple[Descriptor, ...]:
    """What an index names; nothing for others."""
    return part.manifest.manifests if isinstance(part.manifest, ImageIndex) else ()


def is_manifest(entry: Descriptor) -> bool:
    """Whether an entry of an index is surely a manifest; one of an unknown type may be a blob."""
    return entry.media_type in MANIFEST_TYPES


def is_foreign(layer: Descriptor) -> bool:
    """Whether a layer is fetched from elsewhere and legitimately missing from its registry."""
    return layer.media_type.startswith(_FOREIGN)


def blobs_of(part: Part) -> tuple[Descriptor, ...]:
    """What a manifest needs beside itself, layers from elsewhere left out."""
    manifest = part.manifest
    if isinstance(manifest, ImageManifest):
        config = () if manifest.config is None else (manifest.config,)
        return (*config, *(layer for layer in manifest.layers if not is_foreign(layer)))
    return manifest.blobs if isinstance(manifest, ArtifactManifest) else ()


def foreign_layers(part: Part) -> int:
    return sum(map(is_foreign, part.manifest.layers)) if isinstance(part.manifest, ImageManifest) else 0


def refusal(part: Part) -> str | None:
    """Why this manifest cannot be copied as it is; None where it can."""
    manifest = part.manifest
    if isinstance(manifest, SchemaOneManifest):
        return (
            "This image has Docker's oldest format (schema 1), which carries its name and tag inside of what is "
            "signed: it cannot be copied without becoming another image. Pull and push it with a client instead."
        )
    if isinstance(manifest, UnknownManifest):
        return f"{part.digest.short} cannot be read: {manifest.problem}."
    if isinstance(manifest, ImageManifest) and manifest.unreadable_layers:
        return f"{part.digest.short} names layers without a valid digest, so they cannot be copied."
    return None


def arrange(parts: Iterable[Part], also: Iterable[Part], loose: Iterable[Descriptor], tag: Tag) -> tuple[Piece, ...]:
    """Everything in the order in which it has to arrive.

    The first part is the root, entries stand behind their index; `also` are parts that
    have a second name, `loose` are entries of an index that are blobs.
    """
    known = {part.digest: part for part in parts}
    blobs: dict[Digest, Piece] = {}
    for part in known.values():
        for number, blob in enumerate(blobs_of(part)):
            what = "config" if number == 0 and isinstance(part.manifest, ImageManifest) else "layer"
            blobs.setdefault(blob.digest, _blob(blob, what))
    for entry in loose:
        blobs.setdefault(entry.digest, _blob(entry, "blob"))
    root = next(iter(known.values()))
    own = [part for part in known.values() if part.role is not CopyRole.ATTACHMENT]
    attached = [part for part in known.values() if part.role is CopyRole.ATTACHMENT]
    below = _below(attached, known)
    return (
        *blobs.values(),
        *map(_put, reversed(own)),
        *map(_put, (part for part in reversed(attached) if part.digest in below)),
        *map(_put, (part for part in attached if part.digest not in below)),
        *map(_put, also),
        Piece(what="tag", name=f"tag {tag}", digest=root.digest, size=len(root.raw), media_type=root.media_type,
              identifier=tag),
    )  # fmt: skip


def _below(attached: list[Part], known: Mapping[Digest, Part]) -> set[Digest]:
    """Entries of attachments that are indexes: they have to be there before."""
    return {entry.digest for part in attached for entry in entries_of(part) if entry.digest in known}


def _blob(blob: Descriptor, what: str) -> Piece:
    return Piece(what="blob", name=f"{what} {blob.digest.short}", digest=blob.digest, size=blob.size)


def _put(part: Part) -> Piece:
    listed = part.role is CopyRole.ATTACHMENT and part.tag is None
    label = part.platform or part.kind.label
    return Piece(
        what="manifest",
        name=f"{label} {part.digest.short}",
        digest=part.digest,
        size=len(part.raw),
        media_type=part.media_type,
        identifier=part.tag or part.digest,
        subject=part.subject if listed else None,
    )


class _List(msgspec.Struct, forbid_unknown_fields=False):
    """As much of a referrers tag's index as has to be understood; the rest stays as it is."""

    media_type: str | None = msgspec.field(default=None, name="mediaType")
    manifests: list[dict[str, Any]] = []
    subject: Any = None


def with_referrer(listing: bytes | None, raw: bytes, media_type: str) -> bytes | None:
    """The referrers tag's index with this manifest among its entries; None where it stands there already.

    `listing` is the index as it is now, None where there is none; everything else in it is
    kept. Raises `ValueError` where it is no such index: then the tag is somebody's own.
    """
    entry = _entry(raw, media_type)
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX.value, "manifests": []}
    if listing is not None:
        document = msgspec.json.decode(listing, type=dict[str, Any])
        found = msgspec.convert(document, _List)
        if found.media_type not in (None, *INDEX_TYPES) or "manifests" not in document:
            raise ValueError("not an index")
        if any(known.get("digest") == entry["digest"] for known in found.manifests):
            return None
    return msgspec.json.encode({**document, "manifests": [*document["manifests"], entry]})


def _entry(raw: bytes, media_type: str) -> dict[str, Any]:
    """The descriptor of a referrer (distribution-spec, "Referrers Tag Schema")."""
    manifest = parse_manifest(raw, media_type)
    config = manifest.config if isinstance(manifest, ImageManifest) else None
    entry: dict[str, Any] = {"mediaType": media_type, "digest": Digest.of(raw), "size": len(raw)}
    artifact_type = artifact_type_of(manifest) or (config.media_type if config else None)
    if artifact_type:
        entry["artifactType"] = artifact_type
    annotations = getattr(manifest, "annotations", {})
    if annotations:
        entry["annotations"] = annotations
    return {key: str(value) if key == "digest" else value for key, value in entry.items()}
