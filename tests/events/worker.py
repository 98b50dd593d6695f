"""A process that works the events of a data folder off, to be killed: `python -m tests.events.worker [forward]`.

Says `open` when it begins and `idle` when nothing is left to be counted, or to be passed on.
"""

from __future__ import annotations

import asyncio
import os
import sys

from kubedash.settings import load
from kubedash.storage import event_rollups, events, forwards
from kubedash.wiring import close_services, open_services
from kubedash.workflows import forward_events
from kubedash.workflows.drive_index import CURSOR
from tests.support.aio import eventually


async def work(forward: bool) -> None:
    services = await open_services(load(os.environ))

    async def is_idle() -> bool:
        async with services.database.read() as session:
            position, _ = await event_rollups.position(session, forward_events.CURSOR if forward else CURSOR)
            waiting = sum(wish.forward.waiting for wish in await forwards.wishes(session)) if forward else 0
            return position == await events.last_id(session) and not waiting

    try:
        print("open", flush=True)
        await eventually(is_idle)
        print("idle", flush=True)
    finally:
        await close_services(services)


if __name__ == "__main__":
    asyncio.run(work("forward" in sys.argv))
