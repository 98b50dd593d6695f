"""`/events/export.csv` and `.json`: what a timeline's filter shows, as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from litestar import get
from litestar.response import Stream

from kubedash.policy.access import Actor
from kubedash.records import Event, EventFilter, EventQuery, Page
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages.event_export import csv_file, json_file
from kubedash.web.pages.event_filters import filters_of
from kubedash.web.rendering import HtmlRequest
from kubedash.workflows import events
from kubedash.workflows.services import Services

PAGE_SIZE: Final = 1000
_Pages = AsyncIterator[tuple[Event, ...]]
CSV: Final = "text/csv"
JSON: Final = "application/json"


@get("/events/export.csv", name="events-csv")
async def export_csv(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Stream:
    """All events that the filter in the address shows, newest first, sent as they are read."""
    return Stream(csv_file(await _pages_of(request, services, actor)), media_type=CSV, headers=_headers("csv"))


@get("/events/export.json", name="events-json")
async def export_json(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Stream:
    """The same as one array of the API's records."""
    return Stream(json_file(await _pages_of(request, services, actor)), media_type=JSON, headers=_headers("json"))


def _headers(ending: str) -> dict[str, str]:
    name = f"events-{datetime.now(UTC):%Y%m%d-%H%M%S}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


async def _pages_of(request: HtmlRequest, services: Services, actor: Actor) -> _Pages:
    """The first page is read before the answer begins, so that a refusal is still an answer of its own."""
    where = filters_of(request.query_params).to_query(datetime.now(UTC))
    first = await events.open_events(services, actor, EventQuery(where=where, limit=PAGE_SIZE))
    return _pages(services, actor, where, first)


async def _pages(services: Services, actor: Actor, where: EventFilter, first: Page[Event]) -> _Pages:
    """Page after page by key, each a short read of its own: nobody's writing waits for a slow download."""
    page = first
    while True:
        if page.items:
            yield page.items
        if page.next is None:
            return
        query = EventQuery(where=where, limit=PAGE_SIZE, cursor=page.next)
        page = await events.open_events(services, actor, query)
