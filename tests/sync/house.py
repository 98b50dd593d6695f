"""One registry in an open house, crawled on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.access import SYSTEM
from kubedash.records import Job, Registry, RegistrySettings, Repository, TagQuery, TagRow
from kubedash.storage import registries, repositories, tags
from kubedash.workflows import sync
from kubedash.workflows.connections import client_of
from kubedash.workflows.services import Services
from tests.support.services import open_house

NAME = "local"


class House:
    """Short words for what the tests ask."""

    def __init__(self, services: Services, registry_id: int) -> None:
        self.services = services
        self.registry_id = registry_id

    async def crawl(self, repository: str | None = None) -> Job:
        """Asks for a crawl and waits for its end."""
        name = None if repository is None else RepositoryName(repository)
        return await self.ended(await sync.request_sync(self.services, SYSTEM, NAME, name))

    async def ended(self, job: Job) -> Job:
        while job.state in ("queued", "running"):
            await asyncio.sleep(0.02)
            job = await sync.job(self.services, SYSTEM, job.id)
        return job

    async def registry(self) -> Registry:
        async with self.services.database.read() as session:
            found = await registries.by_id(session, self.registry_id)
        assert found is not None
        return found

    async def repository(self, name: str) -> Repository:
        async with self.services.database.read() as session:
            found = await repositories.find(session, self.registry_id, name)
        assert found is not None
        return found

    async def rows(self, name: str) -> dict[str, TagRow]:
        """Every tag of a repository, machines' as well."""
        repository = await self.repository(name)
        async with self.services.database.read() as session:
            page = await tags.page(session, repository.id, TagQuery(limit=1000, folded=True))
        return {row.name: row for row in page.items}

    async def digests(self, name: str) -> dict[Tag, Digest]:
        repository = await self.repository(name)
        async with self.services.database.read() as session:
            return await tags.known(session, repository.id)

    async def requests(self) -> int:
        """How many requests were sent to the registry so far."""
        return (await client_of(self.services, self.registry_id)).requests


@asynccontextmanager
async def house(
    folder: Path, url: str, *, environ: dict[str, str] | None = None, **settings: object
) -> AsyncIterator[House]:
    """`settings` go to the registry, where the folder has none yet. Nothing is crawled by itself."""
    wanted_environ = {"KUBEDASH_SYNC_INTERVAL": "0", "KUBEDASH_REGISTRY_TIMEOUT": "1", **(environ or {})}
    async with open_house(folder, **wanted_environ) as services:
        async with services.database.write() as session:
            wanted = RegistrySettings(name=NAME, title="Local", url=url, **settings)  # type: ignore[arg-type]
            known = await registries.find(session, NAME)
            registry_id = known.id if known else await registries.add(session, wanted, b"")
        yield House(services, registry_id)
