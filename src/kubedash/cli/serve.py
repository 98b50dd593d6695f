"""`kubedash serve`, `kubedash worker` and `kubedash db upgrade`: the long-running side."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, TypeVar

from cyclopts import App, Parameter
from cyclopts.validators import Number
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar
from msgspec.structs import replace

from kubedash import settings, wiring
from kubedash.cli.output import print_line
from kubedash.errors import Unavailable
from kubedash.settings import Settings
from kubedash.web import logs
from kubedash.web.app import create_app
from kubedash.workflows.services import Services

if sys.platform != "win32":
    import uvloop

T = TypeVar("T")
WAITING_CONNECTIONS: Final = 1024
SECONDS_TO_END: Final = 10
COLLECT_AFTER: Final = 10_000
"""Objects between two collections: a page makes thousands that live as long as the page."""
_LOGGING: Final[dict[str, Any]] = {"handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}
"""The web server's own words go the way of all others; access is logged by the application."""
_A_PORT: Final = Number(gte=0, lte=65535)
database = App(name="db", help="Look after the database.")


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on; KUBEDASH_HOST otherwise.")] = None,
    port: Annotated[
        int | None, Parameter(help="Port to listen on; KUBEDASH_PORT otherwise.", validator=_A_PORT)
    ] = None,
) -> None:
    """Serve pages and API, and keep the index fresh, until SIGTERM or Ctrl-C."""
    in_force = settings.load()
    in_force = replace(in_force, host=host or in_force.host, port=in_force.port if port is None else port)
    run_loop(_serve(in_force))


def worker() -> None:
    """Keep the index fresh without serving anything: beside servers that share a database."""
    run_loop(_work(settings.load()))


@database.command(name="upgrade")
def upgrade() -> None:
    """Bring the database to this version. `serve` does it by itself."""
    asyncio.run(wiring.upgrade_database(settings.load()))
    print_line("The database is up to date.")


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, on the quicker event loop, where there is one for this system."""
    return asyncio.run(work) if sys.platform == "win32" else uvloop.run(work)


async def _serve(in_force: Settings) -> None:
    """First whatever can be refused in a sentence, then the server. Raises `KubedashError`."""
    logs.configure(in_force.log_level)
    place = free_place(in_force.host, in_force.port)
    in_force = replace(in_force, port=place[1])
    await wiring.close_services(await wiring.open_services(in_force, engine=False, announce=print_line))
    app = create_app(in_force)
    server = _server(app, place)
    _on_signals(lambda: _end(app, server))
    settle_down()
    print_line(f"KubeDash is at {address(in_force)}")
    await server.serve()
    if server.interrupt_children:
        raise Unavailable("The server ended by itself.", hint="The log above says why.")


def free_place(host: str, port: int) -> tuple[str, int]:
    """The address and port to listen on; port 0 means any. Raises `Unavailable` where they cannot be had.

    Asked beforehand, because the web server shares a port with whoever shares it too:
    two servers on one port would each get half of the requests.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.create_server(where[:2], family=family) as listener:
            found = listener.getsockname()
    except OSError as error:
        reason = f"Cannot listen on {host}:{port}: {error.strerror or error}"
        raise Unavailable(reason, hint="Choose another --host or --port.") from error
    return str(found[0]), int(found[1])


def _end(app: Litestar, server: Server) -> None:
    """Open streams first: they have no end of their own, and the server waits for every answer."""
    services: Services | None = app.state.get("services")
    if services is not None:
        services.live.end()
    server.stop()  # type: ignore[no-untyped-call]


def _server(app: Litestar, place: tuple[str, int]) -> Server:
    server = Server(
        app,
        address=place[0],
        port=place[1],
        interface=Interfaces.ASGI,
        backlog=WAITING_CONNECTIONS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )
    server.workers_kill_timeout = SECONDS_TO_END
    return server


def settle_down() -> None:
    """What was loaded until now stays: the collector need not spend a twentieth of a second on it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _work(in_force: Settings) -> None:
    logs.configure(in_force.log_level)
    stop = asyncio.Event()
    services = await wiring.open_services(in_force, announce=print_line)
    _on_signals(stop.set)
    print_line("KubeDash works in the background.")
    try:
        await stop.wait()
    finally:
        await wiring.close_services(services)


def _on_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and Ctrl-C end in order: requests are answered, jobs stop where they can go on."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def address(in_force: Settings) -> str:
    """Where people find the server."""
    if in_force.public_url:
        return f"{in_force.public_url}{in_force.base_path}/"
    host = f"[{in_force.host}]" if ":" in in_force.host else in_force.host
    return f"http://{host}:{in_force.port}{in_force.base_path}/"
