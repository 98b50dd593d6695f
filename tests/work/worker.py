"""A process that works on the jobs of a data folder, to be killed: `python -m tests.work.worker [WORD …]`.

`copy SOURCE TARGET` queues a copy first, `delete PLACE PATTERN` a bulk deletion; `resume ID`
lets a paused job go on. Says `job ID`, `memory KIB` (the most so far), `open` when the engine
runs, `done N` as it works, and `idle` when no job is waiting or running any more.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import Selection
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows import bulk_delete, copy, work
from kubedash.workflows.bulk_delete import Shown
from kubedash.workflows.services import Services
from tests.work.house import request


async def ask(services: Services, words: list[str]) -> None:
    match words:
        case ["copy", source, target]:
            job = await copy.execute(services, SYSTEM, request(source, target))
            print("job", job.id, flush=True)
        case ["delete", place, pattern]:
            registry, _, repository = place.partition("/")
            selection, name = Selection(patterns=(pattern,)), RepositoryName(repository)
            plan = await bulk_delete.plan(services, SYSTEM, registry, name, selection)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, SYSTEM, registry, name, selection, shown)
            print("job", job.id, flush=True)
        case ["resume", job_id]:
            await work.resume(services, SYSTEM, job_id)


async def main(words: list[str]) -> None:
    services = await open_services(load(os.environ))
    try:
        print("memory", most(), flush=True)
        await ask(services, words)
        print("open", flush=True)
        while open_jobs := [job for job in await work.list_jobs(services, SYSTEM) if not job.state.has_ended]:
            print("done", sum(job.progress.done for job in open_jobs if job.progress), flush=True)
            await asyncio.sleep(0.1)
        print("memory", most(), flush=True)
        print("idle", flush=True)
    finally:
        await close_services(services)


def most() -> int:
    """The most memory that this process had, in KiB; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
