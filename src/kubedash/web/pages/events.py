"""Event pages: the timeline of everything, a registry, a repository or an image, and its charts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.oci.reference import Reference, RepositoryName
from kubedash.policy.access import Actor, Permission, allows
from kubedash.policy.notification_block import block_to_complete, notification_block
from kubedash.records import Event, EventFilter, EventQuery, EventStats, Page, TopEntry
from kubedash.web.addresses import query_string
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages import event_charts
from kubedash.web.pages.event_address import webhook_address
from kubedash.web.pages.event_charts import Chart, Ranked
from kubedash.web.pages.event_filters import FIELDS, RANGES, Chosen, Filters, filters_of
from kubedash.web.pages.event_lines import DayView, Lines
from kubedash.web.pages.event_words import ACTIONS
from kubedash.web.pages.image_views import Header, header_of
from kubedash.web.rendering import HtmlRequest, here_of, page, urls_of
from kubedash.workflows import event_secrets, events, follow_events, inspect, registries
from kubedash.workflows.services import Services

SECTION: Final = "events"
PAGE_SIZE: Final = 100
MORE_LOOKS: Final = 3
"""How often a page that is nearly empty is filled up."""
DEFAULT_RANGE: Final = "7d"
"""Of the charts, where none is chosen."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a timeline is of."""

    registry: str | None = None
    """None: all of them."""
    repository: RepositoryName | None = None
    """None: all of the registry's."""
    header: Header | None = None
    """Of an image, whose tab the timeline is."""
    timeline: str
    """Its address."""
    charts: str
    """That of its charts; empty where there are none."""
    known: bool = True
    """The index knows the repository; events may come before it does."""


class EventsView(msgspec.Struct, frozen=True, kw_only=True):
    place: Place
    """What it is a timeline of."""
    header: Header | None
    """Of an image: what stands above every tab."""
    filters: Filters
    """What was asked for; it is all in the address."""
    chosen: tuple[Chosen, ...]
    """Filters that are set, each with the way out of it."""
    fields: tuple[tuple[str, str, str], ...]
    """What the filter's form asks for: name, label and value."""
    filtered: bool
    """A filter is set, so that an empty timeline may just be no match."""
    told: str
    """Of an empty timeline: `own` where only KubeDash's own reading was told, `elsewhere` where the registry told
    of something else; empty where it told nothing at all."""
    kept: str
    """The query that timeline and charts pass on to each other."""
    page: Page[Event]
    """One page of events; its cursors."""
    days: tuple[DayView, ...]
    """The same as lines, by day."""
    actions: tuple[tuple[str, str], ...]
    """What the switch of actions offers."""
    ranges: tuple[tuple[str, str], ...]
    """What the switch of time offers."""
    stream: str
    """Where scripts hear of newer events; empty on older pages."""
    exports: tuple[tuple[str, str], ...]
    """Files of what the filter shows: their kind and address."""
    unauthenticated: int
    """How many events of this page came without a secret."""
    block: str
    """What a registry's configuration needs to send events here; shown where there are none."""
    settings: str
    """Where a registry's secret is made; empty for those who may not."""


class ChartsView(msgspec.Struct, frozen=True, kw_only=True):
    place: Place
    """What the charts are of."""
    filters: Filters
    """What was asked for; it is all in the address."""
    chosen: tuple[Chosen, ...]
    """Filters that are set, each with the way out of it."""
    kept: str
    """The query that timeline and charts pass on to each other."""
    ranges: tuple[tuple[str, str], ...]
    """What the switch of time offers."""
    stats: EventStats
    """The figures."""
    series: Chart
    """What happened over time."""
    hours: Chart
    """By hour of the day."""
    step: str
    """What one bar of the series stands for."""
    repositories: tuple[Ranked, ...]
    """Those with most events."""
    actors: tuple[Ranked, ...]
    """Those who did most."""
    left_out: str
    """What the figures do not count, and what a pull is in them."""
    counted: int
    """What they count."""
    columns: tuple[tuple[str, str], ...]
    """Of the series' table: slug and name."""


@get("/events", name="events")
async def show_all_events(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """`/events`: what happened in every registry."""
    return await _timeline(request, services, actor, _everywhere(request))


@get("/events/charts", name="event-charts")
async def show_all_charts(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """`/events/charts`: the same in figures."""
    return await _charts(request, services, actor, _everywhere(request))


@get("/r/{registry:str}/-/events", name="registry-events")
async def show_registry_events(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """`/r/{registry}/-/events`: what happened in one registry."""
    return await _timeline(request, services, actor, await _in_registry(request, services, actor, registry))


@get("/r/{registry:str}/-/events/charts", name="registry-event-charts")
async def show_registry_charts(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """`/r/{registry}/-/events/charts`: the same in figures."""
    return await _charts(request, services, actor, await _in_registry(request, services, actor, registry))


async def show_repository_events(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[str]:
    """`/r/{registry}/{repository}/-/events`: what happened to one repository, whether the index knows it or not."""
    return await _timeline(request, services, actor, await _in_registry(request, services, actor, registry, repository))


async def show_repository_charts(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[str]:
    """`/r/{registry}/{repository}/-/events/charts`: the same in figures."""
    return await _charts(request, services, actor, await _in_registry(request, services, actor, registry, repository))


async def show_image_events(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…:{tag}/-/events`: what happened to a tag; `?digest=` of its digest instead, by whatever name."""
    image = await inspect.open_image(services, actor, registry, reference)
    owner = await registries.show_registry(services, actor, registry)
    header = header_of(image, owner, "events")
    urls = urls_of(request)
    place = Place(
        registry=registry,
        repository=reference.repository,
        header=header,
        timeline=urls.image(registry, reference.repository, reference.identifier, "events"),
        charts="",
    )
    return await _timeline(request, services, actor, place)


def _everywhere(request: HtmlRequest) -> Place:
    urls = urls_of(request)
    return Place(timeline=urls.path("/events"), charts=urls.path("/events/charts"))


async def _in_registry(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName | None = None
) -> Place:
    """Raises `NotFound` for a registry that is not there."""
    await registries.show_registry(services, actor, registry)
    urls = urls_of(request)
    views = ("events", "events/charts")
    if repository is None:
        timeline, charts = (urls.registry(registry, view) for view in views)
    else:
        timeline, charts = (urls.repository(registry, repository, view) for view in views)
    return Place(registry=registry, repository=repository, timeline=timeline, charts=charts)


async def _timeline(request: HtmlRequest, services: Services, actor: Actor, place: Place) -> Response[str]:
    asked = request.query_params
    filters = _within(place, filters_of(asked))
    where = filters.to_query(datetime.now(UTC), place.registry, place.repository)
    cursor = asked.get("cursor") or None
    # Asked before the page is read: what arrives in between is sent again rather than lost.
    newest = await follow_events.newest_event(services, actor)
    found = await _filled_page(services, actor, EventQuery(where=where, limit=PAGE_SIZE, cursor=cursor))
    here = here_of(request)
    removed = await _removed(services, actor, {event.registry for event in found.items})
    lines = Lines(urls_of(request), here, across=place.registry is None, opened=asked.get("open"), removed=removed)
    follows = cursor is None and not where.until
    view = EventsView(
        place=place,
        header=place.header,
        filters=filters,
        chosen=() if place.header else filters.chosen(here, dict(ACTIONS)),
        fields=_fields(place, filters),
        filtered=place.header is None and filters != Filters(),
        told="" if found.items else await _told(services, actor, place),
        kept=filters.as_query(),
        page=found,
        days=lines.days(found.items),
        actions=ACTIONS,
        ranges=RANGES,
        stream=_stream_address(request, where, newest) if follows else "",
        exports=_exports(request, where),
        unauthenticated=sum(not event.authenticated for event in found.items),
        block="" if found.items else await _block(request, services, actor, place),
        settings=_settings_address(request, actor, place),
    )
    template = "images/events.html" if place.header else "events/page.html"
    return page(request, template, view, section="registries" if place.header else SECTION)


async def _filled_page(services: Services, actor: Actor, query: EventQuery) -> Page[Event]:
    """Several filters at once are looked for piece by piece: a page that stays nearly empty gets some more of them."""
    found = await events.open_events(services, actor, query)
    for _ in range(MORE_LOOKS):
        if found.next is None or len(found.items) >= query.limit // 2:
            break
        more = await events.open_events(services, actor, replace(query, cursor=found.next))
        found = replace(found, items=found.items + more.items, next=more.next)
    return found


async def _block(request: HtmlRequest, services: Services, actor: Actor, place: Place) -> str:
    """What a registry's configuration needs; whether it has a secret is for those who may make one."""
    address = webhook_address(request, place.registry)
    if place.registry is None or not allows(actor, Permission.REGISTRIES_MANAGE):
        return notification_block(address, None)
    return block_to_complete(address, await event_secrets.show_webhook(services, actor, place.registry))


async def _removed(services: Services, actor: Actor, named: Iterable[str | None]) -> set[str]:
    """Of these registries those that are not there any more; what they told is kept."""
    there = {registry.name for registry in await registries.list_registries(services, actor)}
    return {name for name in named if name is not None} - there


async def _told(services: Services, actor: Actor, place: Place) -> str:
    """What was told where a timeline is empty."""
    own = EventFilter(registry=place.registry, repository=place.repository)
    for word, where in (("own", own), ("elsewhere", EventFilter(registry=place.registry))):
        if (await events.open_events(services, actor, EventQuery(where=where, limit=1))).items:
            return word
    return ""


def _fields(place: Place, filters: Filters) -> tuple[tuple[str, str, str], ...]:
    """Those that the page's own address does not answer."""
    known = {"registry": place.registry, "repository": place.repository, "tag": place.header, "digest": place.header}
    return tuple((name, label, getattr(filters, name)) for name, label in FIELDS if not known.get(name))


def _within(place: Place, filters: Filters) -> Filters:
    """On an image's tab what is filtered by is the image itself: its tag, or its digest where that is asked for."""
    if place.header is None:
        return filters
    image = place.header.image
    by_digest = bool(filters.digest) or ":" in image.name
    return replace(filters, tag="" if by_digest else image.name, digest=image.digest if by_digest else "")


def _stream_address(request: HtmlRequest, where: EventFilter, newest: int) -> str:
    """Everything the filter says but times that have gone by: new events are newer."""
    return urls_of(request).path("/-/events") + query_string({**_as_query(where), "after": newest})


def _exports(request: HtmlRequest, where: EventFilter) -> tuple[tuple[str, str], ...]:
    query = _as_query(where)
    since, until = (moment and moment.isoformat().replace("+00:00", "Z") for moment in (where.since, where.until))
    query |= {"since": since, "until": until}
    urls = urls_of(request)
    return tuple((kind.upper(), urls.path(f"/events/export.{kind}") + query_string(query)) for kind in ("csv", "json"))


def _as_query(where: EventFilter) -> dict[str, object]:
    names = ("registry", "repository", "tag", "digest", "actor", "address")
    own = None if where.quiet else "all"
    return {name: getattr(where, name) for name in names} | {"action": ",".join(where.actions), "own": own}


def _settings_address(request: HtmlRequest, actor: Actor, place: Place) -> str:
    if place.registry is None or not allows(actor, Permission.REGISTRIES_MANAGE):
        return ""
    return urls_of(request).registry(place.registry, "settings/events")


async def _charts(request: HtmlRequest, services: Services, actor: Actor, place: Place) -> Response[str]:
    filters = filters_of(request.query_params)
    filters = replace(filters, range=filters.range or ("" if filters.since or filters.until else DEFAULT_RANGE))
    where = filters.to_query(datetime.now(UTC), place.registry, place.repository)
    stats = await events.event_stats(services, actor, replace(where, quiet=False))
    removed = await _removed(services, actor, (entry.registry for entry in stats.top_repositories))
    view = ChartsView(
        place=place,
        filters=filters,
        chosen=filters.chosen(here_of(request)),
        kept=filters.as_query(),
        ranges=RANGES[1:],
        stats=stats,
        series=event_charts.series_chart(stats),
        hours=event_charts.hours_chart(stats.by_hour),
        step=event_charts.step_words(stats),
        repositories=event_charts.ranking(stats.top_repositories, lambda entry: _events_of(request, entry, removed)),
        actors=event_charts.ranking(
            stats.top_actors, lambda entry: place.timeline + query_string({"actor": entry.name, "range": filters.range})
        ),
        left_out=event_charts.left_out(stats),
        counted=event_charts.counted(stats.totals),
        columns=event_charts.SERIES,
    )
    return page(request, "events/charts.html", view, section=SECTION)


def _events_of(request: HtmlRequest, entry: TopEntry, removed: Collection[str]) -> str | None:
    """The timeline of a repository; None where no address can name it, and where its registry is gone."""
    if entry.registry is None or entry.registry in removed:
        return None
    try:
        name = RepositoryName.parse(entry.name)
    except InvalidInput:
        return None
    return urls_of(request).repository(entry.registry, name, "events")
