"""Lists and searches of the store with 100,000 repositories and 1,000,000 tags.

`python -m bench.store [--small]` fills SQLite and PostgreSQL and times every list on
both, each in a process of its own, whose memory is looked at as well. `--url` (several
times, if you like) measures stores that `bench.populate` has filled before, and so does
the setting `BENCH_STORES` (addresses with spaces between) for `make bench`: filling both
takes minutes. What is timed is what a page asks of
the store: the transaction, all its queries and the records made of the rows.
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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select, text

from bench.figures import Figure, quantile, table
from bench.populate import LARGEST, REGISTRY
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.records import RepositoryQuery, TagQuery
from kubedash.storage import registries, repositories, search, tags
from kubedash.storage.database import Database, ReadSession
from kubedash.storage.paging import Cursor
from kubedash.storage.tables import blob, manifest, repository, tag
from tests.support.databases import PostgresServer

STORES: Final = "BENCH_STORES"
ROUNDS: Final = 60
WARM_UP: Final = 5
GOAL_MILLISECONDS: Final = 25.0
GOAL_MEBIBYTES: Final = 300
ROWS: Final = 100
Case = Callable[[ReadSession], Awaitable[object]]
_REPOSITORY_SORTS: Final = ("name", "-name", "pushed_at", "-pushed_at", "-size", "-tag_count")
_TAG_SORTS: Final = {"version": "version_key", "name": "name", "created": "created", "size": "size"}
_WORDS: Final = ("kafka-redis", "gateway", "team07", "latest", "1.2.3", "rc1", "Vendor 42", "Vendor", "42", "zzzzzz")


class Bench:
    """The cases of one store."""

    def __init__(self, registry_id: int, repository_id: int) -> None:
        self.registry_id = registry_id
        self.repository_id = repository_id

    @classmethod
    async def of(cls, session: ReadSession) -> Bench:
        registry = await registries.find(session, REGISTRY)
        if registry is None:
            raise SystemExit("this store was not filled by bench.populate")
        largest = await repositories.find(session, registry.id, RepositoryName(LARGEST))
        if largest is None:
            raise SystemExit("this store was not filled by bench.populate")
        return cls(registry.id, largest.id)

    async def cases(self, session: ReadSession) -> dict[str, Case]:
        found: dict[str, Case] = {}
        for sort in _REPOSITORY_SORTS:
            found[f"image list by {sort}"] = self.images(sort=sort)
            found[f"image list by {sort}, deep"] = self.images(sort=sort, cursor=await self.image_cursor(session, sort))
        for name, query in _IMAGE_FILTERS.items():
            found[f"image list {name}"] = self.images(**query)
        found["namespaces"] = lambda session: repositories.namespaces(session, self.registry_id, None)
        for plain in _TAG_SORTS:
            for sort in (plain, f"-{plain}"):
                found[f"tag list by {sort}"] = self.tags(sort=sort)
                found[f"tag list by {sort}, deep"] = self.tags(sort=sort, cursor=await self.tag_cursor(session, sort))
        back = await self.tag_cursor(session, "-created", back=True)
        found["tag list by -created, deep, backward"] = self.tags(sort="-created", cursor=back)
        for name, filters in _TAG_FILTERS.items():
            found[f"tag list {name}"] = self.tags(**filters)
        for words in (*_WORDS, *await self.digests(session)):
            found[f"search {words!r}"] = lambda session, words=words: search.search(session, words, 50)  # type: ignore[misc]
        return found

    def images(self, **query: Any) -> Case:
        return lambda session: repositories.page(session, self.registry_id, RepositoryQuery(limit=ROWS, **query))

    def tags(self, **query: Any) -> Case:
        return lambda session: tags.page(session, self.repository_id, TagQuery(limit=ROWS, **query))

    async def image_cursor(self, session: ReadSession, sort: str) -> str:
        """Half way down."""
        key = repository.c[sort.removeprefix("-")]
        columns = (repository.c.name,) if key.name == "name" else (key, repository.c.name)
        depth = int(await session.scalar(select(func.count()).select_from(repository))) // 2
        order = [column.desc() if sort.startswith("-") else column for column in columns]
        row = await session.first(select(*columns).order_by(*order).offset(depth).limit(1))
        return Cursor(sort, False, tuple(row or ()), depth + 1).encode()

    async def tag_cursor(self, session: ReadSession, sort: str, *, back: bool = False) -> str:
        """Four fifths down."""
        key = tag.c[_TAG_SORTS[sort.removeprefix("-")]]
        columns = (tag.c.name,) if key.name == "name" else (key, tag.c.name)
        mine = (tag.c.repository_id == self.repository_id, tag.c.machine == 0)
        depth = int(await session.scalar(select(func.count()).where(*mine))) * 4 // 5
        order = [column.desc() if sort.startswith("-") else column for column in columns]
        row = await session.first(select(*columns).where(*mine).order_by(*order).offset(depth).limit(1))
        return Cursor(sort, back, tuple(row or ()), depth + 1).encode()

    async def digests(self, session: ReadSession) -> tuple[str, ...]:
        """The beginning of a manifest's and of a much shared layer's digest."""
        one = Digest(await session.scalar(select(manifest.c.digest).where(manifest.c.id == 4321)))
        shared = Digest(await session.scalar(select(blob.c.digest).where(blob.c.id == 7)))
        return one.encoded[:12], shared.short

    async def others(self, session: ReadSession) -> dict[str, Case]:
        """One query alone, in our way and in the ways not taken."""
        mine = {"repository": self.repository_id}
        listed = "SELECT * FROM tag WHERE repository_id = :repository AND machine = 0"
        by_date = "ORDER BY created DESC, name DESC LIMIT 101"
        created, name = Cursor.decode(await self.tag_cursor(session, "-created")).keys
        depth = Cursor.decode(await self.tag_cursor(session, "-created")).position
        return {
            _FIRST: _raw(f"{listed} {by_date}", mine),
            _UNINDEXED: _raw(f"{listed} ORDER BY created + 0 DESC, name DESC LIMIT 101", mine),
            _BY_KEY: _raw(
                f"{listed} AND (created, name) < (:created, :name) {by_date}",
                {**mine, "created": created, "name": name},
            ),
            _BY_OFFSET: _raw(f"{listed} {by_date} OFFSET {depth}", mine),
            _BY_LIKE: _raw(
                "SELECT 1 FROM tag WHERE name LIKE '%zzzzzz%' UNION ALL"
                " SELECT 1 FROM repository WHERE name LIKE '%zzzzzz%' LIMIT 50",
                {},
            ),
        }


_FIRST: Final = "query of the newest tags"
_UNINDEXED: Final = "the same without an index"
_BY_KEY: Final = "query of tags four fifths down, by key"
_BY_OFFSET: Final = "the same by OFFSET"
_BY_LIKE: Final = "names with 'zzzzzz' by LIKE alone"
_IMAGE_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "with 'kafka', by name": {"q": "kafka"},
    "with 'kafka', by -pushed_at": {"q": "kafka", "sort": "-pushed_at"},
    "with 'redis-9999', by -size": {"q": "redis-9999", "sort": "-size"},
    "with 'zzzzzz', by -pushed_at": {"q": "zzzzzz", "sort": "-pushed_at"},
    "of charts, by -pushed_at": {"kind": "chart", "sort": "-pushed_at"},
    "below team07, by name": {"namespace": "team07"},
    "below team07, by -size": {"namespace": "team07", "sort": "-size"},
    "below team07/billing, by -pushed_at": {"namespace": "team07/billing", "sort": "-pushed_at"},
    "below platform, by -pushed_at": {"namespace": "platform", "sort": "-pushed_at"},
}
_TAG_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "with '1.2.*', by -version": {"q": "1.2.*"},
    "with 'rc1', by -created": {"q": "rc1", "sort": "-created"},
    "with '4f', by size": {"q": "4f", "sort": "size"},
    "with 'zzzzzz', by -created": {"q": "zzzzzz", "sort": "-created"},
    "with machine tags, by -created": {"folded": True, "sort": "-created"},
}


def _raw(statement: str, values: dict[str, Any]) -> Case:
    return lambda session: session.rows(text(statement), values)


async def measure(url: str) -> dict[str, Any]:
    """Milliseconds of every case, and what memory the process needed at most."""
    database = await Database.open(url)
    try:
        async with database.read() as session:
            bench = await Bench.of(session)
            cases = await bench.cases(session)
            alone = await bench.others(session)
        lists = {name: await _timed(database, case) for name, case in cases.items()}
        memory = _memory()
        others = {name: await _timed(database, case) for name, case in alone.items()}
    finally:
        await database.close()
    return {"lists": lists, "others": others, "memory": memory}


async def _timed(database: Database, case: Case) -> list[float]:
    taken = []
    for _ in range(WARM_UP + ROUNDS):
        began = time.perf_counter()
        async with database.read() as session:
            await case(session)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[WARM_UP:]


def _memory() -> int:
    """The most that this process held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024


def _measured_aside(url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.store", "--measure", url]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _report(kind: str, found: dict[str, Any]) -> Iterator[Figure]:
    for name, taken in found["lists"].items():
        middle, tail = quantile(taken, 0.5), quantile(taken, 0.95)
        goal = f"p95 ≤ {GOAL_MILLISECONDS:.0f} ms"
        yield Figure(f"{kind}: {name}", f"p50 {middle:.1f} ms, p95 {tail:.1f} ms", goal, tail <= GOAL_MILLISECONDS)
    memory = found["memory"]
    yield Figure(f"{kind}: memory of the process", f"{memory} MiB", f"≤ {GOAL_MEBIBYTES} MiB", memory <= GOAL_MEBIBYTES)
    timed = found["others"] | found["lists"]
    for other, ours in _RATIOS.items():
        slow, fast = quantile(timed[other], 0.5), quantile(timed[ours], 0.5)
        yield Figure(f"{kind}: {other}", f"p50 {slow:.1f} ms, {slow / fast:.1f}× of {ours} ({fast:.1f} ms)")


_RATIOS: Final = {_UNINDEXED: _FIRST, _BY_OFFSET: _BY_KEY, _BY_LIKE: "search 'zzzzzz'"}


def figures(*, small: bool = False) -> Iterator[Figure]:
    """Fills and measures both databases, one after the other; those of `BENCH_STORES` are filled already."""
    given = os.environ.get(STORES, "").split()
    if given:
        yield from _of_urls(given)
        return
    with tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder:
        path = str(Path(folder) / "kubedash.db")
        _fill(path, small)
        yield from _report("SQLite", _measured_aside(path))
    with PostgresServer("shared_buffers=256MB", "max_wal_size=4GB") as server:
        server.execute("CREATE DATABASE bench")
        _fill(server.url("bench"), small)
        yield from _report("PostgreSQL", _measured_aside(server.url("bench")))


def _of_urls(urls: Sequence[str]) -> Iterator[Figure]:
    for url in urls:
        yield from _report("PostgreSQL" if url.startswith("postgres") else "SQLite", _measured_aside(url))


def _fill(url: str, small: bool) -> None:
    command = [sys.executable, "-m", "bench.populate", url, *(["--small"] if small else [])]
    subprocess.run(command, check=True, stdout=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the store's lists and searches.")
    parser.add_argument("--small", action="store_true", help="2,000 repositories and 30,000 tags")
    parser.add_argument("--url", action="append", help="measure this store, filled by bench.populate")
    parser.add_argument("--measure", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(arguments.measure))))
    elif arguments.url:
        print(table(list(_of_urls(arguments.url))))
    else:
        print(table(list(figures(small=arguments.small))))


if __name__ == "__main__":
    main()
