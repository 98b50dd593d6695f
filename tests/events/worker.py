"""A process that works the events of a data folder off, to be killed: `python -m tests.events.worker`.

Says `open` when it begins and `idle` when nothing is left.
"""

from __future__ import annotations

import asyncio
import os

from kubedash.settings import load
from kubedash.storage import event_rollups, events
from kubedash.wiring import close_services, open_services
from kubedash.workflows.drive_index import CURSOR
from tests.support.aio import eventually


async def work() -> None:
    services = await open_services(load(os.environ))

    async def is_idle() -> bool:
        async with services.database.read() as session:
            position, _ = await event_rollups.position(session, CURSOR)
            return position == await events.last_id(session)

    try:
        print("open", flush=True)
        await eventually(is_idle)
        print("idle", flush=True)
    finally:
        await close_services(services)


if __name__ == "__main__":
    asyncio.run(work())
