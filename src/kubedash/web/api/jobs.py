"""Durable work: how it stands, and stopping it."""

from __future__ import annotations

from litestar import delete, get
from litestar.params import FromPath

from kubedash.records import Job
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import sync


@get("/jobs/{job_id:str}", summary="Show a job")
async def show_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """How far the work is, and why it failed where it did."""
    return await sync.job(services, actor, job_id)


@delete("/jobs/{job_id:str}", summary="Cancel a job", status_code=202)
async def cancel_job(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> Job:
    """Stops the work before its next step, and answers the job as it stands then."""
    return await sync.cancel(services, actor, job_id)
