"""Looking around: the overview, image lists, tag lists and the search, all from the index.

Nothing here waits for a registry, but for one case: a repository that the index does
not know is asked for once, so that an address typed by hand works.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from kubedash.errors import InvalidInput, NotFound
from kubedash.oci.reference import RepositoryName
from kubedash.policy import access, freshness
from kubedash.policy.access import Actor, Permission
from kubedash.records import (
    Freshness,
    Job,
    JobState,
    Namespace,
    Page,
    Progress,
    Record,
    Registry,
    RegistryStatus,
    Repository,
    RepositoryQuery,
    SearchHit,
    TagQuery,
    TagRow,
)
from kubedash.registry.errors import Absent
from kubedash.storage import registries, repositories, tags
from kubedash.storage import search as index_search
from kubedash.storage.database import ReadSession
from kubedash.workflows import pull_figures
from kubedash.workflows.connections import client_of
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services

NEWEST_SHOWN: Final = 12
MAX_QUERY: Final = 400
REPOSITORY_SORTS: Final = ("name", "pushed_at", "last_pulled", "size", "tag_count")
TAG_SORTS: Final = ("version", "name", "created", "size", "last_pulled")
MAX_LIMIT: Final = 1000
OPEN_STATES: Final = (JobState.QUEUED, JobState.RUNNING)


class RegistryCard(Record, frozen=True, kw_only=True):
    """A registry on the overview, with how old its picture is."""

    registry: Registry
    freshness: Freshness


class OverviewWarning(Record, frozen=True, kw_only=True):
    """Something that needs a person: which registry, since when and why."""

    registry: str
    repository: RepositoryName | None
    reason: str
    since: datetime | None


class OverviewCounts(Record, frozen=True, kw_only=True):
    """Sums over the registries; None where no registry could say."""

    registries: int
    unreachable: int
    repositories: int | None
    tags: int | None
    size: int | None


class Overview(Record, frozen=True, kw_only=True):
    registries: tuple[RegistryCard, ...]
    newest: tuple[Repository, ...]
    """Last pushed first, over all registries."""
    warnings: tuple[OverviewWarning, ...]
    counts: OverviewCounts


class RepositoryListing(Record, frozen=True, kw_only=True):
    """An image list: the repositories, and the folders at this level of the tree."""

    registry: Registry
    page: Page[Repository]
    namespaces: tuple[Namespace, ...]
    freshness: Freshness
    progress: Progress | None = None
    """How far the sync is that is under way."""


class TagListing(Record, frozen=True, kw_only=True):
    registry: Registry
    repository: Repository
    page: Page[TagRow]
    freshness: Freshness
    progress: Progress | None = None
    """How far the sync is that is under way."""


async def open_overview(services: Services, actor: Actor) -> Overview:
    """Every registry with its state, the newest pushes and what needs a person."""
    access.require(actor, Permission.REGISTRIES_READ)
    access.require(actor, Permission.IMAGES_READ)
    async with services.database.read() as session:
        found = await registries.list_all(session)
        newest = await repositories.newest(session, NEWEST_SHOWN)
        failing = await repositories.failing(session, NEWEST_SHOWN)
    return Overview(
        registries=tuple(
            RegistryCard(
                registry=registry,
                freshness=registry_freshness(services, registry, services.jobs.running_crawl(registry.name)),
            )
            for registry in found
        ),
        newest=newest,
        warnings=(*_registry_warnings(found), *_repository_warnings(failing)),
        counts=_count(found),
    )


async def open_repositories(
    services: Services, actor: Actor, registry: str, query: RepositoryQuery
) -> RepositoryListing:
    """One page of an image list. Raises `NotFound`, `InvalidInput` on a bad sort or cursor."""
    access.require(actor, Permission.IMAGES_READ)
    _check_query(query.q, query.sort, query.limit, REPOSITORY_SORTS)

    async def look(session: ReadSession) -> tuple[Registry, Page[Repository], tuple[Namespace, ...]]:
        owner = await registry_named(session, registry)
        rows = await repositories.page(session, owner.id, query)
        rows = await pull_figures.beside_repositories(session, owner, rows, services.clock())
        return owner, rows, await repositories.namespaces(session, owner.id, query.namespace)

    found, page, namespaces = await services.database.read_in_one(look)
    first = found.last_synced is None and not is_failing(found)
    job = await services.jobs.sync_registry(found.name) if first else services.jobs.running_crawl(found.name)
    return RepositoryListing(
        registry=found,
        page=page,
        namespaces=namespaces,
        freshness=registry_freshness(services, found, job),
        progress=job.progress if job else None,
    )


async def open_tags(
    services: Services, actor: Actor, registry: str, repository: RepositoryName, query: TagQuery
) -> TagListing:
    """One page of a tag list; asks for a refresh where the picture is due, and does not wait.

    Raises `NotFound`, `InvalidInput` on a bad sort or cursor, and the registry's own
    error where the repository is not in the index and the registry does not answer.
    """
    access.require(actor, Permission.IMAGES_READ)
    _check_query(query.q, query.sort, query.limit, TAG_SORTS)

    async def look(session: ReadSession) -> tuple[Registry, Repository | None, Page[TagRow]]:
        owner = await registry_named(session, registry)
        found = await repositories.find(session, owner.id, repository)
        if found is None:
            return owner, None, Page[TagRow](items=())
        rows = await tags.page(session, found.id, query)
        return owner, *await pull_figures.beside_tags(session, owner, found, rows, services.clock())

    owner, found, page = await services.database.read_in_one(look)
    if found is None:
        found = await discover(services, owner, repository)
    job = await refresh_if_due(services, owner, found)
    return TagListing(
        registry=owner,
        repository=found,
        page=page,
        freshness=repository_freshness(services, owner, found, job),
        progress=job.progress if job else None,
    )


async def search(services: Services, actor: Actor, q: str, limit: int) -> Page[SearchHit]:
    """Repositories, tags, digests and labels that contain `q`; nothing for a blank one."""
    access.require(actor, Permission.IMAGES_READ)
    text = q.strip()
    _check_query(text, "", limit, ("",))
    if not text:
        return Page[SearchHit](items=())
    async with services.database.read() as session:
        return Page[SearchHit](items=await index_search.search(session, text, limit, None))


async def discover(services: Services, registry: Registry, name: RepositoryName) -> Repository:
    """A repository the index has not seen: asked for once and, where it is there, remembered.

    Raises `NotFound` where the registry does not have it either.
    """
    client = await client_of(services, registry.id)
    try:
        async for _ in client.tags(name):
            break
    except Absent as error:
        raise NotFound(f"{registry.name} has no repository {name!r}.", hint="Look for it in the image list.") from error
    async with services.database.write() as session:
        await repositories.ensure(session, registry.id, (name,), services.clock())
        found = await repositories.find(session, registry.id, name)
    if found is None:
        raise NotFound(f"{registry.name} has no repository {name!r}.")
    return found


async def refresh_if_due(services: Services, registry: Registry, repository: Repository) -> Job | None:
    """Asks for a new picture of a repository where it is due, and does not wait for it."""
    if freshness.is_due(repository.last_synced, repository.failing_since, repository.tag_count, services.clock()):
        return await services.jobs.sync_repository(registry.name, repository.name)
    return None


def repository_freshness(services: Services, registry: Registry, repository: Repository, job: Job | None) -> Freshness:
    """How old the picture of a repository is, and since when it could not be refreshed.

    A registry that went away after the last refresh has not failed on this repository yet;
    whoever looks at it should hear of that all the same.
    """
    since, reason = repository.failing_since, repository.sync_error
    if since is None and is_failing(registry) and _is_later(registry.status_since, repository.last_synced):
        since, reason = registry.status_since, registry.status_detail
    return _judge(services, repository.last_synced, since, reason, job)


def _is_later(moment: datetime | None, than: datetime | None) -> bool:
    return moment is not None and (than is None or moment > than)


def registry_freshness(services: Services, registry: Registry, job: Job | None = None) -> Freshness:
    """How old the picture of a registry is, and since when it does not answer."""
    failing = is_failing(registry)
    since = registry.status_since if failing else None
    return _judge(services, registry.last_synced, since, registry.status_detail if failing else None, job)


def is_failing(registry: Registry) -> bool:
    """Whether the last contact with the registry went wrong."""
    return registry.status not in (RegistryStatus.OK, RegistryStatus.UNKNOWN)


def _judge(
    services: Services, last_synced: datetime | None, since: datetime | None, reason: str | None, job: Job | None
) -> Freshness:
    syncing = job is not None and job.state in OPEN_STATES
    interval = services.settings.sync_interval
    found = freshness.judge(last_synced, since, reason, syncing, interval, services.clock())
    return replace(found, job_id=job.id) if syncing and job else found


def _check_query(q: str | None, sort: str, limit: int, sorts: tuple[str, ...]) -> None:
    if sort.removeprefix("-") not in sorts:
        raise InvalidInput(
            f"Cannot sort by {sort[:40]!r}.",
            fields={"sort": f"one of {', '.join(sorts)}; a leading - reverses"},
        )
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be 1 to {MAX_LIMIT}.", fields={"limit": f"1 to {MAX_LIMIT}"})
    if q is not None and len(q) > MAX_QUERY:
        raise InvalidInput(f"At most {MAX_QUERY} characters to look for.", fields={"q": "too long"})


def _registry_warnings(found: tuple[Registry, ...]) -> tuple[OverviewWarning, ...]:
    return tuple(
        OverviewWarning(
            registry=registry.name,
            repository=None,
            reason=registry.status_detail or registry.status.value,
            since=registry.status_since,
        )
        for registry in found
        if is_failing(registry)
    )


def _repository_warnings(failing: tuple[Repository, ...]) -> tuple[OverviewWarning, ...]:
    return tuple(
        OverviewWarning(
            registry=repository.registry,
            repository=repository.name,
            reason=repository.sync_error or "The last refresh failed.",
            since=repository.failing_since,
        )
        for repository in failing
    )


def _count(found: tuple[Registry, ...]) -> OverviewCounts:
    return OverviewCounts(
        registries=len(found),
        unreachable=sum(map(is_failing, found)),
        repositories=_sum(registry.repository_count for registry in found),
        tags=_sum(registry.tag_count for registry in found),
        size=_sum(registry.size for registry in found),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
