"""Durable work that people ask for: taken down, done piece by piece, paused, ended once.

What was asked and how far it is lives in the index's database, so that every process
sees it and a restart loses nothing; the engine only makes sure that somebody is at it.
Each kind of work is a module of `kubedash.workflows` with the two functions of `Kind`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from kubedash.errors import Conflict, KubedashError, RegistryError, Unavailable
from kubedash.jobs.steps import announce
from kubedash.records import Job, JobState, Progress
from kubedash.storage import jobs
from kubedash.storage.database import WriteSession
from kubedash.storage.jobs import Order, Piece
from kubedash.workflows import bulk_run, copy_run
from kubedash.workflows.services import Services
from kubedash.workflows.work import Report

LOOK_SECONDS: Final = 1.0
"""How soon it is noticed that somebody paused or cancelled a job."""
REPORT_SECONDS: Final = 0.5
LEAVE_SECONDS: Final = 30.0
"""For what must not be stopped in the middle, when the process ends."""
SILENT: Final = timedelta(seconds=15)
"""After that much silence of a command, its process has died."""
KEEP: Final = timedelta(days=30)
_LOST: Final = "The command that did this ended before its work."

log = structlog.get_logger(__name__)

Step = Callable[[str, Callable[[], Awaitable[bool]]], Awaitable[bool]]
"""Does the work and keeps its answer, or gives the answer that was kept before."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of work is done."""

    advance: Callable[[Services, Order, Report], Coroutine[None, None, bool]]
    """About a second's work, or one piece that cannot be parted; whether that was the last.

    Done again after a crash, it finds what is done already.
    """
    conclude: Callable[[WriteSession, Order, JobState, str | None, datetime], Awaitable[None]]
    """Writes down how it ended, in the transaction that ends it: so exactly once."""
    interruptible: bool
    """Whether it may be stopped in the middle of a piece."""


KINDS: Final = {
    bulk_run.KIND: Kind(advance=bulk_run.advance, conclude=bulk_run.conclude, interruptible=False),
    copy_run.KIND: Kind(advance=copy_run.advance, conclude=copy_run.conclude, interruptible=True),
}


class Works:
    """The work that this process does."""

    def __init__(self, *, inline: bool) -> None:
        self._inline = inline
        self._progress: dict[str, Progress] = {}

    async def accept(self, services: Services, order: Order, pieces: Sequence[Piece]) -> Job:
        """Takes it down; the open job with the same order, where there is one.

        Raises `Conflict` where an open one is in its way.
        """
        now = services.clock()
        async with services.database.write() as session:
            await jobs.end_silent(session, order.key, now - SILENT, now, _LOST)
            same = await jobs.open_with_key(session, order.key)
            if same is None:
                await jobs.add(session, order, now, inline=self._inline)
                await jobs.add_items(session, order.id, pieces)
        if same is not None and not await _is_same(services, same, order):
            raise Conflict(
                f"Something else is being done there already: job {same.id} ({same.kind}, {same.state}).",
                hint="Wait for its end, or cancel it.",
            )
        found = await self.find(services, same.id if same is not None else order.id)
        if found is None:
            raise Unavailable(f"The job {order.id} is not there any more.", hint="Ask again.")
        return found

    async def find(self, services: Services, job_id: str) -> Job | None:
        async with services.database.read() as session:
            found = await jobs.find(session, job_id)
        if found is None or found.state is not JobState.RUNNING or job_id not in self._progress:
            return found
        return replace(found, progress=self._progress[job_id])

    async def run(self, services: Services, job_id: str, run: int, step: Step) -> None:
        """Work on it until it ends, or should not be worked on any more."""
        async with services.database.read() as session:
            order = await jobs.order(session, job_id)
        if order is None or order.run != run:
            return
        kind, finished = KINDS[order.kind], False
        try:
            while not finished and await _touch(services, order):
                finished = await step(order.kind, lambda: self._advance(services, kind, order))
        finally:
            self._progress.pop(job_id, None)

    async def _advance(self, services: Services, kind: Kind, order: Order) -> bool:
        """One step; whether there is none after it."""
        report = _Reporter(services, order, self._progress)
        # In a context of its own: the engine takes what a step asks of it for a part of the step.
        doing = asyncio.create_task(kind.advance(services, order, report), context=contextvars.Context())
        try:
            while not (await asyncio.wait({doing}, timeout=LOOK_SECONDS))[0]:
                if not await _touch(services, order) and kind.interruptible:
                    return True
            finished = doing.result()
        except KubedashError as error:
            await self._failed(services, order, error)
            return True
        except Exception as error:
            log.exception("a job failed", job=order.id)
            await self.end(services, order.id, JobState.FAILED, f"{type(error).__name__}: {error}")
            return True
        finally:
            await _leave(doing, kind)
        if finished:
            await self.end(services, order.id, JobState.DONE)
        return finished

    async def _failed(self, services: Services, order: Order, error: KubedashError) -> None:
        """What may pass is a pause, so that nothing has to be asked for again; the rest is the end."""
        reason = " ".join(filter(None, (error.message, error.answered)))
        passing = isinstance(error, Unavailable) or (isinstance(error, RegistryError) and error.temporary)
        if not passing:
            await self.end(services, order.id, JobState.FAILED, reason)
            return
        async with services.database.write() as session:
            await jobs.pause(session, order.id, services.clock(), reason)
        await self._tell(services, order.id)

    async def pause(self, services: Services, job_id: str) -> None:
        async with services.database.write() as session:
            await jobs.pause(session, job_id, services.clock())
        await self._tell(services, job_id)

    async def resume(self, services: Services, job_id: str) -> int | None:
        """The run that goes on with it; None where it was not paused."""
        async with services.database.write() as session:
            run = await jobs.resume(session, job_id, services.clock(), inline=self._inline)
        await self._tell(services, job_id)
        return run

    async def end(self, services: Services, job_id: str, state: JobState, error: str | None = None) -> None:
        """Ends it, once; what its kind writes down is kept together with that."""
        now = services.clock()
        async with services.database.write() as session:
            order = await jobs.order(session, job_id)
            if order is not None and await jobs.end(session, job_id, state, now, error):
                await KINDS[order.kind].conclude(session, order, state, error, now)
        self._progress.pop(job_id, None)
        await self._tell(services, job_id)

    async def _tell(self, services: Services, job_id: str) -> None:
        found = await self.find(services, job_id)
        if found is not None:
            announce(services.live, found)


class _Reporter:
    """Takes progress at any pace; others hear of it a few times a second."""

    def __init__(self, services: Services, order: Order, kept: dict[str, Progress]) -> None:
        self._services = services
        self._order = order
        self._kept = kept
        self._next = 0.0

    async def __call__(self, progress: Progress) -> None:
        self._kept[self._order.id] = progress
        clock = asyncio.get_running_loop().time
        if clock() < self._next:
            return
        self._next = clock() + REPORT_SECONDS
        async with self._services.database.write() as session:
            await jobs.report(session, self._order.id, progress, self._services.clock())
            found = await jobs.find(session, self._order.id)
        if found is not None:
            announce(self._services.live, found)


async def _touch(services: Services, order: Order) -> bool:
    async with services.database.write() as session:
        return await jobs.touch(session, order.id, order.run, services.clock())


async def _leave(doing: asyncio.Future[bool], kind: Kind) -> None:
    """What was begun ends in order, or is stopped where that does no harm."""
    if doing.done():
        return
    if kind.interruptible:
        doing.cancel()
    await asyncio.wait({doing}, timeout=LEAVE_SECONDS)
    if doing.done() and not doing.cancelled() and (error := doing.exception()) is not None:
        log.warning("the last piece before a stop failed", reason=str(error))


async def _is_same(services: Services, found: Job, order: Order) -> bool:
    async with services.database.read() as session:
        kept = await jobs.order(session, found.id)
    return kept is not None and (kept.kind, kept.spec) == (order.kind, order.spec)
