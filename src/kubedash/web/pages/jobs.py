"""Durable work that people asked for: how far it is, each piece of it, pausing and stopping it."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from kubedash.errors import InvalidInput
from kubedash.policy.access import allows
from kubedash.records import BulkJob, ItemState, Job, JobItem, JobState, Page
from kubedash.records.copies import CopyJob
from kubedash.web.addresses import Urls
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import bulk_delete, copy, sync, work

SECTION: Final = "registries"
MAX_FOLLOWED: Final = 8
PIECES: Final = 100
"""Pieces of one page: while the job is at work it is drawn again and again."""
"""A page listens to so many jobs at most."""
KINDS: Final = {
    work.COPY: ("Copy to", "copied"),
    work.DELETE_TAGS: ("Deletion of tags of", "deleted"),
    "sync_registry": ("Crawl of", "read"),
    "sync_repository": ("Crawl of", "read"),
}
"""Kind of a job → what it is called before its place, and what has been done to what is counted."""
STATES: Final = {
    JobState.QUEUED: ("waiting for its turn", "plain"),
    JobState.RUNNING: ("at work", "accent"),
    JobState.PAUSED: ("paused", "warn"),
    JobState.DONE: ("done", "good"),
    JobState.FAILED: ("failed", "bad"),
    JobState.CANCELLED: ("cancelled", "warn"),
}
ITEM_STATES: Final = {
    ItemState.WAITING: ("waiting", "plain"),
    ItemState.DOING: ("at work", "accent"),
    ItemState.DONE: ("done", "good"),
    ItemState.SKIPPED: ("nothing to do", "plain"),
    ItemState.FAILED: ("failed", "bad"),
}


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """A job in words."""

    job: Job
    """As it stands."""
    title: str
    """What is done, and where."""
    href: str
    """Its own page."""
    place: str | None
    """Where the result is to be seen."""
    state: str
    """How it stands, in words."""
    tone: str
    """`plain`, `accent`, `good`, `warn` or `bad`; the words stand beside it."""
    verb: str
    """What has been done to what is counted: `copied`."""


class JobsView(msgspec.Struct, frozen=True, kw_only=True):
    lines: tuple[JobLine, ...]
    """Newest first."""
    topics: str
    """What to listen to."""


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    line: JobLine
    """The job in words."""
    items: Page[JobItem]
    """Its pieces, in their order."""
    item_states: dict[str, tuple[str, str]]
    """State of a piece → words and tone."""
    asked: str
    """The state whose pieces are listed; empty for all."""
    copy: CopyJob | None
    """Where from and where to, of a copy."""
    bulk: BulkJob | None
    """How many tags ended how, of a deletion of many."""
    may_change: bool
    """Whether to offer pausing, going on and stopping."""
    topics: str
    """What to listen to."""


@get("/jobs", name="jobs")
async def list_jobs(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """`/jobs`: the newest work that people asked for."""
    found = await work.list_jobs(services, actor)
    lines = tuple(line_of(job, urls_of(request)) for job in found)
    running = [job.id for job in found if not job.state.has_ended][:MAX_FOLLOWED]
    view = JobsView(lines=lines, topics=" ".join(f"job:{job_id}" for job_id in running))
    return page(request, "jobs/list.html", view, section=SECTION)


@get("/jobs/{job_id:str}", name="job")
async def show_job(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, job_id: FromPath[str]
) -> Response[str]:
    """`/jobs/{id}`: how far it is and each piece; `?state=failed` for some of them."""
    asked = request.query_params.get("state", "")
    job = await sync.job(services, actor, job_id)
    items = Page[JobItem](items=())
    if job.can_pause:
        after = _position(request.query_params.get("cursor"))
        items = await work.list_items(services, actor, job_id, _state(asked), after, PIECES)
    view = JobView(
        line=line_of(job, urls_of(request)),
        items=items,
        item_states={str(state): words for state, words in ITEM_STATES.items()},
        asked=asked,
        copy=await copy.open_copy(services, actor, job_id) if job.kind == work.COPY else None,
        bulk=await bulk_delete.open_bulk(services, actor, job_id) if job.kind == work.DELETE_TAGS else None,
        may_change=not job.state.has_ended and allows(actor, work.permission_for(job.kind)),
        topics=f"job:{job.id}",
    )
    return page(request, "jobs/page.html", view, section=SECTION)


@post("/jobs/{job_id:str}/pause", status_code=303)
async def pause_job(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, job_id: FromPath[str]
) -> Response[None]:
    """Stops after the piece under way; what is done stays."""
    await work.pause(services, actor, job_id)
    return redirect(request, _place(request, job_id), notice="It pauses after the piece under way.")


@post("/jobs/{job_id:str}/resumption", status_code=303)
async def resume_job(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, job_id: FromPath[str]
) -> Response[None]:
    """Goes on where it was paused."""
    await work.resume(services, actor, job_id)
    return redirect(request, _place(request, job_id), notice="It goes on.")


@post("/jobs/{job_id:str}/cancellation", status_code=303)
async def cancel_job(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, job_id: FromPath[str]
) -> Response[None]:
    """Stops for good; what is done stays done."""
    await sync.cancel(services, actor, job_id)
    return redirect(request, _place(request, job_id), notice="It stops; what is done stays done.")


def line_of(job: Job, urls: Urls) -> JobLine:
    """A job in words. Pure."""
    title, verb = KINDS.get(job.kind, (job.kind, "done"))
    state, tone = STATES[job.state]
    where = f"{job.registry or ''}{'/' + job.repository if job.repository else ''}"
    return JobLine(
        job=job,
        title=f"{title} {where}".strip(),
        href=urls.path(f"/jobs/{job.id}"),
        place=_seen_at(job, urls),
        state=state,
        tone=tone,
        verb=verb,
    )


def _seen_at(job: Job, urls: Urls) -> str | None:
    if job.registry is None:
        return None
    return urls.repository(job.registry, job.repository) if job.repository else urls.registry(job.registry)


def _place(request: HtmlRequest, job_id: str) -> str:
    return urls_of(request).path(f"/jobs/{job_id}")


def _state(asked: str) -> ItemState | None:
    """Raises `InvalidInput`."""
    try:
        return ItemState(asked) if asked else None
    except ValueError as error:
        raise InvalidInput(f"No piece can be {asked[:40]!r}.", fields={"state": "is unknown"}) from error


def _position(cursor: str | None) -> int:
    """Raises `InvalidInput`."""
    if not cursor:
        return -1
    if not cursor.isdecimal() or len(cursor) > 15:
        raise InvalidInput("This page's address cannot be read.", fields={"cursor": "is not one of ours"})
    return int(cursor)
