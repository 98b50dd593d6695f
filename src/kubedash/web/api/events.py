"""Registry events: the timeline, its figures, and the secret that registries send."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from msgspec.structs import replace

from kubedash.records import CreatedEventSecret, Event, EventFilter, EventQuery, EventStats, Page, Webhook
from kubedash.web.api.lists import MAX_TEXT, Cursor, Limit, Moment, Sort
from kubedash.web.api.values import read_moment
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import event_secrets, events

MAX_ACTIONS: Final = 10
Text = Annotated[str | None, QueryParameter(max_length=MAX_TEXT)]


async def provide_image(
    registry: Annotated[
        str | None, QueryParameter(max_length=63, description="A registry's name; `-`: events of none we know.")
    ] = None,
    repository: Text = None,
    tag: Text = None,
    digest: Text = None,
) -> EventFilter:
    """Of which image."""
    return EventFilter(registry=registry, repository=repository, tag=tag, digest=digest)


async def provide_deed(
    action: Annotated[
        list[str] | None,
        QueryParameter(max_items=MAX_ACTIONS, description="push, pull, delete, mount, …; may come again."),
    ] = None,
    by: Annotated[str | None, QueryParameter(name="actor", max_length=MAX_TEXT)] = None,
    address: Text = None,
    since: Moment = None,
    until: Moment = None,
    quiet: Annotated[bool, QueryParameter(description="Without what KubeDash itself only read.")] = False,
) -> EventFilter:
    """Who did what and when. Raises `InvalidInput` for times that are none."""
    return EventFilter(
        actions=tuple(action or ()),
        actor=by,
        address=address,
        since=read_moment("since", since),
        until=read_moment("until", until),
        quiet=quiet,
    )


async def provide_filter(image: NamedDependency[EventFilter], deed: NamedDependency[EventFilter]) -> EventFilter:
    """What the query parameters let through."""
    return replace(deed, registry=image.registry, repository=image.repository, tag=image.tag, digest=image.digest)


GivenFilter = NamedDependency[EventFilter]
FILTER: Final = {
    "image": Provide(provide_image),
    "deed": Provide(provide_deed),
    "where": Provide(provide_filter),
}


@get("/events", summary="List events", dependencies=FILTER)
async def list_events(
    services: GivenServices,
    actor: GivenActor,
    where: GivenFilter,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Event]:
    """The timeline, newest first. Sorts: at. A page may be short, or empty, and still have a `next`."""
    return await events.open_events(
        services, actor, EventQuery(where=where, sort=sort or "-at", limit=limit, cursor=cursor)
    )


@get("/events/stats", summary="Figures of events", dependencies=FILTER)
async def show_stats(services: GivenServices, actor: GivenActor, where: GivenFilter) -> EventStats:
    """Sums, a series, top lists and hours of the day; of the last 30 days where no time is named."""
    return await events.event_stats(services, actor, where)


@get("/registries/{registry:str}/webhook", summary="Show the webhook of a registry")
async def show_webhook(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> Webhook:
    """Where it posts its events, and when it last did. Needs an administrator."""
    return await event_secrets.show_webhook(services, actor, registry)


@post("/registries/{registry:str}/webhook/secret", summary="Make a webhook secret")
async def make_secret(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> CreatedEventSecret:
    """Answers it once; the one before stops working, and events need it from now on. Needs an administrator."""
    return await event_secrets.make_secret(services, actor, registry)


@delete("/registries/{registry:str}/webhook/secret", summary="Remove a webhook secret")
async def remove_secret(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> None:
    """Events are then taken without it, and marked so. Needs an administrator."""
    await event_secrets.remove_secret(services, actor, registry)
