"""Everything that the index keeps of one manifest, read once."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from kubedash.artifacts.kinds import (
    ATTESTATION_MANIFEST,
    ATTESTATION_SUBJECT,
    ATTESTATION_TYPE,
    ArtifactKind,
    artifact_type_of,
    classify,
)
from kubedash.errors import InvalidInput
from kubedash.oci.annotations import CREATED, Label, collect_labels
from kubedash.oci.decoding import parse_time, storable
from kubedash.oci.digest import EMPTY_JSON, Digest
from kubedash.oci.image_config import ImageConfig, parse_config_head
from kubedash.oci.manifest import (
    ArtifactManifest,
    Descriptor,
    ImageIndex,
    ImageManifest,
    Manifest,
    SchemaOneManifest,
    parse_manifest,
)
from kubedash.oci.media_types import IMAGE_CONFIG_TYPES, MediaType
from kubedash.oci.schema_one import schema_one_config

MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
MAX_LABELS: Final = 1000
MAX_KEY_LENGTH: Final = 1024
MAX_VALUE_LENGTH: Final = 65_536
MAX_TEXT_LENGTH: Final = 500


class ChildSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of an index."""

    digest: Digest
    media_type: str
    size: int | None
    """Bytes of the entry's manifest itself, not of what it refers to."""
    platform: str | None = None
    attests: Digest | None = None
    """Set on an attestation: the sibling it speaks of."""
    artifact_type: str | None = None


class BlobSummary(msgspec.Struct, frozen=True, gc=False):
    """A blob that a manifest refers to; each digest once a manifest."""

    digest: Digest
    size: int | None
    media_type: str


class ManifestSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One manifest, as the index keeps it. Texts fit every database."""

    digest: Digest
    media_type: str
    kind: ArtifactKind
    artifact_type: str | None
    size: int | None
    """Distinct bytes of config and layers; None for an index and where one is not known."""
    created: datetime | None
    platform: str | None
    raw: bytes
    config_digest: Digest | None
    config_raw: bytes | None
    subject: Digest | None
    children: tuple[ChildSummary, ...]
    blobs: tuple[BlobSummary, ...]
    labels: tuple[Label, ...]
    problem: str | None


def config_to_fetch(manifest: Manifest) -> Descriptor | None:
    """The config blob worth a request: JSON, of bearable size, and not known already."""
    if not isinstance(manifest, ImageManifest) or manifest.config is None:
        return None
    config = manifest.config
    if config.data is not None or config.digest == EMPTY_JSON or (config.size or 0) > MAX_CONFIG_BYTES:
        return None
    if config.media_type in IMAGE_CONFIG_TYPES:
        return None if classify(manifest).is_attachment else config
    is_json = config.media_type.endswith("json") and config.media_type != MediaType.OCI_EMPTY
    return config if is_json else None


def summarise(digest: Digest, raw: bytes, media_type: str, config_raw: bytes | None) -> ManifestSummary:
    """Reads a manifest and its config, if there is one; never raises."""
    manifest = parse_manifest(raw, media_type)
    kind = classify(manifest)
    descriptor = manifest.config if isinstance(manifest, ImageManifest) else None
    if descriptor is not None and config_raw is None:
        config_raw = descriptor.data
    config, config_problem = _read_config(manifest, kind, config_raw)
    annotations = {} if isinstance(manifest, SchemaOneManifest) else getattr(manifest, "annotations", {})
    blobs = _blobs(manifest)
    artifact_type = None if kind is ArtifactKind.IMAGE else artifact_type_of(manifest)
    return ManifestSummary(
        digest=digest,
        media_type=storable(manifest.media_type or media_type, MAX_TEXT_LENGTH),
        kind=kind,
        artifact_type=storable(artifact_type, MAX_TEXT_LENGTH) if artifact_type else None,
        size=_size(manifest, blobs),
        created=(config.created if config else None) or parse_time(annotations.get(CREATED)),
        platform=storable(config.platform.label, MAX_TEXT_LENGTH) if config and config.platform else None,
        raw=raw,
        config_digest=descriptor.digest if descriptor else None,
        config_raw=config_raw,
        subject=getattr(manifest, "subject", None),
        children=tuple(map(_child, manifest.manifests)) if isinstance(manifest, ImageIndex) else (),
        blobs=blobs,
        labels=_labels(manifest, annotations, config),
        problem=_problem(manifest.problem, config_problem),
    )


def _read_config(
    manifest: Manifest, kind: ArtifactKind, config_raw: bytes | None
) -> tuple[ImageConfig | None, str | None]:
    """The image's config and what is wrong with it; other artifacts have none that is read here."""
    if kind is not ArtifactKind.IMAGE:
        return None, None
    if isinstance(manifest, SchemaOneManifest):
        config = schema_one_config(manifest)
        return config, config.problem
    if config_raw is None:
        return None, None
    try:
        config = parse_config_head(config_raw)
    except InvalidInput as error:
        return None, f"its config cannot be read: {error.message}"
    return config, config.problem


def _problem(manifest: str | None, config: str | None) -> str | None:
    text = "; ".join(part for part in (manifest, config) if part)
    return storable(text, MAX_TEXT_LENGTH) or None


def _blobs(manifest: Manifest) -> tuple[BlobSummary, ...]:
    if isinstance(manifest, ImageManifest):
        descriptors = (*((manifest.config,) if manifest.config else ()), *manifest.layers)
    elif isinstance(manifest, ArtifactManifest):
        descriptors = manifest.blobs
    elif isinstance(manifest, SchemaOneManifest):
        return tuple(BlobSummary(digest, None, "") for digest in dict.fromkeys(manifest.layers))
    else:
        return ()
    distinct: dict[Digest, BlobSummary] = {}
    for item in descriptors:
        if item.digest not in distinct:
            media_type = storable(item.media_type, MAX_TEXT_LENGTH)
            distinct[item.digest] = BlobSummary(item.digest, item.size, media_type)
    return tuple(distinct.values())


def _size(manifest: Manifest, blobs: tuple[BlobSummary, ...]) -> int | None:
    if not isinstance(manifest, ImageManifest | ArtifactManifest):
        return None
    sizes = [blob.size for blob in blobs if blob.size is not None]
    return sum(sizes) if len(sizes) == len(blobs) else None


def _child(entry: Descriptor) -> ChildSummary:
    attests = None
    if entry.annotations.get(ATTESTATION_TYPE) == ATTESTATION_MANIFEST:
        attests = Digest.try_parse(entry.annotations.get(ATTESTATION_SUBJECT))
    return ChildSummary(
        digest=entry.digest,
        media_type=storable(entry.media_type, MAX_TEXT_LENGTH),
        size=entry.size,
        platform=storable(entry.platform.label, MAX_TEXT_LENGTH) if entry.platform else None,
        attests=attests,
        artifact_type=storable(entry.artifact_type, MAX_TEXT_LENGTH) if entry.artifact_type else None,
    )


def _labels(manifest: Manifest, annotations: dict[str, str], config: ImageConfig | None) -> tuple[Label, ...]:
    labels = config.config.labels if config else None
    if isinstance(manifest, ImageIndex):
        found = collect_labels(index=_few(annotations))
    else:
        found = collect_labels(manifest=_few(annotations), config=_few(labels))
    return tuple(map(_storable_label, found.entries[:MAX_LABELS]))


def _few(labels: dict[str, str] | None) -> dict[str, str] | None:
    return dict(islice(labels.items(), MAX_LABELS)) if labels and len(labels) > MAX_LABELS else labels


def _storable_label(label: Label) -> Label:
    if (
        len(label.key) <= MAX_KEY_LENGTH
        and len(label.value) <= MAX_VALUE_LENGTH
        and "\x00" not in label.key + label.value
    ):
        return label
    key, value = storable(label.key, MAX_KEY_LENGTH), storable(label.value, MAX_VALUE_LENGTH)
    return msgspec.structs.replace(label, key=key, value=value)
