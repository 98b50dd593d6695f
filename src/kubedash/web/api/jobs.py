"""Durable work: how it stands, pausing it and stopping it."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter

from kubedash.errors import InvalidInput
from kubedash.records import ItemState, Job, JobItem, Page
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import sync, work


@get("/jobs/{job_id:str}", summary="Show a job")
async def show_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """How far the work is, and why it failed where it did."""
    return await sync.job(services, actor, job_id)


@delete("/jobs/{job_id:str}", summary="Cancel a job", status_code=202)
async def cancel_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """Stops the work before its next step, and answers the job as it stands then."""
    return await sync.cancel(services, actor, job_id)


@get("/jobs", summary="List jobs")
async def list_jobs(
    services: GivenServices,
    actor: GivenActor,
    registry: Annotated[str | None, QueryParameter(description="Only of this registry.")] = None,
) -> Page[Job]:
    """The newest work that people asked for, at most 100; crawls are not among it."""
    return Page(items=await work.list_jobs(services, actor, registry))


@get("/jobs/{job_id:str}/items", summary="List the pieces of a job")
async def list_items(
    services: GivenServices,
    actor: GivenActor,
    job_id: FromPath[str],
    item_state: Annotated[
        ItemState | None, QueryParameter(name="state", description="Only those in this state.")
    ] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Page[JobItem]:
    """Each tag of a bulk deletion, each blob and manifest of a copy, in their order and how it ended."""
    return await work.list_items(services, actor, job_id, item_state, _position(cursor))


@post("/jobs/{job_id:str}/pause", summary="Pause a job", status_code=202)
async def pause_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """Stops the work after the piece under way; it keeps what is done, also over a restart."""
    return await work.pause(services, actor, job_id)


@post("/jobs/{job_id:str}/resume", summary="Resume a job", status_code=202)
async def resume_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """Goes on where the work was paused."""
    return await work.resume(services, actor, job_id)


def _position(cursor: str | None) -> int:
    if cursor is None:
        return -1
    if not cursor.isdecimal() or len(cursor) > 15:
        raise InvalidInput("This cursor is not one of ours.", fields={"cursor": "is not one of ours"})
    return int(cursor)
