"""`/-/events`: the lines of a timeline as they happen (server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from litestar import Response, get
from litestar.response import Stream

from kubedash.policy.access import Actor
from kubedash.records import Event, EventFilter, encode_json
from kubedash.web.addresses import safe_next
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.live_stream import HEADERS, HEARTBEAT_SECONDS, Listener
from kubedash.web.metrics import STREAMS
from kubedash.web.pages.event_filters import filters_of
from kubedash.web.pages.event_folds import Fold
from kubedash.web.pages.event_lines import Lines
from kubedash.web.pages.event_words import day_title
from kubedash.web.rendering import Here, HtmlRequest, Renderer, renderer_of, urls_of
from kubedash.workflows import follow_events
from kubedash.workflows.services import Services

MAX_KNOWN: Final = 2**63 - 1
MEDIA_TYPE: Final = "text/event-stream"
_ROWS_KEPT: Final = 2_048
_RETRY_MILLISECONDS: Final = 3_000


@get("/-/events", name="event-stream")
async def stream_events(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[None] | Stream:
    """An event `line` for each that the filter lets through, with its id; `behind` where there were too many.

    Begins behind `Last-Event-ID`, else behind `?after=`, else now. `?page=` is the
    timeline whose lines these are.
    """
    follow_events.check_follow(services, actor)
    asked = request.query_params
    where = filters_of(asked).to_query(datetime.now(UTC))
    if request.scope["state"].get("is_head"):
        return Response(None, media_type=MEDIA_TYPE, headers=HEADERS)
    page = safe_next(asked.get("page"), urls_of(request).path("/events"))
    rows = Rows(renderer_of(request), page, across="registry" not in asked)
    after = _known(request.headers.get("Last-Event-ID") or asked.get("after"))
    chunks = _chunks(services, actor, where, after, rows, Listener(request))
    return Stream(chunks, media_type=MEDIA_TYPE, headers=HEADERS)


def _known(text: str | None) -> int | None:
    """The id of the last event that a follower knows; None where it says none."""
    return min(int(text), MAX_KNOWN) if text and text.isascii() and text.isdigit() and len(text) <= 19 else None


class Rows:
    """Lines of one timeline for its stream."""

    def __init__(self, renderer: Renderer, page: str, *, across: bool) -> None:
        self._renderer = renderer
        self._page = page
        self._across = across

    def message(self, event: Event, last: int) -> bytes:
        """`last`: the id from which a follower goes on after this one."""
        data = _line(self._renderer, event, self._page, self._across, datetime.now(UTC).date().toordinal())
        return b"id: %d\nevent: line\ndata: %b\n\n" % (last, data)


@lru_cache(_ROWS_KEPT)
def _line(renderer: Renderer, event: Event, page: str, across: bool, today: int) -> bytes:
    """Drawn once for everybody who looks at the same timeline. JSON, so it is one line."""
    path, _, query = page.partition("?")
    lines = Lines(renderer.urls, Here(path, dict(parse_qsl(query))), across=across)
    html = renderer.render("events/_row.html", line=lines.line(Fold(event, (event,))))
    day = event.at.date()
    title = day_title(day, datetime.fromordinal(today).date())
    return encode_json({"html": html, "day": day.isoformat(), "title": title})


async def _chunks(
    services: Services, actor: Actor, where: EventFilter, after: int | None, rows: Rows, listener: Listener
) -> AsyncIterator[bytes]:
    """What arrives together is sent together: a hundred viewers are a hundred writes, not thousands."""
    last = after or 0
    with STREAMS.track_inprogress():
        async with follow_events.follow_events(services, actor, where, after) as batches:
            yield b": listening\nretry: %d\n\n" % _RETRY_MILLISECONDS
            while await listener.may_go_on():
                try:
                    found = await asyncio.wait_for(anext(batches), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                except StopAsyncIteration:
                    return
                parts = []
                if found.behind is not None:
                    last = max(last, found.behind)
                    parts.append(b"id: %d\nevent: behind\ndata: {}\n\n" % last)
                for event in found.events:
                    last = max(last, event.id)
                    parts.append(rows.message(event, last))
                yield b"".join(parts)
