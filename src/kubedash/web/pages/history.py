"""What a tag led to, since when, how that was seen and who did it; also for a tag that is deleted."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import NotFound
from kubedash.oci.reference import Reference, RepositoryName
from kubedash.policy.access import Actor
from kubedash.records import DeletedTag, Freshness, Repository, TagHistory, TagHistoryEntry
from kubedash.web.pages.image_views import Header, header_of
from kubedash.web.pages.words import kind_label, live_topics
from kubedash.web.rendering import HtmlRequest, page
from kubedash.workflows import inspect, registries, tag_history
from kubedash.workflows.services import Services

SEEN_BY: Final = {
    "crawl": "seen by a crawl",
    "page": "seen when a page was opened",
    "event": "reported by the registry",
    "us": "done here",
}
"""How a change was seen; who did it stands beside it where that is known."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the tag led to one digest."""

    entry: TagHistoryEntry
    """As it is recorded."""
    kind: str
    """What people call its kind; empty where that is not known."""
    began: str
    """How its beginning was seen."""
    ended: str
    """How its end was seen; empty where it has not ended."""
    current: bool
    """It leads there now."""
    before: str | None
    """The digest of the stretch before it, to compare with."""


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header | None
    """What stands above every tab of an image; None for a tag that is deleted."""
    history: TagHistory
    """What the tag led to, newest first."""
    stretches: tuple[Stretch, ...]
    """The same in words."""
    topics: str
    """What to listen to."""


class DeletedView(msgspec.Struct, frozen=True, kw_only=True):
    registry: str
    """Where the repository is."""
    repository: Repository
    """Whose tags these were."""
    lines: tuple[tuple[DeletedTag, str, str], ...]
    """Each tag, what people call its kind, and how its end was seen."""
    freshness: Freshness
    """How old the picture is."""
    topics: str
    """What to listen to."""


async def show_deleted(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[str]:
    """`{repository}/-/deleted`: tags that are not there any more, each with the way back."""
    found = await tag_history.open_deleted_tags(services, actor, registry, repository)
    owner = await registries.show_registry(services, actor, registry)
    view = DeletedView(
        registry=found.registry,
        repository=found.repository,
        lines=tuple((tag, kind_label(tag.last.kind) or "", _seen(tag.last.ended_by)) for tag in found.tags),
        freshness=found.freshness,
        topics=live_topics(owner, repository, found.freshness.job_id),
    )
    return page(request, "changes/deleted_tags.html", view, section="registries")


async def show_history(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`…:{tag}/-/history`: newest first, each with the way back to it."""
    if reference.tag is None:
        raise NotFound("A digest never leads to anything else: only tags have a history.")
    history = await tag_history.open_tag_history(services, actor, registry, reference.repository, reference.tag)
    owner = await registries.show_registry(services, actor, registry)
    header = None
    if history.digest is not None:
        image = await inspect.open_image(services, actor, registry, reference)
        header = header_of(image, owner, "history", by_digest=request.query_params.get("pull") == "digest")
    view = HistoryView(
        header=header,
        history=history,
        stretches=stretches_of(history),
        topics=live_topics(owner, reference.repository, history.freshness.job_id),
    )
    return page(request, "changes/history.html" if header else "changes/history_gone.html", view, section="registries")


def stretches_of(history: TagHistory) -> tuple[Stretch, ...]:
    """The lines of the page. Pure."""
    older = [entry.digest for entry in history.entries[1:]]
    return tuple(
        Stretch(
            entry=entry,
            kind=kind_label(entry.kind) or "",
            began=_seen(entry.seen_by),
            ended=_seen(entry.ended_by) if entry.until else "",
            current=entry.until is None and entry.digest == history.digest,
            before=older[place] if place < len(older) else None,
        )
        for place, entry in enumerate(history.entries)
    )


def _seen(how: str | None) -> str:
    return SEEN_BY.get(how or "", how or "")
