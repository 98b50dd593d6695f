"""Deleting many tags at once: planned, then run as one job."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from kubedash.policy.deletion import DeletionChoices
from kubedash.records import BulkJob, BulkPlan, Job, Selection
from kubedash.web.api.bodies import Body
from kubedash.web.api.copies import location
from kubedash.web.api.values import read_repository, read_tag
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import bulk_delete
from kubedash.workflows.bulk_delete import Shown


class NewBulkDeletion(Body, frozen=True, kw_only=True):
    """Which tags to delete; everything that is given must hold."""

    repository: str
    tags: tuple[str, ...] = ()
    """By name. Beside `patterns` either will do."""
    patterns: tuple[str, ...] = ()
    """By `*` and `?`, for the whole name."""
    older_than_days: int | None = None
    not_pulled_days: int | None = None
    keep_newest: int | None = None
    """The so many that were made last are left out."""
    everything: bool = False
    """The whole repository, with the tags of machines."""
    take_orphans: bool = False
    """Delete signatures, SBOMs and entries of an index too, where nothing else needs them."""
    expected: str | None = None
    """The plan's `expected`: stands for exactly what was shown."""


@post("/registries/{registry:str}/bulk-deletions", summary="Delete many tags", status_code=202)
async def delete_tags(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    data: JSONBody[NewBulkDeletion],
    dry_run: Annotated[bool, QueryParameter(description="Answer the plan and do nothing.")] = False,
) -> Response[Job | BulkPlan]:
    """Deletes the tags of a repository that the rules choose, one after the other, in a job that can be paused.

    With `dry_run` answers the plan (200). Otherwise its `expected` is needed; where the
    choice means anything else by now, nothing is done (409). Needs a maintainer, and DELETE_IMAGES.
    """
    repository, selection = read_repository(data.repository), _selection(data)
    if dry_run:
        choices = DeletionChoices(take_orphans=data.take_orphans)
        planned = await bulk_delete.plan(services, actor, registry, repository, selection, choices)
        return Response(planned, status_code=200)
    shown = Shown(expected=data.expected, take_orphans=data.take_orphans)
    job = await bulk_delete.execute(services, actor, registry, repository, selection, shown)
    return Response(job, status_code=202, headers=location(services, job))


@get("/bulk-deletions/{job_id:str}", summary="Show a bulk deletion")
async def show_bulk(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> BulkJob:
    """A bulk deletion under way or done: how many tags ended how, and what was not deleted and why."""
    return await bulk_delete.open_bulk(services, actor, job_id)


def _selection(data: NewBulkDeletion) -> Selection:
    return Selection(
        tags=tuple(read_tag(tag, "tags") for tag in data.tags),
        patterns=data.patterns,
        older_than_days=data.older_than_days,
        not_pulled_days=data.not_pulled_days,
        keep_newest=data.keep_newest,
        everything=data.everything,
    )
