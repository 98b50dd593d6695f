"""The events' own pulse: counted every few seconds, and old ones let go every half hour."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import structlog

from kubedash.errors import KubedashError
from kubedash.policy.access import SYSTEM
from kubedash.workflows.event_upkeep import count_events, forget_events
from kubedash.workflows.services import Services

COUNT_SECONDS: Final = 3.0
FORGET_SECONDS: Final = 1800.0

log = structlog.get_logger(__name__)


class Upkeep:
    """Runs in every process that runs jobs; the store sees to it that nothing is counted twice."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._forgot_at = float("-inf")
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stop()`. What fails once is tried again."""
        while not self._stopping.is_set():
            try:
                await count_events(self._services, SYSTEM)
                if time.monotonic() - self._forgot_at >= FORGET_SECONDS:
                    await forget_events(self._services, SYSTEM)
                    self._forgot_at = time.monotonic()
            except KubedashError as error:
                log.warning("events were not counted", action="upkeep", reason=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), COUNT_SECONDS)

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
