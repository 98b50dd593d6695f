"""Durable work that people ask for: an order to begin with, and what may be done with it later."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from kubedash.errors import Conflict, NotFound
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import ItemState, Job, JobItem, JobState, Page, Progress
from kubedash.storage import jobs
from kubedash.storage.jobs import Order
from kubedash.workflows.services import Services

COPY: Final = "copy"
DELETE_TAGS: Final = "delete_tags"
MAX_LISTED: Final = 100
_NEEDED: Final = {COPY: Permission.TAGS_WRITE, DELETE_TAGS: Permission.TAGS_DELETE}
"""Who may begin a kind of work may stop it too."""

Report = Callable[[Progress], Awaitable[None]]


def new_order(who: Actor, kind: str, key: str, place: tuple[str, str | None], spec: dict[str, Any]) -> Order:
    """An order that nobody has heard of yet; `place` is a registry and a repository of it."""
    registry, repository = place
    return Order(
        id=uuid.uuid4().hex, kind=kind, key=key, registry=registry, repository=repository, actor=who, spec=spec
    )


def text_subclass(kind: type, value: Any) -> Any:
    """For `msgspec.convert`: digests, tags and names were written down as text."""
    return kind(value)


def plain(record: Any) -> dict[str, Any]:
    """A record as it can be written down."""
    found: dict[str, Any] = msgspec.to_builtins(record, str_keys=True, enc_hook=str)
    return found


def permission_for(kind: str) -> Permission:
    """What somebody needs to stop a job of that kind, or to let it go on."""
    return _NEEDED.get(kind, Permission.IMAGES_SYNC)


async def list_jobs(services: Services, actor: Actor, registry: str | None = None) -> tuple[Job, ...]:
    """The newest work that people asked for; crawls are not among it."""
    access.require(actor, Permission.JOBS_READ)
    async with services.database.read() as session:
        return await jobs.newest(session, registry, MAX_LISTED)


async def list_items(
    services: Services,
    actor: Actor,
    job_id: str,
    state: ItemState | None = None,
    after: int = -1,
    limit: int = jobs.MAX_ITEMS,
) -> Page[JobItem]:
    """The pieces of a job behind a position, at most `limit`. Raises `NotFound`."""
    access.require(actor, Permission.JOBS_READ)
    async with services.database.read() as session:
        if await jobs.find(session, job_id) is None:
            raise _unknown(job_id)
        found = await jobs.items(session, job_id, state, after=after, limit=limit)
        tally = await jobs.tally(session, job_id)
    total = sum(number for kind, (number, _) in tally.items() if state in (None, kind))
    more = str(found[-1].position) if len(found) == limit else None
    return Page(items=found, next=more, total=total)


async def pause(services: Services, actor: Actor, job_id: str) -> Job:
    """Stop after the piece under way; it may go on later. Raises `NotFound`, `Conflict` where it is not at work."""
    access.require(actor, Permission.JOBS_READ)
    found = await _changeable(services, actor, job_id)
    if found.state not in (JobState.QUEUED, JobState.RUNNING):
        raise Conflict(f"The job is not at work: it is {found.state}.")
    await services.jobs.pause(job_id)
    return await _changeable(services, actor, job_id)


async def resume(services: Services, actor: Actor, job_id: str) -> Job:
    """Go on with a paused job. Raises `NotFound`, `Conflict` where it is not paused."""
    access.require(actor, Permission.JOBS_READ)
    found = await _changeable(services, actor, job_id)
    if found.state is not JobState.PAUSED:
        raise Conflict(f"The job is not paused: it is {found.state}.")
    await services.jobs.resume(job_id)
    return await _changeable(services, actor, job_id)


async def _changeable(services: Services, actor: Actor, job_id: str) -> Job:
    found = await services.jobs.find(job_id) if job_id.isprintable() else None
    if found is None:
        raise _unknown(job_id)
    access.require(actor, permission_for(found.kind))
    if not found.can_pause:
        raise Conflict("A crawl cannot be paused.", hint="Cancel it, and ask for a sync when you want one.")
    return found


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"No job has the id {job_id[:80]!r}.", hint="Ended jobs are forgotten after some weeks.")
