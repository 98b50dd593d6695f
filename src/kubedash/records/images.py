"""Tags, manifests and all that an image page shows."""

from __future__ import annotations

from datetime import datetime

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record
from kubedash.records.pulls import PullCounts
from kubedash.records.registries import Freshness


class TagRow(Record, frozen=True, kw_only=True):
    """One line of a tag list."""

    name: Tag
    digest: Digest
    media_type: str | None
    kind: str | None
    platforms: tuple[str, ...]
    created: datetime | None
    size: int | None
    """Distinct compressed bytes; of an index, those of all its platforms together."""
    platform_sizes: tuple[int, int] | None = None
    """Of an index: the smallest and the largest of its platforms."""
    aliases: tuple[Tag, ...] = ()
    """The other tags of this digest in the repository."""
    signed: str | None = None
    """The state of the best signature (`unchecked`, `verified`, …); None: none is known."""
    worst_severity: str | None = None
    attachments: tuple[str, ...] = ()
    """Kinds of the artifacts attached to this digest: `cosign_signature`, `sbom`, …"""
    missing: tuple[str, ...] = ()
    """Of a broken index: the platforms (or digests) that the registry no longer has."""
    seen_at: datetime | None = None
    """When we first saw the tag on this digest."""
    last_pulled: datetime | None = None
    """When the tag, or its digest alone, was last pulled, as far as the registry told us."""
    pulls: PullCounts | None = None
    """None: the registry never told us of a pull."""


class ManifestRecord(Record, frozen=True, kw_only=True):
    """A manifest by digest, with what was read out of it once."""

    digest: Digest
    media_type: str
    kind: str
    artifact_type: str | None = None
    size: int | None
    """Distinct compressed bytes: config and layers; of an index, those of its children."""
    created: datetime | None
    platform: str | None
    raw: bytes
    config_digest: Digest | None = None
    config_raw: bytes | None = None
    """The config blob's bytes where it is JSON and within the limit."""
    subject: Digest | None = None
    problem: str | None = None
    """Why it could not be read in full."""


class Child(Record, frozen=True, kw_only=True):
    """An entry of an index, as far as it is known here."""

    digest: Digest
    platform: str | None
    size: int | None
    kind: str | None
    media_type: str | None
    attests: Digest | None = None
    """Set on an attestation: the sibling it speaks of."""
    missing: bool = False
    """The registry no longer has it: the index is broken."""


class Attachment(Record, frozen=True, kw_only=True):
    """An artifact that hangs on a subject, and how it was found."""

    digest: Digest
    subject: Digest
    kind: str
    artifact_type: str | None
    size: int | None
    created: datetime | None
    attached_by: str
    """`referrers_api`, `referrers_tag`, `cosign_tag`, `subject` (its own manifest says so) or `index_child`."""


class Healthcheck(Record, frozen=True, kw_only=True):
    """Docker's healthcheck; durations in seconds, None means inherited."""

    test: tuple[str, ...]
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    start_interval: float | None = None
    retries: int | None = None


class ConfigView(Record, frozen=True, kw_only=True):
    """What a container of this image starts with."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    """`NAME=value`; values that look secret are masked for those who may not see them."""
    env_masked: int = 0
    """How many values of `env` are masked."""
    labels: dict[str, str] = {}
    working_dir: str | None = None
    user: str | None = None
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    stop_signal: str | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    author: str | None = None
    digest: Digest | None = None


class LayerView(Record, frozen=True, kw_only=True):
    """An instruction of the build and the layer that it made.

    `digest` is None for an instruction without a layer; `created_by` is None for a
    layer whose instruction is not known.
    """

    digest: Digest | None
    size: int | None
    media_type: str | None
    created_by: str | None
    created: datetime | None = None
    comment: str | None = None
    title: str | None = None
    """The file name, in artifacts that carry files."""


class LabelView(Record, frozen=True, kw_only=True):
    """A label or annotation, what it means and where it was written."""

    key: str
    value: str
    source: str
    """`manifest annotation`, `index annotation`, `descriptor annotation` or `config label`."""
    meaning: str | None
    """`title`, `version`, `source` …; None where the key is not of a known family."""
    family: str | None = None
    """`oci`, `label-schema` or None."""
    shadowed: bool = False
    """Another entry with the same meaning counts instead of this one."""


class Image(Record, frozen=True, kw_only=True):
    """One image, index, chart or other artifact: the row of its tag and all that is inside."""

    registry: str
    repository: RepositoryName
    reference: str
    """As it was asked for: `repository:tag` or `repository@digest`."""
    name: str
    """The tag, or the digest where it was asked for by digest."""
    digest: Digest
    media_type: str
    kind: str
    artifact_type: str | None
    platforms: tuple[str, ...]
    created: datetime | None
    size: int | None
    aliases: tuple[Tag, ...]
    signed: str | None
    worst_severity: str | None
    last_pulled: datetime | None = None
    """Of the tag, where it was asked for by tag."""
    pulls: PullCounts | None = None
    tags: tuple[Tag, ...]
    config: ConfigView | None
    layers: tuple[LayerView, ...]
    """Instructions with and without a layer, base first."""
    manifests: tuple[Child, ...]
    """The entries of an index."""
    attachments: tuple[Attachment, ...]
    annotations: dict[str, str]
    labels: tuple[LabelView, ...]
    metadata: dict[str, str]
    """meaning → value, after precedence."""
    subject: Digest | None
    parents: tuple[Digest, ...]
    """Indexes of the repository that hold this manifest."""
    platform: str | None
    """That of the configuration and layers shown here; of an index, the one that was chosen."""
    shown: Digest | None = None
    """The manifest whose configuration and layers these are: of an index, that of `platform`."""
    config_json: str | None
    """The config blob as text, for artifacts whose config is JSON of their own."""
    manifest_size: int
    problem: str | None
    freshness: Freshness
