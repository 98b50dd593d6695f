"""Durable work."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.oci.digest import Digest
from kubedash.records.base import Record


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    """By a person, who may let it go on."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Progress(Record, frozen=True, kw_only=True):
    done: int
    total: int | None
    doing: str | None = None
    unit: str | None = None
    """What is counted, such as `bytes` or `tags`; None: repositories or tags of a crawl."""


class Job(Record, frozen=True, kw_only=True):
    """A piece of durable work."""

    id: str
    kind: str
    state: JobState
    progress: Progress | None = None
    error: str | None = None
    registry: str | None = None
    repository: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    asked_by: str | None = None
    """Who asked for it, where a person did."""
    can_pause: bool = False
    """Whether this kind of work can be paused and go on later."""


class ItemState(StrEnum):
    """How one piece of a job stands."""

    WAITING = "waiting"
    DOING = "doing"
    """It was begun. After a crash: nobody knows yet how it ended."""
    DONE = "done"
    SKIPPED = "skipped"
    """There was nothing to do any more."""
    FAILED = "failed"


class JobItem(Record, frozen=True, kw_only=True):
    """One piece of a job, such as one tag of a bulk deletion or one blob of a copy."""

    position: int
    name: str
    digest: Digest | None = None
    size: int | None = None
    state: ItemState = ItemState.WAITING
    detail: str | None = None
    """How it ended, in a sentence."""
