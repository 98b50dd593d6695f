"""`/-/live`: the page hears that something it shows has changed (server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from kubedash.policy.access import Actor
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.guards import is_still_let_in
from kubedash.web.metrics import STREAMS
from kubedash.web.rendering import HtmlRequest
from kubedash.workflows import follow
from kubedash.workflows.services import Services

HEARTBEAT_SECONDS: Final = 20.0
"""Proxies close a line that says nothing for a minute."""
LONGEST_SECONDS: Final = 600.0
"""Then the browser comes again."""
CHECK_SECONDS: Final = 30.0
"""So long, and a heartbeat more, somebody may still listen who has signed out, or may no longer."""
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get("/-/live")
async def live(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    topic: Annotated[list[str], QueryParameter(max_items=follow.MAX_TOPICS)],
) -> Response[None] | ServerSentEvent:
    """An event `change` for each message; its data is the publisher's text, JSON or empty."""
    topics = follow.check_topics(services, actor, topic)
    if request.scope["state"].get("is_head"):
        return Response(None, media_type="text/event-stream", headers=HEADERS)
    return ServerSentEvent(_events(services, actor, topics, Listener(request)), headers=HEADERS)


class Listener:
    """Whether who opened a stream may go on listening."""

    def __init__(self, request: HtmlRequest) -> None:
        self._request = request
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + LONGEST_SECONDS
        self._check_at = self._clock() + CHECK_SECONDS

    async def may_go_on(self) -> bool:
        """Asked between two messages; looked up again from time to time."""
        now = self._clock()
        if now < self._check_at:
            return now < self._ends
        self._check_at = now + CHECK_SECONDS
        return now < self._ends and await is_still_let_in(self._request)


async def _events(
    services: Services, actor: Actor, topics: tuple[str, ...], listener: Listener
) -> AsyncIterator[ServerSentEventMessage]:
    with STREAMS.track_inprogress():
        async with follow.follow(services, actor, topics) as messages:
            yield ServerSentEventMessage(comment="listening")
            while await listener.may_go_on():
                try:
                    message = await asyncio.wait_for(anext(messages), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ServerSentEventMessage(comment="still here")
                    continue
                except StopAsyncIteration:
                    return
                yield ServerSentEventMessage(event="change", data=message.text or "{}")
