"""Jobs that survive: DBOS Transact on a file of its own, or a schema of the same PostgreSQL.

A crawl is one workflow whose steps are about a second's work each; what a step answers
is written down, so after a crash it goes on at the step in flight. Two queues: crawls
of whole registries, and refreshes of one repository, which so never wait behind them.
Asking twice for the same thing answers the job that is already there (DBOS calls it
deduplication), also over several processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import structlog
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID

from kubedash.jobs.event_work import EventWork
from kubedash.jobs.executors import Executors
from kubedash.jobs.job_database import PostgresJobs, SqliteJobs
from kubedash.jobs.rows import WAITING, job_of
from kubedash.jobs.schedule import Schedule
from kubedash.jobs.steps import KIND_REGISTRY, KIND_REPOSITORY, Recent, announce, find_target, run_crawl
from kubedash.jobs.upkeep import Upkeep
from kubedash.jobs.work import Works
from kubedash.live import registry_topic
from kubedash.records import Job, JobState, Progress
from kubedash.settings import Settings
from kubedash.storage.jobs import Order, Piece
from kubedash.workflows.services import Services
from kubedash.workflows.sync_crawl import Crawl
from kubedash.workflows.sync_track import Cursor, Target

APPLICATION_VERSION: Final = "1"
"""Fixed: a workflow begun by one version of KubeDash is finished by the next one."""
CRAWLS: Final = "crawls"
REFRESHES: Final = "refreshes"
WORK: Final = "work"
"""What people asked for: copies, bulk deletions."""
CRAWLS_AT_ONCE: Final = 8
REFRESHES_AT_ONCE: Final = 64
"""Tasks, not threads: those of one registry take turns, `REFRESHES_A_REGISTRY` at once."""
REFRESHES_A_REGISTRY: Final = 4
WORK_AT_ONCE: Final = 4
CRAWL_POLL_SECONDS: Final = 1.0
REFRESH_POLL_SECONDS: Final = 0.3
WORK_POLL_SECONDS: Final = 0.3
_PROGRESS: Final = "progress"

log = structlog.get_logger(__name__)


class Engine:
    """Implements `kubedash.workflows.services.Jobs`. One a process: DBOS is global."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._database = SqliteJobs(settings.data_dir) if url.startswith("sqlite") else PostgresJobs(url)
        self._executors = Executors(settings.data_dir, self._database)
        self._services: Services | None = None
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._progress: dict[str, Progress] = {}
        self._crawls: dict[str, Job] = {}
        self._turns: defaultdict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(REFRESHES_A_REGISTRY))
        self._recent = Recent()
        self._works = Works(inline=False)
        self._schedule: Schedule | None = None
        self._upkeep: Upkeep | None = None
        self._pulses: tuple[asyncio.Task[None], ...] = ()
        self._events: EventWork | None = None
        self._launched = False

    async def start(self, services: Services) -> None:
        """Open the engine on this event loop; workflows left by a crash of this process go on."""
        global _engine  # noqa: PLW0603 (DBOS calls a function of this module, by its name)
        self._services = services
        await self._executors.register()
        _hush()
        dbos = DBOS(config=self._config())
        _engine = self
        self._launched = True
        DBOS.launch()
        await DBOS.register_queue_async(
            CRAWLS, worker_concurrency=CRAWLS_AT_ONCE, polling_interval_sec=CRAWL_POLL_SECONDS
        )
        await DBOS.register_queue_async(
            REFRESHES, worker_concurrency=REFRESHES_AT_ONCE, polling_interval_sec=REFRESH_POLL_SECONDS
        )
        await DBOS.register_queue_async(WORK, worker_concurrency=WORK_AT_ONCE, polling_interval_sec=WORK_POLL_SECONDS)
        self._schedule = Schedule(services, self, dbos, self._executors)
        self._upkeep = Upkeep(services)
        self._pulses = tuple(asyncio.create_task(each.run()) for each in (self._schedule, self._upkeep))
        self._events = EventWork(services, self._executors.own)
        self._events.start()

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name="kubedash",
            system_database_url=self._database.url,
            system_database_engine=self._database.engine,
            dbos_system_schema=self._database.schema,
            application_version=APPLICATION_VERSION,
            executor_id=self._executors.own,
            log_level="WARNING",
            enable_otlp=False,
        )

    async def sync_registry(self, registry: str) -> Job:
        return await self._enqueue(registry, None, again=True)

    async def sync_repository(self, registry: str, repository: str, *, again: bool = False) -> Job:
        return await self._enqueue(registry, repository, again=again)

    async def _enqueue(self, registry: str, repository: str | None, *, again: bool) -> Job:
        services = self._bound()
        target = await find_target(services, registry, repository)
        recent = None if again else self._recent.failed(target, services.clock())
        if recent is not None:
            return recent
        key = f"{target.registry_id}" if repository is None else f"{target.registry_id}/{repository}"
        queue, workflow = (CRAWLS, _crawl_registry) if repository is None else (REFRESHES, _crawl_repository)
        with SetEnqueueOptions(deduplication_id=key, duplication_policy="return-existing"):
            handle = await DBOS.enqueue_workflow_async(queue, workflow, msgspec.to_builtins(target))
        found = await self.find(handle.get_workflow_id())
        return found or Job(
            id=handle.get_workflow_id(),
            kind=KIND_REGISTRY if repository is None else KIND_REPOSITORY,
            state=JobState.QUEUED,
            registry=registry,
            repository=repository,
        )

    async def begin(self, order: Order, pieces: Sequence[Piece] = ()) -> Job:
        job = await self._works.accept(self._bound(), order, pieces)
        if job.id == order.id:
            await self.set_to_work(order.id, order.run)
        return job

    async def set_to_work(self, job_id: str, run: int) -> None:
        """Queue a run of it. Doing so again changes nothing: a run has one workflow."""
        with SetWorkflowID(f"{job_id}.{run}"):
            await DBOS.enqueue_workflow_async(WORK, _work, job_id, run)

    async def pause(self, job_id: str) -> None:
        await self._works.pause(self._bound(), job_id)

    async def resume(self, job_id: str) -> None:
        if (task := self._running.get(job_id)) is not None:
            await asyncio.wait({task})
        run = await self._works.resume(self._bound(), job_id)
        if run is not None:
            await self.set_to_work(job_id, run)

    async def find(self, job_id: str) -> Job | None:
        asked_for = await self._works.find(self._bound(), job_id)
        return asked_for or await self._find_crawl(job_id)

    async def _find_crawl(self, job_id: str) -> Job | None:
        row = await DBOS.get_workflow_status_async(job_id)
        if row is None:
            return None
        progress = self._progress.get(job_id)
        if progress is None and row.status not in WAITING:
            progress = await self._kept_progress(job_id)
        return job_of(row, progress)

    async def _kept_progress(self, job_id: str) -> Progress | None:
        kept = await DBOS.get_event_async(job_id, _PROGRESS, timeout_seconds=0)
        return None if kept is None else msgspec.convert(kept, Progress)

    def running_crawl(self, registry: str) -> Job | None:
        return self._crawls.get(registry)

    async def cancel(self, job_id: str) -> None:
        if await self._works.find(self._bound(), job_id) is not None:
            await self._works.end(self._bound(), job_id, JobState.CANCELLED)
            return
        found = await self._find_crawl(job_id)
        if found is None or found.state not in (JobState.QUEUED, JobState.RUNNING):
            return
        await DBOS.cancel_workflow_async(job_id)
        task = self._running.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if (ended := await self.find(job_id)) is not None:
            announce(self._bound().live, ended)

    async def run(self, target: Target, job_id: str) -> dict[str, Any]:
        """The body of a workflow. Its answer is the last cursor."""
        services = self._bound()
        task = asyncio.current_task()
        if task is not None:
            self._running[job_id] = task
        try:
            self._begin(job_id, target)
            async with self._turn(target):
                cursor = await run_crawl(
                    Crawl(services, target, job_id, lambda progress: self._report(job_id, target, progress)),
                    _durable_step,
                    self._keep_progress,
                )
            self._end(job_id, target, cursor)
            return {"error": cursor.error}
        finally:
            self._running.pop(job_id, None)
            self._progress.pop(job_id, None)
            if target.repository is None:
                self._crawls.pop(target.registry, None)

    async def work(self, job_id: str, run: int) -> None:
        """The body of a workflow that does what people asked for."""
        task = asyncio.current_task()
        if task is not None:
            self._running[job_id] = task
        try:
            await self._works.run(self._bound(), job_id, run, _durable_piece)
        finally:
            self._running.pop(job_id, None)

    def _turn(self, target: Target) -> contextlib.AbstractAsyncContextManager[Any]:
        """Refreshes of one registry take turns, so that a slow one does not fill the queue of all."""
        return contextlib.nullcontext() if target.repository is None else self._turns[target.registry_id]

    def _begin(self, job_id: str, target: Target) -> None:
        """Pages of a registry hear that its crawl runs, and show how far it is."""
        if target.repository is None:
            self._crawls[target.registry] = _running_job(job_id, target, JobState.RUNNING, None)
            self._bound().live.publish(registry_topic(target.registry))

    def _report(self, job_id: str, target: Target, progress: Progress) -> None:
        self._progress[job_id] = progress
        job = _running_job(job_id, target, JobState.RUNNING, progress)
        if target.repository is None:
            self._crawls[target.registry] = job
        announce(self._bound().live, job)

    async def _keep_progress(self, progress: Progress) -> None:
        await DBOS.set_event_async(_PROGRESS, msgspec.to_builtins(progress))

    def _end(self, job_id: str, target: Target, cursor: Cursor) -> None:
        services = self._bound()
        state = JobState.FAILED if cursor.error else JobState.DONE
        job = msgspec.structs.replace(
            _running_job(job_id, target, state, cursor.progress), error=cursor.error, finished_at=services.clock()
        )
        self._recent.ended(target, job)
        if target.repository is None:
            self._crawls.pop(target.registry, None)
            services.live.publish(registry_topic(target.registry))
        announce(services.live, job)

    async def close(self) -> None:
        """Stop the crawls where they are and leave the engine; they go on at the next start."""
        global _engine  # noqa: PLW0603
        if self._events is not None:
            await self._events.stop()
        if self._schedule is not None and self._upkeep is not None:
            self._schedule.stop()
            self._upkeep.stop()
            await asyncio.gather(*self._pulses, return_exceptions=True)
        if self._launched:
            for task in list(self._running.values()):
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await _destroy()
            _engine = None
        await self._executors.close()

    def _bound(self) -> Services:
        if self._services is None:
            raise RuntimeError("start() comes first")
        return self._services


def _hush() -> None:
    """DBOS writes to the console by itself unless its logger has a handler already."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


async def _destroy() -> None:
    """DBOS runs the loop's threads too and takes them with it: give the loop new ones."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as own:
        await loop.run_in_executor(own, DBOS.destroy)
    loop.set_default_executor(ThreadPoolExecutor())


def _running_job(job_id: str, target: Target, state: JobState, progress: Progress | None) -> Job:
    return Job(
        id=job_id,
        kind=KIND_REGISTRY if target.repository is None else KIND_REPOSITORY,
        state=state,
        progress=progress,
        registry=target.registry,
        repository=target.repository,
    )


async def _durable_step(name: str, work: Callable[[], Awaitable[Cursor]]) -> Cursor:
    async def step() -> Any:
        return msgspec.to_builtins(await work())

    return msgspec.convert(await DBOS.run_step_async({"name": name}, step), Cursor)


async def _durable_piece(name: str, work: Callable[[], Awaitable[bool]]) -> bool:
    async def step() -> bool:
        return await work()

    return await DBOS.run_step_async({"name": name}, step)


_engine: Engine | None = None


async def _run(target: dict[str, Any]) -> dict[str, Any]:
    if _engine is None or DBOS.workflow_id is None:
        raise RuntimeError("the engine is not running")
    return await _engine.run(msgspec.convert(target, Target), DBOS.workflow_id)


@DBOS.workflow(name=KIND_REGISTRY, max_recovery_attempts=None)
async def _crawl_registry(target: dict[str, Any]) -> dict[str, Any]:
    return await _run(target)


@DBOS.workflow(name=KIND_REPOSITORY, max_recovery_attempts=None)
async def _crawl_repository(target: dict[str, Any]) -> dict[str, Any]:
    return await _run(target)


@DBOS.workflow(name=WORK, max_recovery_attempts=None)
async def _work(job_id: str, run: int) -> None:
    if _engine is None:
        raise RuntimeError("the engine is not running")
    await _engine.work(job_id, run)
