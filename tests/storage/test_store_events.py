"""Events: each once, found by any filter, counted by hour, gone when they are old."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from kubedash.errors import InvalidInput
from kubedash.records import EventCounts, EventFilter, EventQuery, RegistrySettings, TopEntry
from kubedash.records.events import UNATTRIBUTED
from kubedash.storage import event_retention, event_rollups, event_stats, event_writing, events, registries
from kubedash.storage.database import Database
from tests.support.databases import DatabaseAt
from tests.support.events import DIGEST, row
from tests.support.summaries import DAY, NOW

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def _registry(store: Database, name: str) -> tuple[int, int]:
    async with store.write() as session:
        settings = RegistrySettings(name=name, title=name, url=f"http://{name}.example.com")
        registry_id = await registries.add(session, settings, b"")
        return registry_id, await event_writing.source_of(session, registry_id)


async def _add(store: Database, *rows: event_writing.Values) -> int:
    """How many were new."""
    async with store.write() as session:
        await event_writing.add(session, rows)
    async with store.read() as session:
        return int(await session.scalar(text("SELECT count(*) FROM event")))


async def _count(store: Database) -> None:
    async with store.write() as session:
        last = await event_rollups.settled_id(session)
    async with store.write() as session:
        behind, _ = await event_rollups.position(session)
        await event_rollups.add(session, behind, last, NOW)


def test_an_event_is_kept_whole(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        moment = datetime.fromisoformat("2026-03-01T11:59:58.123456+00:00")
        await _add(store, row(source, 1, moment, action="delete", tag=None, addr="[2001:db8::1]:443", received=NOW))
        async with store.read() as session:
            (found,) = (await events.page(session, EventQuery())).items
            assert await events.by_id(session, found.id) == found
            assert await events.last_received(session, "main") == found
            assert await events.last_id(session) == found.id
        assert (found.registry, found.event_id, found.action) == ("main", "event-1", "delete")
        assert (found.repository, found.tag, found.digest, found.size) == ("team/api", None, DIGEST, 500)
        assert (found.actor, found.address, found.address_claimed) == ("ci", "2001:db8::1", False)
        assert (found.user_agent, found.method, found.instance) == ("docker/27", "GET", "one")
        assert (found.occurred_at, found.at, found.received_at) == (moment, moment, NOW)
        assert (found.authenticated, found.own, found.counted, found.strange, found.raw) == (
            True,
            False,
            True,
            None,
            None,
        )

    database.run(body)


def test_an_event_that_comes_again_is_kept_once(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, one = await _registry(store, "one")
        _, other = await _registry(store, "other")
        assert await _add(store, row(one), row(one), row(one, 2)) == 2
        assert await _add(store, row(one, received=NOW + HOUR), row(one, at=NOW + MINUTE)) == 2
        assert await _add(store, row(other)) == 3

    database.run(body)


def test_an_event_without_a_time_of_its_own_is_known_by_its_id(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        assert await _add(store, row(source, at=None), row(source, at=None)) == 1
        assert await _add(store, row(source, at=None, received=NOW + DAY)) == 1
        far = NOW + 40 * DAY
        assert await _add(store, row(source, 2, far), row(source, 2, far, received=NOW + HOUR)) == 2
        async with store.read() as session:
            newest, first = (await events.page(session, EventQuery(sort="-at"))).items
        assert (first.occurred_at, first.at) == (None, NOW)
        assert (newest.occurred_at, newest.at) == (far, NOW)

    database.run(body)


def test_what_has_neither_id_nor_time_may_happen_again_later(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        nameless = {"id": None, "at": None}
        assert await _add(store, row(source, **nameless), row(source, received=NOW + MINUTE, **nameless)) == 1
        assert await _add(store, row(source, received=NOW + HOUR, **nameless)) == 2
        assert await _add(store, row(source, received=NOW + HOUR + MINUTE, **nameless)) == 2

    database.run(body)


FILTERS = {
    "registry": (EventFilter(registry="other"), {5}),
    "nobody's": (EventFilter(registry=UNATTRIBUTED), {6}),
    "unknown registry": (EventFilter(registry="gone"), set()),
    "repository": (EventFilter(repository="team/web"), {2}),
    "tag": (EventFilter(tag="2.0"), {3}),
    "tag of a repository": (EventFilter(repository="team/api", tag="2.0"), {3}),
    "digest": (EventFilter(digest="sha256:" + "b" * 64), {4}),
    "action": (EventFilter(actions=("delete",)), {4}),
    "actions": (EventFilter(actions=("delete", "push")), {2, 4}),
    "actor": (EventFilter(actor="zoe"), {3, 6}),
    "address": (EventFilter(address="10.0.0.9"), {1}),
    "since": (EventFilter(since=NOW + 5 * MINUTE), {5, 6}),
    "until": (EventFilter(until=NOW + 2 * MINUTE), {1}),
    "several": (EventFilter(actor="zoe", registry="main", repository="team/api"), {3}),
    "nothing": (EventFilter(actor="zoe", tag="1.0", registry="other"), set()),
    "NUL": (EventFilter(actor="z\x00oe"), {3, 6}),
}


async def _filled(store: Database) -> None:
    _, main = await _registry(store, "main")
    _, other = await _registry(store, "other")
    async with store.write() as session:
        nobody = await event_writing.source_of(session, None)

    def at(number: int) -> datetime:
        return NOW + number * MINUTE

    await _add(
        store,
        row(main, 1, at(1), addr="10.0.0.9:1"),
        row(main, 2, at(2), action="push", repository="team/web"),
        row(main, 3, at(3), tag="2.0", actor="zoe"),
        row(main, 4, at(4), action="delete", digest="sha256:" + "b" * 64, tag=None),
        row(other, 5, at(5)),
        row(nobody, 6, at(6), actor="zoe"),
    )


def test_filters(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        await _filled(store)
        for name, (where, numbers) in FILTERS.items():
            await holds(store, name, where, numbers)

    async def holds(store: Database, name: str, where: EventFilter, numbers: set[int]) -> None:
        async with store.read() as session:
            page = await events.page(session, EventQuery(where=where))
            later = await events.after(session, 0, 100, where)
        expected = [f"event-{number}" for number in sorted(numbers)]
        assert [event.event_id for event in later] == expected, name
        assert [event.event_id for event in page.items] == expected[::-1], name
        assert (page.next, page.previous) == (None, None), name

    database.run(body)


@pytest.mark.parametrize("where", [EventFilter(), EventFilter(actor="ci", registry="main")], ids=["all", "some"])
def test_pages(database: DatabaseAt, where: EventFilter) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        await _add(store, *(row(source, number, NOW + number // 2 * MINUTE) for number in range(7)))
        async with store.read() as session:
            seen: list[str] = []
            cursor = None
            while True:
                page = await events.page(session, EventQuery(where=where, limit=3, cursor=cursor))
                seen += [event.event_id for event in page.items]
                cursor = page.next
                if cursor is None:
                    break
            assert seen == [f"event-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
            back = await events.page(session, EventQuery(where=where, limit=3, cursor=page.previous))
            assert [event.event_id for event in back.items] == ["event-3", "event-2", "event-1"]
            oldest = await events.page(session, EventQuery(where=where, sort="at", limit=2))
            assert [event.event_id for event in oldest.items] == ["event-0", "event-1"]
            with pytest.raises(InvalidInput):
                await events.page(session, EventQuery(sort="size"))
            with pytest.raises(InvalidInput):
                await events.page(session, EventQuery(cursor="nonsense"))

    database.run(body)


def test_a_page_that_looks_at_too_many_says_where_to_go_on(
    database: DatabaseAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOKED_AT", 4)
    events._page_statement.cache_clear()
    events._last_looked_at.cache_clear()

    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        await _add(
            store,
            *(row(source, number, NOW + number * MINUTE, tag="old" if number < 2 else "new") for number in range(10)),
        )
        where = EventFilter(tag="old", actor="ci")
        found, cursor, pages = [], None, 0
        async with store.read() as session:
            while pages == 0 or cursor:
                page = await events.page(session, EventQuery(where=where, limit=3, cursor=cursor))
                found += [event.event_id for event in page.items]
                cursor, pages = page.next, pages + 1
        assert (found, pages) == (["event-1", "event-0"], 3)

    try:
        database.run(body)
    finally:
        events._page_statement.cache_clear()
        events._last_looked_at.cache_clear()


def test_figures_are_counted_once_and_outlive_the_events(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        await _filled(store)
        await _count(store)
        await _count(store)
        where = EventFilter(until=NOW + HOUR)

        async def figures(**more: object) -> tuple[EventCounts, tuple[TopEntry, ...], tuple[TopEntry, ...]]:
            async with store.read() as session:
                found = await event_stats.stats(session, EventFilter(**{"until": where.until, **more}), NOW)  # type: ignore[arg-type]
            assert found.complete_since is None
            assert sum(found.by_hour) == sum((found.totals.push, found.totals.pull, found.totals.delete))
            assert sum(point.counts.pull for point in found.points) == found.totals.pull
            return found.totals, found.top_repositories, found.top_actors

        images = (
            TopEntry(name="team/api", registry="main", count=3),
            TopEntry(name="team/api", registry=None, count=1),
        )
        totals, top_images, top_actors = await figures()
        assert totals == EventCounts(push=1, pull=4, delete=1)
        assert top_images[0] == images[0]
        assert images[1] in top_images
        assert top_actors == (TopEntry(name="ci", registry=None, count=4), TopEntry(name="zoe", registry=None, count=2))
        assert (await figures(since=NOW - HOUR))[:2] == (totals, top_images)
        assert (await figures(registry="main"))[0] == EventCounts(push=1, pull=2, delete=1)
        assert (await figures(repository="team/api"))[0] == EventCounts(pull=4, delete=1)
        assert (await figures(actor="zoe"))[0] == EventCounts(pull=2)
        assert (await figures(actions=("push",)))[0] == EventCounts(push=1)
        assert (await figures(tag="1.0", quiet=True, actor="ci", actions=("pull", "push")))[0] == EventCounts(
            push=1, pull=2
        )
        by_events = await figures(tag="2.0")
        assert by_events[:2] == (EventCounts(pull=1), (TopEntry(name="team/api", registry="main", count=1),))
        assert await event_retention.forget_before(store, NOW + DAY) == 6
        assert await _add(store) == 0
        assert (await figures())[0] == totals
        assert (await figures(tag="2.0"))[0] == EventCounts()

    database.run(body)


def test_top_lists_remember_what_is_over_and_count_what_goes_on(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        past = event_stats.PastSums()

        async def top(since: datetime) -> tuple[TopEntry, ...]:
            await _count(store)
            async with store.read() as session:
                where = EventFilter(since=since, until=NOW + MINUTE)
                remembered = await event_stats.stats(session, where, NOW, past)
                assert remembered == await event_stats.stats(session, where, NOW)
            return remembered.top_repositories

        for since in (NOW - 60 * DAY, NOW - 6 * HOUR):
            before = sum(entry.count for entry in await top(since))
            number = int((NOW - since).total_seconds())
            await _add(store, row(source, number), row(source, number + 1, repository="team/web"))
            assert sum(entry.count for entry in await top(since)) == before + 2
        await _add(store, row(source, 9, NOW - 5 * DAY))
        assert [(entry.name, entry.count) for entry in await top(NOW - 61 * DAY)] == [("team/api", 3), ("team/web", 2)]

    database.run(body)


def test_sums_of_what_is_over_hold_until_something_comes_late(
    database: DatabaseAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        past, seconds = event_stats.PastSums(), [0.0]
        monkeypatch.setattr(event_stats, "monotonic", lambda: seconds[0])

        async def count_of(repository: str) -> int:
            await _count(store)
            async with store.read() as session:
                found = await event_stats.stats(session, EventFilter(since=NOW - 60 * DAY), NOW, past)
            return sum(entry.count for entry in found.top_repositories if entry.name == repository)

        await _add(store, row(source, 1, NOW - 5 * DAY))
        assert await count_of("team/api") == 1
        await _add(store, row(source, 2, NOW))
        await _count(store)
        async with store.write() as session:
            # Nobody tells of this: it shows whether the past is read again.
            await session.run(text("UPDATE event_rollup SET name = 'team/web' WHERE name = 'team/api'"))
        seconds[0] = 10 * event_stats.KEPT_SECONDS
        assert (await count_of("team/api"), await count_of("team/web")) == (1, 1)
        await _add(store, row(source, 3, NOW - 4 * DAY, repository="team/late"))
        assert await count_of("team/late") == 1
        assert (await count_of("team/api"), await count_of("team/web")) == (0, 2)
        await _add(store, row(source, 4, NOW - 4 * DAY, repository="team/late"))
        assert await count_of("team/late") == 1
        seconds[0] += event_stats.KEPT_SECONDS
        assert await count_of("team/late") == 2

    database.run(body)


def test_old_weeks_go_but_not_before_they_are_counted(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, source = await _registry(store, "main")
        weeks = [NOW - 21 * DAY, NOW - 14 * DAY, NOW]
        for moment in weeks:
            for week in event_retention.weeks_around(moment):
                await event_retention.prepare_week(store, week)
                await event_retention.prepare_week(store, week)
        await _add(store, *(row(source, number, moment) for number, moment in enumerate(weeks)))
        await event_retention.forget_before(store, NOW - DAY)
        assert await _add(store) == 3
        await _count(store)
        await event_retention.forget_before(store, NOW - DAY)
        assert await _add(store) == 1
        assert await _add(store, row(source, 9, NOW - 21 * DAY)) == 2

    database.run(body)


def test_events_outlive_their_registry_under_its_name(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id, source = await _registry(store, "main")
        await _add(store, row(source))
        async with store.write() as session:
            await registries.remove(session, registry_id)
        async with store.read() as session:
            for where in (EventFilter(), EventFilter(registry="main")):
                assert [event.registry for event in (await events.page(session, EventQuery(where=where))).items] == [
                    "main"
                ]

    database.run(body)
