"""The crawl of a registry, or of one repository of it, as steps that can be resumed.

`begin` lists the names, `advance` goes on for about a second and answers how far
everything is stored, `finish` sums up. What each answers is all that the next one needs,
so whoever keeps the answers (`kubedash.jobs`) can go on after a crash at the step in
flight; doing a step twice does no harm.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from kubedash.errors import RegistryError
from kubedash.live import REGISTRIES_TOPIC, registry_topic, repository_topic
from kubedash.oci.reference import RepositoryName
from kubedash.records import Progress, RegistryStatus
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import status_of
from kubedash.storage import registries, repositories
from kubedash.storage.database import WriteSession
from kubedash.workflows.connections import client_of
from kubedash.workflows.services import Services
from kubedash.workflows.sync_attachments import ReferrersApi
from kubedash.workflows.sync_catalog import catalog_answers, list_names, refusal_of
from kubedash.workflows.sync_manifests import explain
from kubedash.workflows.sync_repository import Visit, crawl_repository
from kubedash.workflows.sync_tools import Writer, each, first_of
from kubedash.workflows.sync_track import Cursor, Target, Track

CHUNK_SECONDS: Final = 1.0
"""About how much work a step is: what a crash may do again."""
REPORT_SECONDS: Final = 0.5
SIDE_BY_SIDE: Final = 8
"""Repositories crawled at once; requests are bounded by the registry's client."""
NAMES_AT_ONCE: Final = 200
LEASE_SECONDS: Final = 90.0
RENEW_SECONDS: Final = 20.0
WAIT_SECONDS: Final = 60.0
"""How long the refresh of one repository waits while another crawl is at it."""
_DOWN: Final = (RegistryStatus.UNREACHABLE, RegistryStatus.TLS_FAILED, RegistryStatus.RATE_LIMITED)
_BUSY: Final = "Another crawl is reading this repository."


class Crawl:
    """One crawl in this process. `owner` names the job: a resumed job owns its own leases."""

    _client: RegistryClient
    _api: ReferrersApi

    def __init__(self, services: Services, target: Target, owner: str, report: Callable[[Progress], None]) -> None:
        self._services = services
        self._target = target
        self._owner = owner
        self._report = report
        self._task: asyncio.Task[None] | None = None
        self._track = Track(Cursor(), single=False, may_empty=self._may_empty)
        self._claimed: dict[str, int] = {}
        self._renewed = time.monotonic()
        self._writer = Writer(services.database)

    async def begin(self) -> Cursor:
        """Learn the names. Registry errors are in the answer; raises `NotFound` where the registry is gone."""
        name, registry_id = self._target.repository, self._target.registry_id
        if name is not None:
            return await self._begin_one(RepositoryName(name))
        try:
            listing = await list_names(self._services, await client_of(self._services, registry_id), registry_id)
        except RegistryError as error:
            return Cursor(finished=True, healthy=False, error=explain(error), status=status_of(error))
        return Cursor(total=listing.total, healthy=listing.healthy, listing=listing.problem, status=listing.status)

    async def _begin_one(self, name: RepositoryName) -> Cursor:
        """One that is not known, or was gone, is taken in only where the registry has it."""
        registry_id = self._target.registry_id
        async with self._services.database.read() as session:
            found = await repositories.find(session, registry_id, name)
        if found is None or found.gone_since is not None:
            refusal = await refusal_of(await client_of(self._services, registry_id), name)
            if refusal is not None:
                status = status_of(refusal)
                said = status if status in _DOWN else None
                return Cursor(finished=True, healthy=False, error=explain(refusal), status=said)
        async with self._services.database.write() as session:
            await repositories.ensure(session, registry_id, (name,), self._services.clock())
        return Cursor(open={str(name): ""}, after=str(name))

    async def advance(self, cursor: Cursor) -> Cursor:
        """Go on behind `cursor` for about a second; answers how far everything is stored."""
        if self._task is None:
            self._track = Track(cursor, single=self._target.repository is not None, may_empty=self._may_empty)
            self._task = asyncio.create_task(self._run(cursor))
        deadline = time.monotonic() + CHUNK_SECONDS
        while not self._task.done() and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait((self._task,), timeout=min(left, REPORT_SECONDS))
            self._report(self._track.cursor().progress)
        if self._task.done():
            if (error := self._task.exception()) is not None:
                raise first_of(error)
            return self._track.cursor(finished=True)
        await self._renew()
        return self._track.cursor()

    async def finish(self, cursor: Cursor) -> Cursor:
        """Sum up, record how the registry does, and tell everybody who looks at it."""
        if not cursor.healthy and cursor.error is None:
            cursor = replace(cursor, error=cursor.listing)
        target, now = self._target, self._services.clock()
        size = await self._size()
        async with self._services.database.write() as session:
            await registries.recount(session, target.registry_id, size)
            if cursor.status is not None and await self._tells_about_registry(session, cursor.status):
                detail = cursor.listing if cursor.status is RegistryStatus.OK else cursor.error or cursor.listing
                await registries.record_status(session, target.registry_id, cursor.status, detail, now)
            if target.repository is None and cursor.healthy and cursor.error is None:
                await registries.record_synced(session, target.registry_id, now)
        live = self._services.live
        live.publish(registry_topic(target.registry))
        live.publish(REGISTRIES_TOPIC)
        return cursor

    async def _size(self) -> int | None:
        """Distinct bytes of the whole registry: too dear for the refresh of one repository."""
        if self._target.repository is not None:
            return None
        async with self._services.database.read() as session:
            return await registries.distinct_size(session, self._target.registry_id)

    async def _tells_about_registry(self, session: WriteSession, status: RegistryStatus) -> bool:
        """A refresh of one repository shows whether the registry answers, not whether its catalog does."""
        if self._target.repository is None or status is not RegistryStatus.OK:
            return True
        found = await registries.by_id(session, self._target.registry_id)
        return found is not None and found.status in _DOWN

    async def close(self) -> None:
        """Stop where it is and let go of what is claimed. Nothing that is stored is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._claimed:
            async with self._services.database.write() as session:
                for repository_id in self._claimed.values():
                    await repositories.release(session, repository_id, self._owner)
            self._claimed.clear()

    async def _run(self, cursor: Cursor) -> None:
        self._client = await client_of(self._services, self._target.registry_id)
        self._api = ReferrersApi(self._client)
        async with self._writer:
            await self._take(cursor.open)
            after = cursor.after
            while self._target.repository is None and not self._track.stopped:
                async with self._services.database.read() as session:
                    names = await repositories.names_due(session, self._target.registry_id, after, NAMES_AT_ONCE)
                if not names:
                    break
                after = names[-1]
                self._track.taken(names)
                await self._take(dict.fromkeys(names, ""))

    async def _take(self, page: dict[str, str]) -> None:
        """Crawl these repositories, each behind the tag that is given."""

        async def crawl(item: tuple[str, str]) -> None:
            if not self._track.stopped:
                await self._crawl(RepositoryName(item[0]), item[1])

        await each(page.items(), crawl, SIDE_BY_SIDE)

    async def _crawl(self, name: RepositoryName, resume_after: str) -> None:
        repository_id = await self._claim(name)
        if repository_id is None:
            self._track.ended(name, _BUSY if self._target.repository else None)
            return
        visit = Visit(
            repository_id=repository_id,
            name=name,
            client=self._client,
            database=self._services.database,
            writer=self._writer,
            api=self._api,
            watch=self._track,
            clock=self._services.clock,
            resume_after=resume_after,
        )
        reason = await crawl_repository(visit)
        self._track.ended(name, reason)
        await self._let_go(name)
        self._services.live.publish(repository_topic(self._target.registry, name))

    async def _claim(self, name: RepositoryName) -> int | None:
        """The repository's id, now ours; None where another crawl keeps it, or it is gone."""
        registry_id, ours = self._target.registry_id, False
        async with self._services.database.read() as session:
            found = await repositories.find(session, registry_id, name)
        if found is None:
            return None

        async def claim(session: WriteSession) -> None:
            nonlocal ours
            now = self._services.clock()
            ours = await repositories.claim(session, found.id, self._owner, now, LEASE_SECONDS)

        give_up = time.monotonic() + (WAIT_SECONDS if self._target.repository else 0.0)
        await self._writer.submit(claim)
        while not ours and time.monotonic() < give_up:
            await asyncio.sleep(REPORT_SECONDS)
            await self._writer.submit(claim)
        if not ours:
            return None
        self._claimed[name] = found.id
        return found.id

    async def _let_go(self, name: RepositoryName) -> None:
        repository_id = self._claimed.pop(name)
        await self._writer.submit(lambda session: repositories.release(session, repository_id, self._owner))

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed < RENEW_SECONDS or not self._claimed:
            return
        self._renewed = time.monotonic()
        now = self._services.clock()
        async with self._services.database.write() as session:
            for repository_id in self._claimed.values():
                await repositories.renew(session, repository_id, self._owner, now, LEASE_SECONDS)

    async def _may_empty(self) -> bool:
        """A crawl of all knows from its listing; a refresh of one asks for the first page of the catalog."""
        if self._target.repository is None:
            return self._track.cursor().healthy
        return await catalog_answers(self._client)
