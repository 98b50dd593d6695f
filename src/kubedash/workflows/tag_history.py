"""What a tag pointed to, since when, how that was seen, and who did it where that is known."""

from __future__ import annotations

from kubedash.errors import NotFound
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import DeletedTag, Freshness, Record, Repository, TagHistory
from kubedash.storage import tag_history, tags
from kubedash.workflows.browse import refresh_if_due, repository_freshness
from kubedash.workflows.lookup import registry_named, repository_named
from kubedash.workflows.services import Services


class DeletedTags(Record, frozen=True, kw_only=True):
    """The tags of a repository that are not there any more."""

    registry: str
    repository: Repository
    tags: tuple[DeletedTag, ...]
    """Gone last first."""
    freshness: Freshness


async def open_deleted_tags(services: Services, actor: Actor, registry: str, repository: RepositoryName) -> DeletedTags:
    """What a crawl, an event or somebody here saw go. Raises `NotFound`."""
    access.require(actor, Permission.IMAGES_READ)
    async with services.database.read() as session:
        owner = await registry_named(session, registry)
        found = await repository_named(session, owner, repository)
        gone = await tag_history.deleted(session, found.id)
    job = await refresh_if_due(services, owner, found)
    freshness = repository_freshness(services, owner, found, job)
    return DeletedTags(registry=owner.name, repository=found, tags=gone, freshness=freshness)


async def open_tag_history(
    services: Services, actor: Actor, registry: str, repository: RepositoryName, tag: Tag
) -> TagHistory:
    """Newest first; a deleted tag has one too. Raises `NotFound` for a tag that was never seen."""
    access.require(actor, Permission.IMAGES_READ)
    async with services.database.read() as session:
        owner = await registry_named(session, registry)
        found = await repository_named(session, owner, repository)
        entries = await tag_history.of_tag(session, found.id, tag)
        row = await tags.find(session, found.id, tag)
    if not entries and row is None:
        raise NotFound(f"{owner.name}/{found.name} has never been seen with a tag {tag}.")
    job = await refresh_if_due(services, owner, found)
    return TagHistory(
        registry=owner.name,
        repository=found.name,
        tag=tag,
        digest=row.digest if row else None,
        entries=entries,
        freshness=repository_freshness(services, owner, found, job),
    )
