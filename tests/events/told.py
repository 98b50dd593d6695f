"""A registry that tells us everything, and an index that listens."""

from __future__ import annotations

import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from demo.push import OCI_INDEX, OCI_MANIFEST
from demo.registry_process import RegistryProcess
from kubedash.oci.notifications import Notification, parse
from kubedash.storage import event_feed, event_rollups, event_writing, events
from kubedash.storage.event_writing import Arrival
from kubedash.workflows.drive_index import CURSOR, IndexDriver
from tests.support.aio import eventually
from tests.support.events import notification
from tests.support.scripted import scripted
from tests.sync.house import House, house

ACCEPT = f"{OCI_INDEX}, {OCI_MANIFEST}"


class Listener:
    """A house with a driver; what is told is stored at once and worked off on demand."""

    def __init__(self, here: House, name: str = "test") -> None:
        self.here = here
        self.driver = IndexDriver(here.services, name)
        self.authenticated = True

    async def store(self, *told: Notification) -> None:
        services = self.here.services
        arrivals = [
            Arrival(
                notification=one,
                registry_id=self.here.registry_id,
                authenticated=self.authenticated,
                sender=None,
                received_at=services.clock(),
            )
            for one in told
        ]
        async with services.database.write() as session:
            source = await event_writing.source_of(session, self.here.registry_id)
            await event_writing.add(session, [event_writing.row_of(a) | {"source_id": source} for a in arrivals])

    async def work(self) -> None:
        """Until nothing is left to be worked off."""
        while await self.left():
            await self.driver.step()

    async def left(self) -> int:
        async with self.here.services.database.read() as session:
            position, _ = await event_rollups.position(session, CURSOR)
            return len(await event_feed.behind(session, position, await events.last_id(session), 10_000))

    async def told(self, *wanted: str) -> None:
        """Until events whose `action repository:tag` (or `@`) are these have come, and been worked off."""

        async def there() -> bool:
            return set(wanted) <= await self._sayings()

        await eventually(there)
        await self.work()

    async def _sayings(self) -> set[str]:
        async with self.here.services.database.read() as session:
            found = await event_feed.behind(session, 0, await events.last_id(session), 10_000)
        return {f"{one.action} {one.repository}:{one.tag}" for one in found} | {
            f"{one.action} {one.repository}@{one.digest}" for one in found
        }


@asynccontextmanager
async def listening(folder: Path, **options: Any) -> AsyncIterator[tuple[Listener, RegistryProcess]]:
    """Debian's registry posts to us; nothing is crawled by itself."""
    waiting: list[Listener] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        await waiting[0].store(*parse(request.content_type, {}, body).notifications)
        return web.Response()

    async with scripted(receive) as server:
        endpoint = {"name": "kubedash", "url": server.url, "timeout": "2s", "threshold": 3, "backoff": "100ms"}
        with RegistryProcess(folder / "registry", notifications=[endpoint], **options) as registry:
            async with house(folder / "data", registry.url) as here:
                waiting.append(Listener(here))
                yield waiting[0], registry


def ask(registry: RegistryProcess, method: str, path: str, agent: str = "docker/27.0") -> str | None:
    """One request as a client of a registry sends it; the digest of the answer."""
    connection = http.client.HTTPConnection(urlsplit(registry.url).netloc, timeout=10)
    try:
        connection.request(method, f"/v2/{path}", headers={"User-Agent": agent, "Accept": ACCEPT})
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 400, answer.status
        return answer.getheader("Docker-Content-Digest")
    finally:
        connection.close()


def made_up(many: int) -> list[Notification]:
    """Pushes of repositories that no registry has."""
    return [notification(number, repository=f"made/up-{number}", action="push") for number in range(many)]
