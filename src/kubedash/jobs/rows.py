"""What the engine keeps of a workflow, as a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from dbos import WorkflowStatus

from kubedash.records import Job, JobState, Progress
from kubedash.workflows.sync_track import Target

WAITING: Final = ("ENQUEUED", "DELAYED")
_STATES: Final = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
    "CANCELLED": JobState.CANCELLED,
}


def job_of(row: WorkflowStatus, progress: Progress | None) -> Job:
    """A crawl that ended with a reason counts as failed, though its workflow ended in order."""
    target = target_of(row)
    error = _error_of(row)
    return Job(
        id=row.workflow_id,
        kind=row.name,
        state=JobState.FAILED if error else _STATES.get(row.status, JobState.FAILED),
        progress=progress,
        error=error,
        registry=target.registry if target else None,
        repository=target.repository if target else None,
        created_at=moment(row.created_at),
        finished_at=moment(row.completed_at),
    )


def target_of(row: WorkflowStatus) -> Target | None:
    """What the workflow was asked to crawl; None where that cannot be read any more."""
    if not row.input or not row.input["args"]:
        return None
    try:
        return msgspec.convert(row.input["args"][0], Target)
    except msgspec.ValidationError:
        return None


def moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _error_of(row: WorkflowStatus) -> str | None:
    if row.error is not None:
        return f"{type(row.error).__name__}: {row.error}"
    output: Any = row.output
    return output.get("error") if isinstance(output, dict) else None
