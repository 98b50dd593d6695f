"""A crawl as a row of steps, whoever keeps their results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from kubedash.errors import InvalidInput, KubedashError, NotFound
from kubedash.live import Live, job_topic
from kubedash.oci.reference import RepositoryName
from kubedash.records import Job, JobState, Progress, RegistryStatus, encode_json
from kubedash.storage import registries
from kubedash.storage.sealing import SealedOtherwise
from kubedash.workflows.services import Services
from kubedash.workflows.sync_crawl import Crawl
from kubedash.workflows.sync_track import Cursor, Target

KIND_REGISTRY: Final = "sync_registry"
KIND_REPOSITORY: Final = "sync_repository"
COOL_DOWN: Final = timedelta(seconds=30)
Progressed = Callable[[Progress], Awaitable[None]]


Step = Callable[[str, Callable[[], Awaitable[Cursor]]], Awaitable[Cursor]]
"""Does the work and keeps its result, or answers the result that was kept before."""


async def run_crawl(crawl: Crawl, step: Step, progressed: Progressed) -> Cursor:
    """From the first step to the last one; what is claimed is let go whatever happens."""
    try:
        cursor = await step("begin", _guarded(crawl.begin))
        await progressed(cursor.progress)
        while not cursor.finished:
            cursor = await step("advance", _guarded(_advance(crawl, cursor)))
            await progressed(cursor.progress)
        return await step("finish", _finish(crawl, cursor))
    finally:
        await crawl.close()


def _advance(crawl: Crawl, cursor: Cursor) -> Callable[[], Awaitable[Cursor]]:
    return lambda: crawl.advance(cursor)


def _finish(crawl: Crawl, cursor: Cursor) -> Callable[[], Awaitable[Cursor]]:
    return lambda: crawl.finish(cursor)


def _guarded(work: Callable[[], Awaitable[Cursor]]) -> Callable[[], Awaitable[Cursor]]:
    """Refusals of our own house end the crawl with their reason; bugs pass."""

    async def guarded() -> Cursor:
        try:
            return await work()
        except (InvalidInput, SealedOtherwise) as error:
            # What is stored of the registry cannot be used: its page has to say so.
            return Cursor(finished=True, healthy=False, error=error.message, status=RegistryStatus.ERROR)
        except KubedashError as error:
            return Cursor(finished=True, healthy=False, error=error.message, status=None)

    return guarded


def announce(live: Live, job: Job) -> None:
    """Tell who watches the job; the text is the job as the API shows it."""
    live.publish(job_topic(job.id), encode_json(job).decode())


async def find_target(services: Services, registry: str, repository: str | None) -> Target:
    """What a name means now. Raises `NotFound` for an unknown registry, `InvalidInput` for a bad name."""
    async with services.database.read() as session:
        found = await registries.find(session, registry)
    if found is None:
        raise NotFound(f"No registry is called {registry[:80]!r}.", hint="See the list of registries.")
    name = None if repository is None else str(RepositoryName.parse(repository))
    return Target(registry_id=found.id, registry=found.name, repository=name)


class Recent:
    """Failures of a moment ago, so that a page that looks again does not ask again at once."""

    def __init__(self) -> None:
        self._failed: dict[Target, tuple[Job, datetime]] = {}

    def ended(self, target: Target, job: Job) -> None:
        if job.state is JobState.FAILED and job.finished_at is not None:
            self._failed[target] = (job, job.finished_at)
        else:
            self._failed.pop(target, None)

    def failed(self, target: Target, now: datetime) -> Job | None:
        """The job that failed on this target less than `COOL_DOWN` ago."""
        self._failed = {key: kept for key, kept in self._failed.items() if now - kept[1] < COOL_DOWN}
        kept = self._failed.get(target)
        return kept[0] if kept else None
