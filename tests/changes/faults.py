"""Between us and a real registry: lets everything through, and at one request the registry fails or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import web

from demo.registry_process import RegistryProcess

_DROPPED: Final = ("Transfer-Encoding", "Content-Length", "Connection")


class Fault(StrEnum):
    """What happens at the request."""

    REFUSES = "answers 500 and does nothing"
    DIES_BEFORE = "is killed before it gets the request"
    DIES_AFTER = "does what it was asked and is killed before anybody hears"
    WE_DIE = "does what it was asked, and we are not there any more to hear"


@dataclass
class Bridge:
    """The way to the registry, and what went over it."""

    registry: RegistryProcess
    url: str = ""
    fault: Fault | None = None
    at: int = -1
    """The request, counted from 0, at which the fault strikes."""
    when: str = ""
    """Or the first request that begins like this."""
    asked: list[str] = field(default_factory=list)
    dead: bool = False
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request was done whose answer is held back for ever."""

    def arm(self, fault: Fault | None, at: int = -1, when: str = "") -> None:
        self.fault, self.at, self.when, self.dead = fault, at, when, False
        self.silent.clear()
        self.asked.clear()

    def revive(self) -> None:
        """The registry is started again, and nothing fails any more."""
        if self.dead:
            self.registry.restart()
        self.arm(None)

    def strike(self) -> None:
        self.registry.kill()
        self.dead = True


@asynccontextmanager
async def bridge_to(registry: RegistryProcess) -> AsyncIterator[Bridge]:
    bridge = Bridge(registry)
    session = aiohttp.ClientSession(auto_decompress=False)

    async def pass_on(request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        here = len(bridge.asked) == bridge.at or bool(bridge.when and line.startswith(bridge.when))
        bridge.asked.append(line)
        if bridge.dead or (here and bridge.fault is Fault.DIES_BEFORE):
            bridge.strike()
            return _hang_up(request)
        if here and bridge.fault is Fault.REFUSES:
            return web.Response(status=500)
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", *_DROPPED)}
        body = await request.read()
        url = f"{registry.url}{request.raw_path}"
        async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            content = await answer.read()
        if here and bridge.fault is Fault.WE_DIE:
            bridge.silent.set()
            await asyncio.Event().wait()
        if here and bridge.fault is Fault.DIES_AFTER:
            bridge.strike()
            return _hang_up(request)
        kept = {name: value for name, value in answer.headers.items() if name not in _DROPPED}
        if location := kept.get("Location"):
            kept["Location"] = location.replace(registry.url, bridge.url)
        if request.method == "HEAD":
            kept["Content-Length"] = answer.headers.get("Content-Length", "0")
        return web.Response(status=answer.status, headers=kept, body=content or None)

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield bridge
    finally:
        await runner.cleanup()
        await session.close()


def _hang_up(request: web.Request) -> web.StreamResponse:
    """As a dead process does: the connection ends without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
