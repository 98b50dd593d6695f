"""Asking for a fresh picture, and watching it being taken."""

from __future__ import annotations

from kubedash.errors import NotFound
from kubedash.oci.reference import RepositoryName
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Job
from kubedash.storage import registries
from kubedash.workflows.services import Services
from kubedash.workflows.work import permission_for


async def request_sync(
    services: Services, actor: Actor, registry: str, repository: RepositoryName | None = None
) -> Job:
    """Queue a crawl of a registry, or of one repository; does not wait for it.

    Answers the job that is already waiting or running, where there is one. The
    repository need not be known yet. Raises `NotFound` for an unknown registry.
    """
    access.require(actor, Permission.IMAGES_SYNC)
    async with services.database.read() as session:
        found = await registries.find(session, registry)
    if found is None:
        raise NotFound(f"No registry is called {registry[:80]!r}.", hint="See the list of registries.")
    if repository is None:
        return await services.jobs.sync_registry(found.name)
    return await services.jobs.sync_repository(found.name, repository, again=True)


async def job(services: Services, actor: Actor, job_id: str) -> Job:
    """The job as it stands. Raises `NotFound`; ended jobs are forgotten after some days."""
    access.require(actor, Permission.JOBS_READ)
    found = await services.jobs.find(job_id) if job_id.isprintable() else None
    if found is None:
        raise NotFound(f"No job has the id {job_id[:80]!r}.", hint="Ended jobs are forgotten after some days.")
    return found


async def cancel(services: Services, actor: Actor, job_id: str) -> Job:
    """Stop a job before its next step, and answer it as it stands then. Raises `NotFound`."""
    access.require(actor, Permission.IMAGES_SYNC)
    access.require(actor, permission_for((await job(services, actor, job_id)).kind))
    await services.jobs.cancel(job_id)
    return await job(services, actor, job_id)
