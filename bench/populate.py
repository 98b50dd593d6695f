"""Fills a store with a large, made-up registry: `python -m bench.populate URL [--small]`.

100,000 repositories in namespaces two and three deep with 1,000,000 tags: one with
50,000, one with 2,000, the others with few. Tags share digests as they do in real
life (`latest`, `1`, `1.25` and `1.25.3` are one image), layers are shared between
images, one tag in twenty is a signature. Everything follows from a fixed seed. Written
in batches straight into the tables, past the rules that a crawl obeys.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Protocol

import msgspec
import psycopg
import zstandard
from sqlalchemy import Table

from kubedash.oci.reference import Tag
from kubedash.records import RegistrySettings
from kubedash.storage import registries
from kubedash.storage.database import Database, upgrade
from kubedash.storage.statements import chunks
from kubedash.storage.tables import (
    blob,
    label,
    label_text,
    manifest,
    manifest_blob,
    repository,
    repository_manifest,
    tag,
    tag_name,
)
from kubedash.storage.values import to_micros

BATCH: Final = 20_000
REGISTRY: Final = "bench"
LARGEST: Final = "platform/delivery/monorepo-build"
LARGE: Final = "platform/delivery/nightly"
NOW: Final = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
DAY: Final = 86_400_000_000
SHARED_LAYERS: Final = 2000
_TEAMS: Final = [f"team{number:02d}" for number in range(60)]
_AREAS: Final = ("billing", "search", "gateway", "payments", "mail", "reports", "infra", "mobile")
_THINGS: Final = ("api", "web", "worker", "sync", "proxy", "cache", "cron", "ui", "admin", "kafka", "redis", "batch")
_RAW: Final = zstandard.compress(b"{}")
_IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"


class Scale(msgspec.Struct, frozen=True):
    """How much to make."""

    repositories: int
    tags: int
    largest: int
    large: int


FULL: Final = Scale(100_000, 1_000_000, 50_000, 2_000)
SMALL: Final = Scale(2_000, 30_000, 5_000, 2_000)


class Maker:
    """Rows of every table, a repository at a time."""

    def __init__(self, scale: Scale, registry_id: int) -> None:
        self.scale = scale
        self.registry_id = registry_id
        self.random = random.Random(20_260_101)
        self.manifests = 0

    def repositories(self) -> Iterator[tuple[int, str, int]]:
        """id, name and number of tags."""
        yield 1, LARGEST, self.scale.largest
        yield 2, LARGE, self.scale.large
        rest = self.scale.tags - self.scale.largest - self.scale.large
        mean = rest / (self.scale.repositories - 2)
        for number in range(3, self.scale.repositories + 1):
            team, area = _TEAMS[number * 7 % len(_TEAMS)], _AREAS[number % len(_AREAS)]
            thing = f"{self.random.choice(_THINGS)}-{self.random.choice(_THINGS)}-{number}"
            name = f"{team}/{area}/{thing}" if number % 3 else f"{team}/{thing}"
            yield number, name, max(1, round(self.random.gauss(mean, mean / 3)))

    def rows(self, repository_id: int, name: str, count: int) -> Iterator[tuple[Table, tuple[Any, ...]]]:
        """All rows of one repository: about half as many manifests as tags."""
        newest = 0
        for images in chunks(range(count), 2):
            created = NOW - self.random.randrange(900 * DAY)
            newest = max(newest, created)
            size = self.random.randrange(5_000_000, 900_000_000)
            digest = yield from self._manifest(repository_id, created, size)
            for position in images:
                yield tag, self._tag(repository_id, position, digest, created, size)
        kind = "chart" if repository_id % 50 == 0 else "image"
        size = self.random.randrange(10_000_000, 9_000_000_000)
        yield repository, (repository_id, self.registry_id, name, kind, count, "latest", size, newest, NOW, NOW)

    def _manifest(self, repository_id: int, created: int, size: int) -> Any:
        self.manifests += 1
        number = self.manifests
        digest = _digest(f"manifest {number}")
        platform = "linux/arm64" if number % 4 == 0 else "linux/amd64"
        yield manifest, (number, digest, _IMAGE, "image", size, created, platform, _RAW)
        own = SHARED_LAYERS + number
        yield blob, (own, _digest(f"blob {own}"), size // 3)
        yield manifest_blob, (number, 0, own)
        yield manifest_blob, (number, 1, number * 31 % SHARED_LAYERS + 1)
        yield repository_manifest, (repository_id, number)
        for position, text_id in enumerate((1 + repository_id % 500, 501 + number % 20_000)):
            key = ("org.opencontainers.image.vendor", "org.opencontainers.image.revision")[position]
            yield label, (number, position, key, _label_text(text_id), text_id, "config label")
        return digest

    def _tag(self, repository_id: int, position: int, digest: str, created: int, size: int) -> tuple[Any, ...]:
        if position % 20 == 19:
            name = Tag(f"sha256-{digest[7:]}.sig")
            return repository_id, name, name.version_key, 1, digest, digest, "cosign_signature", created, size, NOW
        plain, key = _tag_name(position)
        return repository_id, plain, key, 0, None, digest, "image", created, size, NOW


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _label_text(number: int) -> str:
    return f"Vendor {number} Limited" if number <= 500 else hashlib.sha256(f"label {number}".encode()).hexdigest()[:40]


@cache
def _tag_name(position: int) -> tuple[str, str]:
    """A name and its version key."""
    if position == 0:
        return "latest", Tag("latest").version_key
    major, rest = divmod(position, 400)
    minor, patch = divmod(rest, 20)
    shapes = (f"{major}.{minor}.{patch}", f"v{major}.{minor}.{patch}-rc1", f"main-{position:07x}")
    name = shapes[position % 3]
    return name, Tag(name).version_key


async def populate(url: str, scale: Scale) -> None:
    """Migrates and fills the database, and counts what is in it."""
    await upgrade(url)
    database = await Database.open(url)
    try:
        async with database.write() as session:
            settings = RegistrySettings(name=REGISTRY, title="Benchmark", url="http://registry.example")
            registry_id = await registries.add(session, settings, b"")
        with _sink(database) as sink:
            _write(Maker(scale, registry_id), sink)
        async with database.write() as session:
            await registries.recount(session, registry_id)
    finally:
        await database.close()


_COLUMNS: Final[dict[Table, str]] = {
    repository: "id registry_id name kind tag_count newest_tag size pushed_at first_synced last_synced",
    manifest: "id digest media_type kind size created platform raw",
    blob: "id digest size",
    manifest_blob: "manifest_id position blob_id",
    repository_manifest: "repository_id manifest_id",
    label_text: "id value",
    label: "manifest_id position key value text_id source",
    tag: "repository_id name version_key machine subject digest kind created size seen_at",
    tag_name: "name",
}
_Rows = Iterable[tuple[Any, ...]]


def _write(maker: Maker, sink: Sink) -> None:
    sink.write(label_text, ((number, _label_text(number)) for number in range(1, 20_501)))
    sink.write(blob, ((n, _digest(f"blob {n}"), n * 20_000) for n in range(1, SHARED_LAYERS + 1)))
    waiting: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
    names: set[str] = set()
    for entry in maker.repositories():
        for table, row in maker.rows(*entry):
            waiting[table].append(row)
        if len(waiting[tag]) >= BATCH:
            _flush(sink, waiting, names)
    _flush(sink, waiting, names)


def _flush(sink: Sink, waiting: dict[Table, list[tuple[Any, ...]]], names: set[str]) -> None:
    new = {row[1] for row in waiting[tag] if not row[3]} - names
    names |= new
    waiting[tag_name] = [(name,) for name in sorted(new)]
    for table, rows in waiting.items():
        sink.write(table, rows)
        rows.clear()
    sink.commit()


class Sink(Protocol):
    """Takes rows as fast as the driver can."""

    def write(self, table: Table, rows: _Rows) -> None: ...

    def commit(self) -> None: ...


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, table: Table, rows: _Rows) -> None:
        columns = _COLUMNS[table].split()
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", rows)

    def commit(self) -> None:
        self._connection.commit()


class _Postgresql:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def write(self, table: Table, rows: _Rows) -> None:
        columns = ", ".join(_COLUMNS[table].split())
        command = f"COPY {table.name} ({columns}) FROM STDIN"
        with self._connection.cursor().copy(command.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def commit(self) -> None:
        self._connection.commit()

    def finish(self) -> None:
        """Rows were numbered by hand: number on from there. Vacuumed, as a server does by itself in time."""
        for table in ("repository", "manifest", "blob", "label_text"):
            last = f"(SELECT max(id) FROM {table})"
            self._connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})".encode())
        self._connection.commit()
        self._connection.autocommit = True
        self._connection.execute("VACUUM ANALYZE")


@contextmanager
def _sink(database: Database) -> Iterator[Sink]:
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(database.url.database or "")) as file:
            file.execute("PRAGMA synchronous = OFF")
            yield _Sqlite(file)
        return
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(address)) as connection:
        sink = _Postgresql(connection)
        yield sink
        sink.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill a store with a large, made-up registry.")
    parser.add_argument("url", help="SQLAlchemy URL, or the path of an SQLite file")
    parser.add_argument("--small", action="store_true", help="2,000 repositories and 30,000 tags")
    arguments = parser.parse_args()
    started = time.monotonic()
    asyncio.run(populate(arguments.url, SMALL if arguments.small else FULL))
    print(f"filled in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
