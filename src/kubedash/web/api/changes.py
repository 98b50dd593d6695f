"""Changes of a registry: point, delete and restore tags. `dry_run=true` answers the plan and does nothing."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec.structs import replace

from kubedash.oci.reference import Reference
from kubedash.policy.deletion import DeletionChoices
from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import ChangeOutcome, DeletedTag, DeletionPlan, Page, RetagPlan, TagHistoryEntry
from kubedash.web.api.bodies import NewTag, RestoredTag
from kubedash.web.api.inventory import RepositoryParameter
from kubedash.web.api.lists import Cursor, Limit, Q, Sort
from kubedash.web.api.values import read_digest, read_expected, read_reference, read_repository, read_tag
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import delete_tag as deletion
from kubedash.workflows import restore, retag, tag_history
from kubedash.workflows.outcomes import require_done

TagParameter = Annotated[str, QueryParameter(description="The tag.")]
DigestParameter = Annotated[str, QueryParameter(description="The manifest's digest.")]
DryRun = Annotated[bool, QueryParameter(description="Answer the plan and do nothing.")]
Expected = Annotated[
    str | None,
    QueryParameter(description="The digest that the plan showed: where the tag has moved since, nothing is done."),
]
Orphans = Annotated[
    bool, QueryParameter(description="Also delete signatures, SBOMs and entries of an index that nothing else needs.")
]
TagOnly = Annotated[bool, QueryParameter(description="Never delete the manifest, even where no other tag leads to it.")]
CREATED: Final = 201
CHANGED: Final = 200
_DELETED_KEYS: Final[Keys[DeletedTag]] = {"name": lambda tag: tag.name}
_KEYS: Final[Keys[TagHistoryEntry]] = {"since": lambda entry: entry.since}


@post("/registries/{registry:str}/tags", summary="Add or move a tag")
async def point_tag(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    data: JSONBody[NewTag],
    dry_run: DryRun = False,
) -> Response[ChangeOutcome | RetagPlan]:
    """Points a tag at what another tag or a digest leads to: the same bytes, the same digest. Needs a maintainer.

    Answers 201 for a new tag and 200 for one that was there. A protected tag is not moved.
    """
    tag, expected = read_tag(data.tag), read_expected(data.expected)
    source = read_reference(data.repository, data.source)
    if dry_run:
        return Response(await retag.plan(services, actor, registry, source, tag), status_code=CHANGED)
    return _answer(await retag.execute(services, actor, registry, source, tag, expected))


@post("/registries/{registry:str}/tags/restore", summary="Restore a tag")
async def restore_tag(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    data: JSONBody[RestoredTag],
    dry_run: DryRun = False,
) -> Response[ChangeOutcome | RetagPlan]:
    """Gives a deleted tag back, or rolls one back to a digest that it pointed to once. Needs a maintainer.

    Answers 201 where the tag was gone and 200 where it was there.
    """
    reference = Reference(read_repository(data.repository), tag=read_tag(data.tag))
    digest = None if data.digest is None else read_digest(data.digest)
    expected = read_expected(data.expected)
    if dry_run:
        return Response(await restore.plan(services, actor, registry, reference, digest), status_code=CHANGED)
    return _answer(await restore.restore_tag(services, actor, registry, reference, digest, expected))


@delete("/registries/{registry:str}/tags", summary="Delete a tag", status_code=CHANGED)
async def delete_tag(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    tag: TagParameter,
    expected: Expected = None,
    dry_run: DryRun = False,
    take_orphans: Orphans = False,
    tag_only: TagOnly = False,
) -> ChangeOutcome | DeletionPlan:
    """Deletes one tag; other tags of its digest stay. Needs a maintainer, and DELETE_IMAGES."""
    reference = Reference(read_repository(repository), tag=read_tag(tag))
    choices = DeletionChoices(take_orphans=take_orphans, tag_only=tag_only)
    shown = None if expected is None else read_digest(expected, "expected")
    if dry_run:
        return await deletion.plan(services, actor, registry, reference, choices)
    return require_done(await deletion.execute(services, actor, registry, reference, shown, choices))


@delete("/registries/{registry:str}/manifests", summary="Delete a manifest", status_code=CHANGED)
async def delete_manifest(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    digest: DigestParameter,
    dry_run: DryRun = False,
    take_orphans: Orphans = False,
) -> ChangeOutcome | DeletionPlan:
    """Deletes a manifest with all its tags; refused while an index needs it. Needs a maintainer, and DELETE_IMAGES."""
    reference = Reference(read_repository(repository), digest=read_digest(digest))
    choices = DeletionChoices(take_orphans=take_orphans)
    if dry_run:
        return await deletion.plan(services, actor, registry, reference, choices)
    return require_done(await deletion.execute(services, actor, registry, reference, None, choices))


@get("/registries/{registry:str}/tags/history", summary="Show a tag's history")
async def list_history(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    tag: TagParameter,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TagHistoryEntry]:
    """What a tag pointed to, newest first: since when, seen how, and who did it where that is known. Sorts: since."""
    found = await tag_history.open_tag_history(services, actor, registry, read_repository(repository), read_tag(tag))
    query = ListQuery(q=q, sort=sort, limit=limit, cursor=cursor)
    page = page_of(found.entries, query, _KEYS, lambda entry: f"{entry.digest} {entry.actor or ''}")
    return replace(page, as_of=found.freshness.as_of)


@get("/registries/{registry:str}/tags/deleted", summary="List deleted tags")
async def list_deleted(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: RepositoryParameter,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DeletedTag]:
    """Tags that were there and are not any more, gone last first; those of machines are left out. Sorts: name."""
    found = await tag_history.open_deleted_tags(services, actor, registry, read_repository(repository))
    query = ListQuery(q=q, sort=sort, limit=limit, cursor=cursor)
    page = page_of(found.tags, query, _DELETED_KEYS, lambda tag: tag.name)
    return replace(page, as_of=found.freshness.as_of)


def _answer(outcome: ChangeOutcome) -> Response[ChangeOutcome | RetagPlan]:
    """Raises `NotDone` where the registry did not do it."""
    require_done(outcome)
    return Response(outcome, status_code=CREATED if outcome.old_digest is None else CHANGED)
