"""Deleting many tags at once: what is chosen, what it would do, and how it went."""

from __future__ import annotations

from datetime import datetime

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record
from kubedash.records.changes import Capabilities, Strategy
from kubedash.records.jobs import Job, JobItem


class Selection(Record, frozen=True, kw_only=True):
    """Which tags of a repository; everything that is given must hold."""

    tags: tuple[Tag, ...] = ()
    """By name. Beside `patterns` either will do."""
    patterns: tuple[str, ...] = ()
    """By `*` and `?`, for the whole name."""
    older_than_days: int | None = None
    """Made at least so long ago. Where that is not known, it is not older."""
    not_pulled_days: int | None = None
    """Known to have been there, and not pulled, for so long. Where that is not known, it counts as pulled."""
    keep_newest: int | None = None
    """The so many that were made last of those named are left out."""
    everything: bool = False
    """All tags, those of machines too: the whole repository."""


class BulkTag(Record, frozen=True, kw_only=True):
    """One tag that was chosen."""

    name: Tag
    digest: Digest
    kind: str | None
    created: datetime | None
    size: int | None
    last_pulled: datetime | None = None
    strategy: Strategy
    spares: tuple[Tag, ...] = ()
    """Tags of the digest that stay in the end."""
    refused: str | None = None
    """Why this one cannot be deleted; the others can."""
    remedy: str | None = None


class BulkPlan(Record, frozen=True, kw_only=True):
    """What deleting the chosen tags would do. Nothing has been done yet."""

    registry: str
    repository: RepositoryName
    selection: Selection
    expected: str
    """Stands for exactly these tags and digests: `expected` of the execution."""
    tags: tuple[BulkTag, ...]
    """In the order in which they would go."""
    removes: int
    """How many of them can be deleted."""
    conflicts: int
    """How many cannot."""
    strategies: dict[str, int]
    """How many go by which way."""
    digests: int
    """Manifests that neither a tag nor an index leads to afterwards."""
    stays: int
    """Tags of the repository that are not chosen."""
    unknown_age: int = 0
    """Tags that were left out because it is not known when they were made."""
    unknown_pulls: int = 0
    """Tags that were left out because it is not known whether they were pulled."""
    take_orphans: bool = False
    orphans: int = 0
    """Signatures, SBOMs and the like that hang on those manifests."""
    bytes_freed: int = 0
    """Bytes that nothing else of the registry needs: freed by its garbage collection."""
    warnings: tuple[str, ...] = ()
    refused: str | None = None
    """Why nothing can be deleted; None where something can."""
    remedy: str | None = None
    capabilities: Capabilities | None = None
    planned_at: datetime


class BulkOutcome(Record, frozen=True, kw_only=True):
    """How many of the tags ended how."""

    tags: int
    deleted: int
    skipped: int
    """They were gone already."""
    failed: int
    waiting: int
    """Not tried: the job was stopped before."""


class BulkJob(Record, frozen=True, kw_only=True):
    """A bulk deletion under way, or done."""

    job: Job
    registry: str
    repository: RepositoryName
    selection: Selection
    take_orphans: bool
    outcome: BulkOutcome
    """So far."""
    problems: tuple[JobItem, ...] = ()
    """The first of those that were not deleted, and why."""
