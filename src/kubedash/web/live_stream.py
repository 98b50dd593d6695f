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
from kubedash.web.metrics import STREAMS
from kubedash.web.rendering import HtmlRequest
from kubedash.workflows import follow
from kubedash.workflows.services import Services

HEARTBEAT_SECONDS: Final = 20.0
"""Proxies close a line that says nothing for a minute."""
LONGEST_SECONDS: Final = 600.0
"""Then the browser comes again, and shows again who it is."""
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
    return ServerSentEvent(_events(services, actor, topics), headers=HEADERS)


async def _events(services: Services, actor: Actor, topics: tuple[str, ...]) -> AsyncIterator[ServerSentEventMessage]:
    clock = asyncio.get_running_loop().time
    ends = clock() + LONGEST_SECONDS
    with STREAMS.track_inprogress():
        async with follow.follow(services, actor, topics) as messages:
            yield ServerSentEventMessage(comment="listening")
            while clock() < ends:
                try:
                    message = await asyncio.wait_for(anext(messages), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ServerSentEventMessage(comment="still here")
                    continue
                except StopAsyncIteration:
                    return
                yield ServerSentEventMessage(event="change", data=message.text or "{}")
