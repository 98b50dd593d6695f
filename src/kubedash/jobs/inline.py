"""Jobs without an engine: they run in this process and end with it. For the command line and tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec.structs import replace

from kubedash.jobs.steps import KIND_REGISTRY, KIND_REPOSITORY, Recent, announce, find_target, run_crawl
from kubedash.records import Job, JobState, Progress
from kubedash.workflows.services import Services
from kubedash.workflows.sync_crawl import Crawl
from kubedash.workflows.sync_track import Cursor, Target

MAX_KEPT: Final = 500
"""Ended jobs that can still be asked for."""

log = structlog.get_logger(__name__)


class InlineJobs:
    """Implements `kubedash.workflows.services.Jobs` with tasks of this event loop."""

    def __init__(self) -> None:
        self._services: Services | None = None
        self._jobs: dict[str, Job] = {}
        self._open: dict[Target, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._recent = Recent()

    async def start(self, services: Services) -> None:
        self._services = services

    async def sync_registry(self, registry: str) -> Job:
        return await self._enqueue(registry, None, again=True)

    async def sync_repository(self, registry: str, repository: str, *, again: bool = False) -> Job:
        return await self._enqueue(registry, repository, again=again)

    async def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def running_crawl(self, registry: str) -> Job | None:
        open_jobs = (self._jobs[job_id] for target, job_id in self._open.items() if target.repository is None)
        return next((job for job in open_jobs if job.registry == registry), None)

    async def cancel(self, job_id: str) -> None:
        task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        for job_id in list(self._tasks):
            await self.cancel(job_id)

    async def _enqueue(self, registry: str, repository: str | None, *, again: bool) -> Job:
        services = self._bound()
        target = await find_target(services, registry, repository)
        if target in self._open:
            return self._jobs[self._open[target]]
        recent = None if again else self._recent.failed(target, services.clock())
        if recent is not None:
            return recent
        job = Job(
            id=uuid.uuid4().hex,
            kind=KIND_REGISTRY if repository is None else KIND_REPOSITORY,
            state=JobState.QUEUED,
            registry=registry,
            repository=repository,
            created_at=services.clock(),
        )
        self._jobs[job.id] = job
        self._open[target] = job.id
        self._tasks[job.id] = asyncio.create_task(self._run(services, job.id, target))
        return job

    async def _run(self, services: Services, job_id: str, target: Target) -> None:
        def report(progress: Progress) -> None:
            self._update(services, job_id, state=JobState.RUNNING, progress=progress)

        async def step(_: str, work: Callable[[], Awaitable[Cursor]]) -> Cursor:
            return await work()

        async def progressed(progress: Progress) -> None:
            report(progress)

        try:
            cursor = await run_crawl(Crawl(services, target, job_id, report), step, progressed)
            state = JobState.FAILED if cursor.error else JobState.DONE
            self._update(services, job_id, state=state, error=cursor.error)
        except asyncio.CancelledError:
            self._update(services, job_id, state=JobState.CANCELLED)
        except Exception as error:
            log.exception("a job failed", job=job_id)
            self._update(services, job_id, state=JobState.FAILED, error=f"{type(error).__name__}: {error}")
        finally:
            self._open.pop(target, None)
            self._tasks.pop(job_id, None)
            self._recent.ended(target, self._jobs[job_id])
            while len(self._jobs) > MAX_KEPT:
                del self._jobs[next(iter(self._jobs))]

    def _update(
        self,
        services: Services,
        job_id: str,
        *,
        state: JobState,
        progress: Progress | None = None,
        error: str | None = None,
    ) -> None:
        before = self._jobs[job_id]
        ended = None if state in (JobState.QUEUED, JobState.RUNNING) else services.clock()
        job = replace(before, state=state, progress=progress or before.progress, error=error, finished_at=ended)
        self._jobs[job_id] = job
        announce(services.live, job)

    def _bound(self) -> Services:
        if self._services is None:
            raise RuntimeError("start() comes first")
        return self._services
