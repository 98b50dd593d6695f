"""Open services on a folder of the test's own, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from kubedash import wiring
from kubedash.policy.access import Actor
from kubedash.records import Role
from kubedash.settings import load
from kubedash.workflows.services import Services

PASSWORD = "the first password"
ADMIN = Actor(name="admin", role=Role.ADMIN, via="session", user_id=1, address="192.0.2.1")


class Clock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime = datetime(2024, 5, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@asynccontextmanager
async def open_house(folder: Path, clock: Clock | None = None, **environ: str) -> AsyncIterator[Services]:
    """Services on SQLite in `folder`, without the engine; `admin` has `PASSWORD`."""
    settings = load({"KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_ADMIN_PASSWORD": PASSWORD, **environ})
    services = await wiring.open_services(settings, engine=False)
    try:
        yield services if clock is None else replace(services, clock=clock)
    finally:
        await wiring.close_services(services)
