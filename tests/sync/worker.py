"""A process that works on the jobs of a data folder, to be killed: `python -m tests.sync.worker FOLDER [ask]`.

Says `open` when the engine runs and `idle` when no job is waiting or running any more.
"""

from __future__ import annotations

import asyncio
import os
import sys

from dbos import DBOS

from kubedash.policy.access import SYSTEM
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows import registries, sync


async def work(ask: bool) -> None:
    services = await open_services(load(os.environ))
    try:
        if ask:
            for registry in await registries.list_registries(services, SYSTEM):
                await sync.request_sync(services, SYSTEM, registry.name)
        print("open", flush=True)
        while await DBOS.list_workflows_async(status=["ENQUEUED", "DELAYED", "PENDING"], load_input=False):
            await asyncio.sleep(0.1)
        print("idle", flush=True)
    finally:
        await close_services(services)


if __name__ == "__main__":
    asyncio.run(work("ask" in sys.argv))
