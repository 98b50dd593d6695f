"""What copying an image to another place would do, and what it did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record
from kubedash.records.jobs import Job


class CopyRole(StrEnum):
    """Why a manifest is copied."""

    ROOT = "root"
    """It is what was asked for."""
    ENTRY = "entry"
    """An index names it."""
    ATTACHMENT = "attachment"
    """It says something about another one: a signature, an SBOM."""


class CopyPart(Record, frozen=True, kw_only=True):
    """One manifest that is copied."""

    digest: Digest
    media_type: str
    kind: str
    role: CopyRole
    size: int
    """Bytes of the manifest itself and of the blobs it names."""
    platform: str | None = None
    subject: Digest | None = None
    """Of an attachment: what it speaks of."""
    tag: Tag | None = None
    """The machine's tag that leads to it (`sha256-….sig`), where it has one."""


class CopyPlan(Record, frozen=True, kw_only=True):
    """What a copy would do. Nothing has been done yet."""

    source_registry: str
    source_repository: RepositoryName
    source: str
    """As it was asked for: a tag or a digest."""
    digest: Digest
    """What the source is now, and what the target will be: copies are verbatim."""
    media_type: str
    kind: str
    registry: str
    repository: RepositoryName
    tag: Tag
    old_digest: Digest | None
    """What the target's tag points to now: `expected` of the execution. None: it is new."""
    overwrites: bool
    """The tag is there and points elsewhere: this needs a confirmation."""
    nothing_to_do: bool = False
    """The tag points there already, and everything that belongs to it is there."""
    mounts: bool
    """Source and target are one registry, which need not move the bytes."""
    parts: tuple[CopyPart, ...] = ()
    """Manifests, the root first."""
    blobs: int = 0
    bytes_total: int = 0
    blobs_there: int = 0
    """How many of the blobs the target has already."""
    bytes_to_move: int = 0
    """Bytes that go over the wire: those of blobs that are neither there nor can be mounted."""
    foreign_layers: int = 0
    """Layers that are fetched from elsewhere, and are not part of any registry."""
    attachments: bool = True
    """Whether signatures, SBOMs and other attachments go along."""
    warnings: tuple[str, ...] = ()
    refused: str | None = None
    """Why it cannot be done; None where it can."""
    remedy: str | None = None
    planned_at: datetime


class CopyOutcome(Record, frozen=True, kw_only=True):
    """How a copy ended; numbers are those of the blobs."""

    digest: Digest
    old_digest: Digest | None
    manifests: int
    blobs: int
    uploaded: int
    mounted: int
    there: int
    """They were at the target before."""
    bytes_uploaded: int


class CopyJob(Record, frozen=True, kw_only=True):
    """A copy under way, or done: where from, where to, how far."""

    job: Job
    source_registry: str
    source_repository: RepositoryName
    source: str
    digest: Digest
    registry: str
    repository: RepositoryName
    tag: Tag
    old_digest: Digest | None
    outcome: CopyOutcome | None = None
    """Once it is done."""
