"""What our crawl, our lists and our image pages make of a repository."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from kubedash.oci.reference import Reference, RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import Image, JobState, Repository, RepositoryQuery, TagQuery, TagRow
from kubedash.workflows import browse, inspect, sync
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.services import open_house

REGISTRY: Final = "peer"
LIMIT: Final = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """One repository, after a crawl."""

    repository: Repository
    tags: dict[str, TagRow]
    """As the tag list has them."""
    machine_tags: set[str]
    """Those that it leaves out."""
    images: dict[str, Image]
    """Every tag's page, machine tags included."""

    def attached(self, tag: str) -> dict[str, set[str]]:
        """Kind → how it was found, of all that hangs on a tag."""
        found: dict[str, set[str]] = {}
        for attachment in self.images[tag].attachments:
            found.setdefault(attachment.kind, set()).add(attachment.attached_by)
        return found


def environment(url: str) -> dict[str, str]:
    return {
        "KUBEDASH_REGISTRIES": json.dumps([{"name": REGISTRY, "url": url}]),
        "KUBEDASH_SYNC_INTERVAL": "0",
    }


def look(url: str, folder: Path, repository: str, *, pages: bool = True) -> Seen:
    """Reads one repository into the index in `folder`."""

    async def work(services: Services) -> Seen:
        name = RepositoryName.parse(repository)
        await crawl(services, name)
        listed = await all_tags(services, name)
        folded = await all_tags(services, name, folded=True)
        images = {}
        for tag in folded if pages else ():
            images[tag] = await inspect.open_image(services, SYSTEM, REGISTRY, Reference.parse(f"{repository}:{tag}"))
        found = await all_repositories(services)
        return Seen(found[repository], listed, folded.keys() - listed.keys(), images)

    return in_house(url, folder, work)


def in_house(url: str, folder: Path, work: Callable[[Services], Awaitable[T]]) -> T:
    """`work` on services that know the registry at `url`; their index stays in `folder`."""

    async def opened() -> T:
        async with open_house(folder, **environment(url)) as services:
            return await work(services)

    return run(opened())


async def crawl(services: Services, repository: RepositoryName | None = None) -> None:
    job = await sync.request_sync(services, SYSTEM, REGISTRY, repository)
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        await asyncio.sleep(0.02)
        job = await sync.job(services, SYSTEM, job.id)
    assert job.state is JobState.DONE, job


async def all_tags(services: Services, name: RepositoryName, *, folded: bool = False) -> dict[str, TagRow]:
    """The tag list, page by page."""
    found: dict[str, TagRow] = {}
    cursor: str | None = None
    while True:
        query = TagQuery(sort="name", limit=LIMIT, cursor=cursor, folded=folded)
        page = (await browse.open_tags(services, SYSTEM, REGISTRY, name, query)).page
        found.update((str(row.name), row) for row in page.items)
        cursor = page.next
        if cursor is None:
            return found


async def all_repositories(services: Services) -> dict[str, Repository]:
    query = RepositoryQuery(limit=LIMIT)
    page = (await browse.open_repositories(services, SYSTEM, REGISTRY, query)).page
    return {str(found.name): found for found in page.items}
