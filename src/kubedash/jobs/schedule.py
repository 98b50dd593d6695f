"""What happens by itself: crawls when they are due, takeovers, and forgetting old jobs."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from dbos import DBOS
from dbos._recovery import recover_pending_workflows
from sqlalchemy.exc import SQLAlchemyError

from kubedash.errors import KubedashError
from kubedash.jobs.executors import BEAT_SECONDS, Executors
from kubedash.jobs.rows import moment, target_of
from kubedash.jobs.steps import KIND_REGISTRY
from kubedash.jobs.work import KEEP
from kubedash.policy.freshness import next_crawl
from kubedash.records import Registry, RegistryStatus
from kubedash.storage import jobs as kept_jobs
from kubedash.storage import registries
from kubedash.workflows.services import Jobs, Services
from kubedash.workflows.settle_changes import settle_all

KEEP_JOBS: Final = timedelta(days=3)
TAKE_UP_AFTER: Final = timedelta(seconds=10)
SILENT_AFTER: Final = timedelta(seconds=90)
"""Who works says so every second; the engine takes over from processes that died much sooner."""
FORGET_SECONDS: Final = 1800.0
FORGET_AT_ONCE: Final = 500
LOOK_BACK: Final = 500
"""Crawls that are looked through for the last attempt at each registry."""

log = structlog.get_logger(__name__)


class Engine(Jobs, Protocol):
    """Jobs of which one can also say who works on them."""

    async def set_to_work(self, job_id: str, run: int) -> None: ...


class Schedule:
    """The pulse of a process that runs jobs."""

    def __init__(self, services: Services, jobs: Engine, dbos: DBOS, executors: Executors) -> None:
        self._services = services
        self._jobs = jobs
        self._dbos = dbos
        self._executors = executors
        self._forgot_at = time.monotonic()
        self._stopping = asyncio.Event()
        self._settling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until `stop()`. What fails once is tried again at the next beat."""
        while not self._stopping.is_set():
            try:
                await self._executors.beat()
                await self._take_over()
                self._settle()
                await self._take_up()
                await self._crawl_due()
                await self._forget_old()
            except (KubedashError, SQLAlchemyError) as error:
                log.warning("the schedule missed a beat", reason=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BEAT_SECONDS)
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    def stop(self) -> None:
        """End after the beat under way: a query in another thread cannot be cancelled."""
        self._stopping.set()

    def _settle(self) -> None:
        """Beside the beats, as a registry that does not answer takes its time."""
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle_once())

    async def _settle_once(self) -> None:
        try:
            await settle_all(self._services)
        except KubedashError as error:
            log.warning("changes that broke off could not be looked after", reason=str(error))

    async def _take_over(self) -> None:
        """Workflows of processes that died go back to their queue, where somebody takes them."""
        pending = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        names = {row.executor_id for row in pending if row.executor_id}
        dead = await self._executors.silent(names)
        if dead:
            log.warning("taking over from processes that died", executors=dead)
            await asyncio.to_thread(recover_pending_workflows, self._dbos, dead)

    async def _take_up(self) -> None:
        """Work that nobody is at: its process died before it could queue it, or the engine gave it up."""
        now = self._services.clock()
        async with self._services.database.read() as session:
            found = await kept_jobs.forgotten(session, now - TAKE_UP_AFTER)
        async with self._services.database.write() as session:
            silent = await kept_jobs.revive(session, now - SILENT_AFTER, now)
        for job_id, run in (*found, *silent):
            await self._jobs.set_to_work(job_id, run)

    async def _crawl_due(self) -> None:
        interval = self._services.settings.sync_interval
        if not interval:
            return
        async with self._services.database.read() as session:
            found = await registries.list_all(session)
        now = self._services.clock()
        due = [registry for registry in found if _is_failing(registry) or _is_due(registry, None, interval, now)]
        if not due:
            return
        attempts = await self._last_attempts()
        for registry in due:
            if _is_due(registry, attempts.get(registry.id), interval, now):
                await self._jobs.sync_registry(registry.name)

    async def _last_attempts(self) -> dict[int, datetime]:
        """When each registry was last asked for, by whichever process."""
        rows = await DBOS.list_workflows_async(name=KIND_REGISTRY, sort_desc=True, limit=LOOK_BACK, load_output=False)
        found: dict[int, datetime] = {}
        for row in rows:
            target, at = target_of(row), moment(row.created_at)
            if target is not None and at is not None:
                found.setdefault(target.registry_id, at)
        return found

    async def _forget_old(self) -> None:
        if time.monotonic() - self._forgot_at < FORGET_SECONDS:
            return
        self._forgot_at = time.monotonic()
        before = (self._services.clock() - KEEP_JOBS).isoformat()
        rows = await DBOS.list_workflows_async(
            completed_before=before, limit=FORGET_AT_ONCE, load_input=False, load_output=False
        )
        async with self._services.database.write() as session:
            await kept_jobs.forget(session, self._services.clock() - KEEP)
        if rows:
            await DBOS.delete_workflows_async([row.workflow_id for row in rows])


def _is_due(registry: Registry, last_attempt: datetime | None, interval: int, now: datetime) -> bool:
    at = next_crawl(
        registry.last_synced,
        registry.status_since if _is_failing(registry) else None,
        last_attempt,
        interval,
        (zlib.crc32(registry.name.encode()) % 1000) / 1000,
    )
    return at is None or at <= now


def _is_failing(registry: Registry) -> bool:
    return registry.status not in (RegistryStatus.OK, RegistryStatus.UNKNOWN)
