"""The open doors a workflow may use; constructed in `kubedash.wiring` alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from kubedash.live import Live
from kubedash.records import Job
from kubedash.registry.pool import RegistryPool
from kubedash.settings import Settings
from kubedash.storage.database import Database
from kubedash.storage.event_writer import EventWriter
from kubedash.storage.jobs import Order, Piece
from kubedash.storage.sealing import Sealer
from kubedash.workflows.event_counting import EventCounting
from kubedash.workflows.event_tail import EventTail
from kubedash.workflows.reception import Reception


class Jobs(Protocol):
    """Durable work. `kubedash.jobs` is the engine; workflows only ask."""

    async def sync_registry(self, registry: str) -> Job:
        """Queue a crawl of the registry; the one already waiting or running, if there is one."""
        ...

    async def sync_repository(self, registry: str, repository: str, *, again: bool = False) -> Job:
        """Queue a crawl of one repository; coalesced likewise.

        One that failed a moment ago is answered too, so that pages which look again
        when a job ends do not keep a dead registry busy; `again` is for people who insist.
        """
        ...

    async def find(self, job_id: str) -> Job | None:
        """The job as it stands, or None."""
        ...

    def running_crawl(self, registry: str) -> Job | None:
        """The crawl of the whole registry that this process is doing, or None; costs nothing."""
        ...

    async def begin(self, order: Order, pieces: Sequence[Piece] = ()) -> Job:
        """Queue what a person asked for; the open job with the same order, where there is one.

        `pieces` are what it consists of, where that is known beforehand.

        Raises `Conflict` where another open job is in its way.
        """
        ...

    async def cancel(self, job_id: str) -> None:
        """Stop it before its next step. No error where it is unknown or ended."""
        ...

    async def pause(self, job_id: str) -> None:
        """Stop it before its next step, to go on later. Nothing happens where it is not at work."""
        ...

    async def resume(self, job_id: str) -> None:
        """Go on with what was paused. Nothing happens where it is not paused."""
        ...

    async def close(self) -> None:
        """Stop working. What is durable goes on at the next start."""
        ...


class Services(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Handed to every workflow as its first argument."""

    settings: Settings
    database: Database
    registries: RegistryPool
    live: Live
    jobs: Jobs
    sealer: Sealer
    events: EventWriter
    reception: Reception
    counting: EventCounting
    event_tail: EventTail
    clock: Callable[[], datetime]
    """Now, in UTC; a parameter so that time can be tested."""
