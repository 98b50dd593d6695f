"""Puts the pulls of the last days beside the rows of a list."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from kubedash.records import Page, Registry, Repository, TagRow
from kubedash.storage import pulls
from kubedash.storage.database import ReadSession


async def beside_tags(
    session: ReadSession, registry: Registry, repository: Repository, page: Page[TagRow], now: datetime
) -> tuple[Repository, Page[TagRow]]:
    """Both as they are where the registry never told us of a pull."""
    pairs = [(row.name, row.digest) for row in page.items]
    counts = await pulls.of_tags(session, registry.id, repository.id, pairs, now)
    if not counts:
        return repository, page
    rows = tuple(replace(row, pulls=counts[row.name]) for row in page.items)
    return replace(repository, pulls=counts[pulls.WHOLE]), replace(page, items=rows)


async def beside_tag(
    session: ReadSession, registry: Registry, repository: Repository, row: TagRow, now: datetime
) -> TagRow:
    """The same for one of them."""
    counts = await pulls.of_tags(session, registry.id, repository.id, [(row.name, row.digest)], now)
    return replace(row, pulls=counts.get(row.name))


async def beside_repositories(
    session: ReadSession, registry: Registry, page: Page[Repository], now: datetime
) -> Page[Repository]:
    """The same for an image list."""
    counts = await pulls.of_repositories(session, registry.id, [row.id for row in page.items], now)
    if not counts:
        return page
    return replace(page, items=tuple(replace(row, pulls=counts[row.id]) for row in page.items))
