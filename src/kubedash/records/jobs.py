"""Durable work."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.records.base import Record


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Progress(Record, frozen=True, kw_only=True):
    done: int
    total: int | None
    doing: str | None = None


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
