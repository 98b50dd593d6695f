"""Fills a store with events of 90 days: `python -m bench.populate_events URL [--events N]`.

Ten million unless told otherwise: 2,000 repositories and 200 actors of which few do most,
5,000 addresses, mostly pulls, busier by day than by night. The database makes them up
itself, from a fixed rule; its indexes are built afterwards. The figures beside them are
counted by the database too, the way `kubedash.storage.event_rollups` counts.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from kubedash.policy.events import COUNTED, Tally
from kubedash.records import RegistrySettings
from kubedash.storage import event_retention, event_rollups, event_writing, registries
from kubedash.storage.database import Database, WriteSession, upgrade
from kubedash.storage.values import to_micros
from kubedash.workflows import drive_index

EVENTS: Final = 10_000_000
CHUNK: Final = 500_000
DAYS: Final = 90
REGISTRIES: Final = ("main", "mirror")
_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(CAST(:first AS bigint), CAST(:end AS bigint) - 1))",
}
_HEX: Final = {
    "sqlite": "printf('%064x', repository * 30 + version)",
    "postgresql": "lpad(to_hex(repository * 30 + version), 64, '0')",
}
_INDEXES: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'event' AND type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE tablename = 'event'"
    " AND indexname LIKE 'ix_%'",
}
# Multiplying by odd numbers scatters without repeating; a product of two such shares is small more often than not.
_EVENT: Final = """
INSERT INTO event (occurred_at, received_at, source_id, event_id, action, tally, repository, tag, digest,
    media_type, size, actor, address, user_agent, method, host, instance, sender, format, authenticated, own,
    address_claimed, timed)
{numbers} SELECT at, at + 400000, source_id, 'event-' || i, kind,
    CASE kind WHEN 'push' THEN 1 WHEN 'pull' THEN 2 ELSE 3 END,
    'team' || (repository % 40) || '/service-' || repository, '1.' || version || '.0', 'sha256:' || {digest},
    'application/vnd.oci.image.manifest.v1+json', 1234, 'user-' || actor,
    '10.0.' || (address / 250) || '.' || (address % 250), 'docker/27.3.1 go/go1.22.7 kernel/6.1.0', 'GET',
    'registry.example.com', 'c27c8aa6-8d42-4f71-a1d0-13b0d0f1c0a1', '127.0.0.1', 'distribution', 1, 0, 0, 1
FROM (
    SELECT i, :start + i * :step AS at, CASE WHEN a % 10 < 8 THEN :source ELSE :other END AS source_id,
        CASE WHEN b % 100 < 12 THEN 'push' WHEN b % 1000 < 990 THEN 'pull' ELSE 'delete' END AS kind,
        (a % 2000) * (b % 1000) / 1000 * (c % 500) / 500 AS repository, (c % 200) * (a % 100) / 100 AS actor,
        b % 30 AS version,
        c % 5000 AS address
    FROM (SELECT i, (i * 2654435761) % 1000003 AS a, (i * 40503 + 7) % 1000033 AS b, (i * 69069 + 1) % 1000037 AS c
        FROM n) scattered
) made
"""
_HOURLY: Final = """
INSERT INTO event_rollup (dimension, name, source_id, span, start, tally, many)
SELECT {dimension}, {name}, {source}, 3600, occurred_at / 3600000000 * 3600, tally, count(*) FROM event
GROUP BY {group}occurred_at / 3600000000, tally
"""
_LONGER: Final = """
INSERT INTO event_rollup (dimension, name, source_id, span, start, tally, many)
SELECT dimension, name, source_id, :span, start / :span * :span, tally, sum(many) FROM event_rollup WHERE span = 3600
GROUP BY dimension, name, source_id, start / :span, tally
"""
_IN_ALL: Final = """
INSERT INTO event_rollup (dimension, name, source_id, span, start, tally, many)
SELECT dimension, name, source_id, span, start, :all, sum(many) FROM event_rollup
WHERE span > 3600 AND dimension > 0 AND tally < :other GROUP BY dimension, name, source_id, span, start
"""


async def fill(url: str, events: int) -> None:
    """Into a store that has no events yet."""
    await upgrade(url)
    database = await Database.open(url)
    try:
        began = time.perf_counter()
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        await _weeks(database, now)
        sources = await _sources(database)
        async with database.write() as session:
            indexes = await session.rows(text(_INDEXES[database.dialect]))
            for index in indexes:
                await session.run(text(f"DROP INDEX {index.name}"))
        await _events(database, events, to_micros(now - timedelta(days=DAYS)), sources)
        print(f"{events:,} events after {time.perf_counter() - began:.0f} s", flush=True)
        for index in indexes:
            async with database.write() as session:
                await session.run(text(index.sql.replace(" ON ONLY ", " ON ")))
        print(f"indexes after {time.perf_counter() - began:.0f} s", flush=True)
        await _rollups(database, events)
        if database.dialect == "postgresql":
            async with database.write() as session:
                await session.run(text("ANALYZE"))
        print(f"figures after {time.perf_counter() - began:.0f} s", flush=True)
    finally:
        await database.close()


async def _weeks(database: Database, now: datetime) -> None:
    for day in range(DAYS + 1):
        for week in event_retention.weeks_around(now - timedelta(days=day)):
            await event_retention.prepare_week(database, week)


async def _sources(database: Database) -> list[int]:
    found = []
    for name in REGISTRIES:
        async with database.write() as session:
            settings = RegistrySettings(name=name, title=name, url=f"http://{name}.example.com")
            registry_id = await registries.add(session, settings, b"")
            found.append(await event_writing.source_of(session, registry_id))
    return found


async def _events(database: Database, events: int, start: int, sources: list[int]) -> None:
    sql = _EVENT.format(digest=_HEX[database.dialect], numbers=_NUMBERS[database.dialect])
    step = DAYS * 86_400_000_000 // events
    for first in range(0, events, CHUNK):
        async with database.write() as session:
            values = {"first": first, "end": min(events, first + CHUNK), "start": start, "step": step}
            await session.run(text(sql), values | {"source": sources[0], "other": sources[1]})


async def _rollups(database: Database, events: int) -> None:
    async with database.write() as session:
        for dimension, name in ((event_rollups.BY_REPOSITORY, "repository"), (event_rollups.BY_ACTOR, "actor")):
            await _hourly(session, dimension, name, "source_id", f"{name}, source_id, ")
        await _hourly(session, event_rollups.IN_ALL, "''", "source_id", "source_id, ")
        await _hourly(session, event_rollups.IN_ALL, "''", "0", "")
        for span in (event_rollups.DAY, event_rollups.EIGHT_DAYS):
            await session.run(text(_LONGER), {"span": span})
        await session.run(text(_IN_ALL), {"all": int(Tally.ALL), "other": int(max(COUNTED)) + 1})
        last = await event_rollups.settled_id(session)
        for who in (event_rollups.CURSOR, drive_index.CURSOR):
            await event_rollups.move(session, who, last, datetime.now(UTC))


async def _hourly(session: WriteSession, dimension: int, name: str, source: str, group: str) -> None:
    await session.run(text(_HOURLY.format(dimension=dimension, name=name, source=source, group=group)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill a store with events.")
    parser.add_argument("url")
    parser.add_argument("--events", type=int, default=EVENTS)
    arguments = parser.parse_args()
    asyncio.run(fill(arguments.url, arguments.events))


if __name__ == "__main__":
    main()
