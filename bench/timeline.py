"""Pages and figures of events in a store with 10,000,000 of them.

`python -m bench.timeline [--events N]` fills SQLite and PostgreSQL (minutes each; the
setting `BENCH_EVENT_STORES` names stores that `bench.populate_events` has filled before)
and times what the timeline, its filters and its charts ask of the store: the
transaction, its queries and the records made of the rows. Then a server is started on the
same store, and whole pages are timed by the server itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from bench.figures import Figure, quantile, table
from bench.pages import Connection, server_times, times
from bench.populate_events import DAYS, EVENTS
from demo.server import ServerProcess
from kubedash.cli.serve import settle_down
from kubedash.records import Event, EventFilter, EventQuery
from kubedash.storage import event_stats, events
from kubedash.storage.database import Database, ReadSession
from kubedash.storage.paging import Cursor
from kubedash.storage.values import to_micros
from tests.support.databases import PostgresServer

STORES: Final = "BENCH_EVENT_STORES"
ROUNDS: Final = 40
WARM_UP: Final = 3
ROWS: Final = 100
GOAL_MILLISECONDS: Final = 50.0
PASSWORD: Final = "only for this bench"
_BUSY_PLACE: Final = "/r/main/team0/service-0/-/events"
_PAGES: Final = (
    "/events",
    "/events?action=delete",
    "/events?actor=user-0",
    "/events?tag=1.7.0",
    "/events?address=10.0.1.1",
    "/r/main/-/events",
    _BUSY_PLACE,
    "/events/charts?range=24h",
    "/events/charts?range=30d",
    "/events/charts?range=365d",
    "/events/charts?range=30d&actor=user-0",
    "/r/main/-/events/charts?range=30d",
    f"{_BUSY_PLACE}/charts?range=30d",
)
Case = Callable[[ReadSession], Coroutine[Any, Any, object]]
BUSY: Final = EventFilter(repository="team0/service-0")
_MAIN: Final = "main"
_COLD: Final = ", the first time after the start or midnight"
"""Without a goal of its own: the sums of days that are over are read once, and then kept."""


def _filters(newest: Event) -> dict[str, EventFilter]:
    """What the address of a timeline may hold: much, little and nothing found."""
    middle, week = newest.at - timedelta(days=DAYS / 2), newest.at - timedelta(days=DAYS / 2 - 7)
    return {
        "everything": EventFilter(),
        "a registry": EventFilter(registry=_MAIN),
        "the busiest repository": BUSY,
        "a quiet repository": EventFilter(repository="team39/service-1959"),
        "a tag": EventFilter(repository=newest.repository, tag=newest.tag),
        "a digest": EventFilter(digest=newest.digest),
        "the busiest actor": EventFilter(actor="user-0"),
        "an address": EventFilter(address=newest.address),
        "deletions": EventFilter(actions=("delete",)),
        "deletions and pushes": EventFilter(actions=("delete", "push")),
        "a week long ago": EventFilter(since=middle, until=week),
        "a registry's deletions": EventFilter(registry="mirror", actions=("delete",)),
        "an actor's deletions in a repository": EventFilter(
            repository=BUSY.repository, actor="user-0", actions=("delete",)
        ),
        "two that never met": EventFilter(actor="user-0", address="10.0.99.99"),
        "a tag anywhere": EventFilter(tag="1.7.0"),
        "nobody": EventFilter(actor="nobody"),
    }


def _figures(newest: Event) -> dict[str, EventFilter]:
    spans = {f"{days} days": EventFilter(since=newest.at - timedelta(days=days)) for days in (1, 7, 30, 90)}
    month = newest.at - timedelta(days=30)
    return spans | {
        "30 days of a registry": EventFilter(registry=_MAIN, since=month),
        "90 days of the busiest repository": EventFilter(repository=BUSY.repository, since=month - timedelta(days=60)),
        "30 days of an actor": EventFilter(actor="user-0", since=month),
        "30 days of pulls": EventFilter(actions=("pull",), since=month),
        "30 days of a tag": EventFilter(repository=newest.repository, tag=newest.tag, since=month),
        "30 days of an actor in a repository": EventFilter(repository=BUSY.repository, actor="user-0", since=month),
    }


async def _cases(session: ReadSession) -> dict[str, Case]:
    (newest,) = (await events.page(session, EventQuery(limit=1))).items
    found: dict[str, Case] = {}
    for name, where in _filters(newest).items():
        found[f"page of {name}"] = _page(where)
    deep = Cursor("-at", False, (to_micros(newest.at - timedelta(days=80)), newest.id), 1).encode()
    for name in ("everything", "a registry", "the busiest repository"):
        found[f"page of {name}, 80 days down"] = _page(_filters(newest)[name], deep)
    found["what came after an event"] = lambda session: events.after(session, newest.id - ROWS, ROWS)
    for name, where in _figures(newest).items():
        found[f"figures of {name}"] = _stats(where, newest, event_stats.PastSums())
    for days in (7, 30, 90):
        where = EventFilter(since=newest.at - timedelta(days=days))
        found[f"figures of {days} days{_COLD}"] = _stats(where, newest, None)
    return found


def _page(where: EventFilter, cursor: str | None = None) -> Case:
    return lambda session: events.page(session, EventQuery(where=where, limit=ROWS, cursor=cursor))


def _stats(where: EventFilter, newest: Event, past: event_stats.PastSums | None) -> Case:
    """With `past` as the server has it: sums of what is over are kept."""
    return lambda session: event_stats.stats(session, where, newest.at, past)


async def measure(url: str) -> dict[str, Any]:
    """Milliseconds of every case, and of how many events."""
    database = await Database.open(url)
    settle_down()
    try:
        async with database.read() as session:
            cases = await _cases(session)
            many = await session.scalar(text("SELECT count(*) FROM event"))
        return {"events": many, "taken": {name: await _timed(database, case) for name, case in cases.items()}}
    finally:
        await database.close()


async def _timed(database: Database, case: Case) -> list[float]:
    taken = []
    for _ in range(WARM_UP + ROUNDS):
        began = time.perf_counter()
        await database.read_in_one(case)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[WARM_UP:]


def figures(count: int = EVENTS) -> Iterator[Figure]:
    """Fills and measures both databases, one after the other; those of `BENCH_EVENT_STORES` are filled already."""
    given = os.environ.get(STORES, "").split()
    for url in given:
        yield from _report("PostgreSQL" if url.startswith("postgres") else "SQLite", _aside(url))
    if given:
        return
    with tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder:
        path = str(Path(folder) / "kubedash.db")
        _fill(path, count)
        yield from _report("SQLite", _aside(path))
    with PostgresServer(
        "shared_buffers=1GB", "max_wal_size=8GB", "maintenance_work_mem=1GB", "work_mem=64MB"
    ) as server:
        server.execute("CREATE DATABASE bench")
        _fill(server.url("bench"), count)
        yield from _report("PostgreSQL", _aside(server.url("bench")))


def _fill(url: str, count: int) -> None:
    command = [sys.executable, "-m", "bench.populate_events", url, "--events", str(count)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _aside(url: str) -> dict[str, Any]:
    """Measured in a process of its own."""
    command = [sys.executable, "-m", "bench.timeline", "--measure", url]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found | {"pages": _pages(url)}


def _pages(url: str) -> dict[str, list[float]]:
    """Seconds of each page, by the server's own account."""
    address = url if "://" in url else f"sqlite:///{url}"
    quiet = {"KUBEDASH_DATABASE_URL": address, "KUBEDASH_SYNC_INTERVAL": "0", "KUBEDASH_EVENTS_RETENTION": "36500"}
    with (
        tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder,
        ServerProcess(folder, password=PASSWORD, settings=quiet) as server,
    ):
        pages = Connection(server.url, {"Authorization": f"Bearer {server.token()}", "Accept": "text/html"})
        return {path: _page_times(server, pages, path) for path in _PAGES}


def _page_times(server: ServerProcess, pages: Connection, path: str) -> list[float]:
    times(lambda: pages.get(path), WARM_UP, ROUNDS)
    return server_times(server, path.partition("?")[0], ROUNDS)


def _report(kind: str, found: dict[str, Any]) -> Iterator[Figure]:
    kind = f"{kind}, {found['events']:,} events"
    for name, taken in found["taken"].items():
        middle, tail = quantile(taken, 0.5), quantile(taken, 0.95)
        goal = f"p95 ≤ {GOAL_MILLISECONDS:.0f} ms"
        measured = f"p50 {middle:.1f} ms, p95 {tail:.1f} ms"
        if name.endswith(_COLD):
            yield Figure(f"{kind}: {name}", measured)
        else:
            yield Figure(f"{kind}: {name}", measured, goal, tail <= GOAL_MILLISECONDS)
    for path, taken in found["pages"].items():
        middle, tail = quantile(taken, 0.5) * 1000, quantile(taken, 0.95) * 1000
        measured = f"p50 {middle:.1f} ms, p95 {tail:.1f} ms"
        goal = f"p95 ≤ {GOAL_MILLISECONDS:.0f} ms"
        yield Figure(f"{kind}: `{path}`, the whole page", measured, goal, tail <= GOAL_MILLISECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the pages and figures of events.")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--measure", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(arguments.measure))))
    else:
        print(table(list(figures(arguments.events))))


if __name__ == "__main__":
    main()
