"""Which requests figures count as pulls, and that each is decided once, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from kubedash.records import EventFilter, EventQuery, RegistrySettings
from kubedash.storage import event_rollups, event_stats, event_writing, events, registries
from kubedash.storage.database import Database
from kubedash.storage.event_writing import Values
from kubedash.workflows import event_counting
from kubedash.workflows.event_counting import EventCounting
from tests.support.databases import DatabaseAt
from tests.support.events import row
from tests.support.summaries import NOW

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
INDEX, AMD64, ARM64, PLAIN = (f"sha256:{letter * 64}" for letter in "abcd")
SECOND = timedelta(seconds=1)
PARTS = 3
"""Requests of one pull as docker does it."""


def by_docker(source: int, number: int, at: datetime = NOW, **fields: object) -> list[Values]:
    """HEAD by tag, the index by digest, a platform by digest."""
    shared = {"addr": f"10.0.{number // 250}.{number % 250}:1", **fields}
    return [
        row(source, number * 10, at, method="HEAD", digest=INDEX, media_type=INDEX_TYPE, **shared),
        row(source, number * 10 + 1, at + SECOND, tag=None, digest=INDEX, media_type=INDEX_TYPE, **shared),
        row(source, number * 10 + 2, at + 2 * SECOND, tag=None, digest=AMD64, **shared),
    ]


async def sources(store: Database) -> tuple[int, int]:
    """A registry's, and that of nobody we know."""
    async with store.write() as session:
        settings = RegistrySettings(name="main", title="main", url="http://main.example.com")
        registry_id = await registries.add(session, settings, b"")
        return await event_writing.source_of(session, registry_id), await event_writing.source_of(session, None)


async def add(store: Database, *rows: Values) -> None:
    async with store.write() as session:
        await event_writing.add(session, rows)


async def charted(store: Database, **where: object) -> tuple[int, int]:
    """Pulls, and what is none."""
    async with store.read() as session:
        found = await event_stats.stats(session, EventFilter(until=NOW + timedelta(hours=1), **where), NOW)  # type: ignore[arg-type]
    return found.totals.pull, found.totals.other


async def told(store: Database) -> list[tuple[bool, str | None]]:
    """Whether each counts, and as what, in the order in which it happened."""
    async with store.read() as session:
        found = (await events.page(session, EventQuery(sort="at", limit=1000))).items
    return [(event.counted, event.pulled_as) for event in found]


def counting(store: Database) -> EventCounting:
    return EventCounting(store, lambda: NOW)


def test_one_docker_pull_is_one_pull_in_every_figure(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        main, nobody = await sources(store)
        await add(store, *by_docker(main, 1), *by_docker(nobody, 2, NOW + SECOND, repository="un/known"))
        assert await counting(store).run()
        assert await charted(store) == (2, 4)
        assert await charted(store, registry="main") == await charted(store, registry="-") == (1, 2)
        assert await charted(store, actor="ci") == (2, 0)
        assert await charted(store, repository="un/known") == (1, 0)
        assert (await charted(store, digest=AMD64)) == (0, 2)
        assert (await charted(store, digest=INDEX)) == (2, 2)
        async with store.read() as session:
            tops = await event_stats.stats(session, EventFilter(until=NOW + SECOND), NOW)
        assert [entry.count for entry in tops.top_repositories] == [1, 1]
        assert [entry.count for entry in tops.top_actors] == [2]
        assert sorted(await told(store)) == sorted([(False, None), (True, "1.0"), (False, None)] * 2)

    database.run(body)


@pytest.mark.parametrize("cut", range(1, PARTS))
@pytest.mark.parametrize("same_process", [True, False])
def test_a_pull_that_is_counted_in_two_steps_is_one(database: DatabaseAt, cut: int, same_process: bool) -> None:
    async def body(store: Database) -> None:
        main, _ = await sources(store)
        rows = by_docker(main, 1)
        first, other = counting(store), counting(store)
        await add(store, *rows[:cut])
        await first.run()
        await add(store, *rows[cut:])
        await (first if same_process else other).run()
        assert await charted(store) == (1, 2)
        await add(store, *by_docker(main, 2))
        await first.run()
        await other.run()
        assert await charted(store) == (2, 4)

    database.run(body)


def test_what_comes_together_is_taken_as_it_happened(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        main, _ = await sources(store)
        await add(store, *reversed(by_docker(main, 1)))
        await counting(store).run()
        assert await charted(store) == (1, 2)
        # One that comes much later counts in its own hour, and changes nothing that is decided.
        await add(store, row(main, 50, NOW - timedelta(hours=3), tag=None, digest=AMD64, addr="10.0.0.1:1"))
        await counting(store).run()
        assert await charted(store) == (2, 2)
        assert (await charted(store, since=NOW - timedelta(hours=3)))[0] == 2
        assert (await charted(store, since=NOW - timedelta(hours=1)))[0] == 1

    database.run(body)


def test_several_that_count_at_once_count_each_once(database: DatabaseAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counting, "AT_ONCE", 7)

    async def body(store: Database) -> None:
        main, nobody = await sources(store)
        many = 40
        for number in range(many):
            await add(store, *by_docker(main if number % 2 else nobody, number))
        ours = [counting(store) for _ in range(3)]
        assert await asyncio.gather(*(one.run() for one in ours)) == [True] * 3
        assert await charted(store) == (many, (PARTS - 1) * many)
        assert len({await one.position() for one in ours}) == 1

    database.run(body)


def test_nothing_is_decided_where_it_is_not_kept(database: DatabaseAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures fail after the pulls were marked: neither is there, and the next try counts all of it."""

    async def body(store: Database) -> None:
        main, _ = await sources(store)
        rows = by_docker(main, 1)
        one = counting(store)
        await add(store, *rows[:2])
        await one.run()
        await add(store, *rows[2:])
        with monkeypatch.context() as patch:
            patch.setattr(event_rollups, "add", _fails)
            with pytest.raises(RuntimeError):
                await one.run()
        assert await told(store) == [(False, None), (True, "1.0"), (True, None)]
        await one.run()
        assert await told(store) == [(False, None), (True, "1.0"), (False, None)]
        assert await charted(store) == (1, 2)

    database.run(body)


async def _fails(*_: object) -> None:
    raise RuntimeError("the store is full")


def test_who_looks_for_more_counts_it_but_not_without_a_rest(
    database: DatabaseAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(store: Database) -> None:
        main, _ = await sources(store)
        one = counting(store)
        assert await one.beyond(0) == 0
        await add(store, *by_docker(main, 1))
        last = await one.beyond(0)
        await add(store, *by_docker(main, 2))
        assert await one.beyond(0) == last
        monkeypatch.setattr(event_counting, "LONGEST_REST", 0.0)
        await one.run()
        await add(store, *by_docker(main, 3))
        assert await one.beyond(last) == last + PARTS
        assert await one.beyond(last + PARTS) == last + 2 * PARTS
        monkeypatch.setattr(event_counting, "LONGEST_REST", 60.0)
        monkeypatch.setattr(event_counting, "REST", 1_000_000)
        await add(store, *by_docker(main, 4))
        newest = await one.beyond(last + 2 * PARTS)
        await add(store, *by_docker(main, 5))
        assert await one.beyond(newest) == newest
        # Who opens the figures does not wait.
        assert await one.run()
        assert await one.position() == newest + PARTS

    database.run(body)


def test_none_that_is_committed_late_is_passed_over(postgres_database: DatabaseAt) -> None:
    """Ids are given out before the commit: an event may be there while one before it is still to come."""

    async def body(store: Database) -> None:
        main, _ = await sources(store)
        first, *rest = by_docker(main, 1)
        one = counting(store)
        async with store.write() as slow:
            await event_writing.add(slow, [first])
            await add(store, *rest)
            ahead = asyncio.create_task(one.run())
            done, _ = await asyncio.wait([ahead], timeout=0.5)
            assert not done
            assert await one.position() == 0
        assert await ahead
        assert await charted(store) == (1, 2)
        assert (False, None) in await told(store)
        assert await one.position() == PARTS

    postgres_database.run(body)
