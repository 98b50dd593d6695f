"""The only place that constructs anything: from settings to the open doors, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from kubedash.errors import Unavailable
from kubedash.jobs.engine import Engine
from kubedash.jobs.inline import InlineJobs
from kubedash.live import Live
from kubedash.registry.pool import RegistryPool
from kubedash.settings import Settings
from kubedash.storage.database import Database, upgrade
from kubedash.storage.event_writer import EventWriter
from kubedash.storage.sealing import Sealer, load_key
from kubedash.workflows import people
from kubedash.workflows.declared import declare_registries
from kubedash.workflows.event_counting import EventCounting
from kubedash.workflows.event_tail import EventTail
from kubedash.workflows.reception import Reception
from kubedash.workflows.services import Services

DATABASE_FILE: Final = "kubedash.sqlite"


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL in force: the setting, or a file in the data folder."""
    return settings.database_url or f"sqlite+aiosqlite:///{settings.data_dir.absolute() / DATABASE_FILE}"


def make_data_folder(settings: Settings) -> None:
    """Nobody else's business. Raises `Unavailable` where it cannot be made."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"Cannot make the data folder {settings.data_dir}: {error.strerror}."
        raise Unavailable(reason, hint="Set KUBEDASH_DATA_DIR to a folder that may be written.") from error


async def upgrade_database(settings: Settings) -> None:
    """Brings the schema to this version and does nothing else."""
    make_data_folder(settings)
    await upgrade(database_url(settings))


def announce_on_stderr(sentence: str) -> None:
    """Where what a command prints is for scripts to read."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


async def open_services(
    settings: Settings, *, engine: bool = True, announce: Callable[[str], None] = announce_on_stderr
) -> Services:
    """Everything that workflows need, on an upgraded database.

    With `engine` the durable jobs and the schedule run in this process; without it
    (command line, tests) jobs run in this process too, but end with it. Close what
    comes back with `close_services`. `announce` hears the password that the first
    start makes. Raises `Unavailable`, `InvalidInput`.
    """
    await upgrade_database(settings)
    url = database_url(settings)
    jobs = Engine(settings, url) if engine else InlineJobs()
    database, live = await Database.open(url), Live()
    counting = EventCounting(database, _now)
    services = Services(
        settings=settings,
        database=database,
        registries=RegistryPool(
            concurrency=settings.registry_concurrency,
            timeout=settings.registry_timeout,
            allowed_addresses=settings.allow_private_addresses,
        ),
        live=live,
        counting=counting,
        event_tail=EventTail(database, live, counting),
        jobs=jobs,
        sealer=Sealer(load_key(settings)),
        events=EventWriter(database),
        reception=Reception(database, settings.events_token),
        clock=_now,
    )
    try:
        if not url.startswith("sqlite"):
            await services.live.start(url)
        await _first_start(services, announce)
        await declare_registries(services)
        await jobs.start(services)
    except BaseException:
        await close_services(services)
        raise
    return services


async def close_services(services: Services) -> None:
    """Stop the jobs where they are, then close everything. A crawl goes on at the next start."""
    await services.jobs.close()
    await services.reception.close()
    await services.events.close()
    await services.live.close()
    await services.registries.close()
    await services.database.close()


def _now() -> datetime:
    return datetime.now(UTC)


async def _first_start(services: Services, announce: Callable[[str], None]) -> None:
    password = await people.first_start(services)
    if password is not None:
        announce(f"First start: sign in as admin with the password {password}")
