"""What happens with events after they are stored: a loop in each process that runs jobs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from kubedash.errors import KubedashError
from kubedash.workflows.drive_index import IndexDriver
from kubedash.workflows.forward_events import Forwarder
from kubedash.workflows.services import Services

IDLE_SECONDS: Final = 0.25
"""Between two looks for new events: one short query each."""
PAUSE_SECONDS: Final = 5.0
"""After a failure."""

log = structlog.get_logger(__name__)


class Work(Protocol):
    """Something that is done in steps, by one process at a time."""

    async def step(self) -> bool:
        """Do some of it; whether there may be more at once."""
        ...

    async def close(self) -> None:
        """Let another process go on."""
        ...


class EventWork:
    """Works events off until it is stopped. `owner` names the process."""

    def __init__(self, services: Services, owner: str) -> None:
        self._work: tuple[Work, ...] = (IndexDriver(services, owner), Forwarder(services, owner))
        self._stopping = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        self._tasks = tuple(asyncio.create_task(self._forever(work)) for work in self._work)

    async def stop(self) -> None:
        """End after the steps under way: what they ask of a registry has its time limits."""
        self._stopping.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for work in self._work if self._tasks else ():
            with contextlib.suppress(KubedashError, SQLAlchemyError):
                await work.close()

    async def _forever(self, work: Work) -> None:
        while not self._stopping.is_set():
            try:
                pause = 0.0 if await work.step() else IDLE_SECONDS
            except (KubedashError, SQLAlchemyError) as error:
                log.warning("events could not be worked off", reason=str(error), retry_in=PAUSE_SECONDS)
                pause = PAUSE_SECONDS
            except Exception:
                # A bug: said loudly, and the events of others are still worth another try.
                log.exception("events could not be worked off", retry_in=PAUSE_SECONDS)
                pause = PAUSE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
