"""Jobs without an engine: they run in this process and end with it. For the command line and tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from kubedash.jobs.steps import KIND_REGISTRY, KIND_REPOSITORY, Recent, announce, find_target, run_crawl
from kubedash.jobs.work import Works
from kubedash.records import Job, JobState, Progress
from kubedash.storage.jobs import Order, Piece
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
        self._works = Works(inline=True)

    async def start(self, services: Services) -> None:
        self._services = services

    async def sync_registry(self, registry: str) -> Job:
        return await self._enqueue(registry, None, again=True)

    async def sync_repository(self, registry: str, repository: str, *, again: bool = False) -> Job:
        return await self._enqueue(registry, repository, again=again)

    async def begin(self, order: Order, pieces: Sequence[Piece] = ()) -> Job:
        services = self._bound()
        job = await self._works.accept(services, order, pieces)
        if job.id == order.id:
            self._set_to_work(job.id, order.run)
        return job

    def _set_to_work(self, job_id: str, run: int) -> None:
        async def step(_: str, work: Callable[[], Awaitable[bool]]) -> bool:
            return await work()

        async def work() -> None:
            try:
                await self._works.run(self._bound(), job_id, run, step)
            finally:
                self._tasks.pop(job_id, None)

        self._tasks[job_id] = asyncio.create_task(work())

    async def pause(self, job_id: str) -> None:
        await self._works.pause(self._bound(), job_id)

    async def resume(self, job_id: str) -> None:
        if (task := self._tasks.get(job_id)) is not None:
            await asyncio.wait({task})
        run = await self._works.resume(self._bound(), job_id)
        if run is not None:
            self._set_to_work(job_id, run)

    async def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id) or await self._works.find(self._bound(), job_id)

    def running_crawl(self, registry: str) -> Job | None:
        open_jobs = (self._jobs[job_id] for target, job_id in self._open.items() if target.repository is None)
        return next((job for job in open_jobs if job.registry == registry), None)

    async def cancel(self, job_id: str) -> None:
        if job_id not in self._jobs:
            await self._works.end(self._bound(), job_id, JobState.CANCELLED)
        task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Ends everything: nobody goes on with it."""
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
