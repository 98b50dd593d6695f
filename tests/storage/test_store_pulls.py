"""Pulls by day, and who works events off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import RegistrySettings, RepositoryQuery, TagQuery
from kubedash.storage import event_feed, event_writing, pulls, registries, repositories, tags
from kubedash.storage.database import Database
from kubedash.storage.event_feed import MAX_INSTANCES
from kubedash.storage.pulls import KEEP_DAYS, Counted
from tests.support.databases import DatabaseAt
from tests.support.events import row
from tests.support.summaries import DAY, NOW

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


async def _place(store: Database) -> tuple[int, int]:
    """A registry that told us of pulls, and a repository of it with two tags."""
    async with store.write() as session:
        settings = RegistrySettings(name="main", title="Main", url="http://main.example")
        registry_id = await registries.add(session, settings, b"")
        made = await repositories.ensure(session, registry_id, [RepositoryName("team/app")], NOW)
        await tags.observe(session, made[RepositoryName("team/app")], [(Tag("1"), ONE), (Tag("2"), TWO)], NOW, "crawl")
        source = await event_writing.source_of(session, registry_id)
        await event_writing.add(session, [row(source, 1, NOW), row(source, 2, NOW, action="push")])
    async with store.read() as session:
        arrived = await event_feed.behind(session, 0, 100, 100)
    async with store.write() as session:
        await event_feed.note_watch(session, registry_id, arrived)
    return registry_id, made[RepositoryName("team/app")]


def test_pulls_are_summed_over_7_30_and_90_days(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id, place = await _place(store)
        ages = [0, 6, 7, 29, 30, 89, 90]
        for _ in range(2):
            async with store.write() as session:
                await pulls.add(session, [Counted(place, "1", NOW - age * DAY) for age in ages])
        async with store.write() as session:
            await pulls.add(session, [Counted(place, TWO, NOW - DAY)])
        async with store.read() as session:
            found = await pulls.of_tags(session, registry_id, place, [(Tag("1"), ONE), (Tag("2"), TWO)], NOW)
            whole = await pulls.of_repositories(session, registry_id, [place], NOW)
            listed = await tags.page(session, place, TagQuery(sort="-last_pulled"))
            images = await repositories.page(session, registry_id, RepositoryQuery(sort="-last_pulled"))
        first, second = found[Tag("1")], found[Tag("2")]
        assert (first.days_7, first.days_30, first.days_90, first.since) == (4, 8, 12, NOW)
        assert (second.days_7, second.days_30, second.days_90) == (1, 1, 1)
        assert (whole[place].days_7, whole[place].days_90) == (5, 13)
        assert [(item.name, item.last_pulled) for item in listed.items] == [("1", NOW), ("2", NOW - DAY)]
        assert [item.last_pulled for item in images.items] == [NOW]

    database.run(body)


def test_the_last_pull_stays_the_last_whatever_comes_later(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        _, place = await _place(store)
        for moment in (NOW, NOW - DAY):
            async with store.write() as session:
                await pulls.add(session, [Counted(place, "1", moment)])
        async with store.write() as session:
            await tags.forget(session, place, [Tag("1")], NOW, "event")
            await tags.observe(session, place, [(Tag("1"), TWO)], NOW, "event")
            await pulls.forget(session, NOW + (KEEP_DAYS + 1) * DAY)
        async with store.read() as session:
            listed = await tags.page(session, place, TagQuery(sort="name"))
        assert [item.last_pulled for item in listed.items] == [NOW, None]

    database.run(body)


def test_where_no_pull_was_ever_told_nothing_is_said(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            settings = RegistrySettings(name="zot", title="zot", url="http://zot.example")
            registry_id = await registries.add(session, settings, b"")
            made = await repositories.ensure(session, registry_id, [RepositoryName("a")], NOW)
            source = await event_writing.source_of(session, registry_id)
            await event_writing.add(session, [row(source, 1, NOW, action="push")])
        async with store.read() as session:
            arrived = await event_feed.behind(session, 0, 100, 100)
        async with store.write() as session:
            await event_feed.note_watch(session, registry_id, arrived)
        async with store.read() as session:
            assert await pulls.of_repositories(session, registry_id, list(made.values()), NOW) == {}
            watch = await event_feed.watch(session, registry_id)
        assert watch is not None
        assert (watch.first_at, watch.pulls_since) == (NOW, None)

    database.run(body)


def test_one_works_at_a_time_and_another_goes_on_when_it_is_silent(database: DatabaseAt) -> None:
    lease = timedelta(seconds=20)

    async def body(store: Database) -> None:
        async with store.write() as session:
            assert await event_feed.take_turn(session, "index", "one", NOW, lease)
            assert await event_feed.take_turn(session, "index", "one", NOW, lease)
            assert not await event_feed.take_turn(session, "index", "two", NOW, lease)
            assert await event_feed.take_turn(session, "forward", "two", NOW, lease)
            assert await event_feed.take_turn(session, "index", "two", NOW + lease, lease)
            await event_feed.give_turn(session, "index", "one")
            assert not await event_feed.take_turn(session, "index", "one", NOW + lease, lease)
            await event_feed.give_turn(session, "index", "two")
            assert await event_feed.take_turn(session, "index", "one", NOW + lease, lease)

    database.run(body)


@pytest.mark.parametrize("many", [1, MAX_INSTANCES + 3])
def test_no_more_instances_are_remembered_than_a_registry_can_have(database: DatabaseAt, many: int) -> None:
    async def body(store: Database) -> None:
        registry_id, _ = await _place(store)
        for number in range(many):
            async with store.write() as session:
                await event_feed.note_instances(session, registry_id, {f"{number:03d}"}, NOW + number * DAY)
        async with store.read() as session:
            found = await event_feed.instances(session, registry_id)
        assert found == {f"{number:03d}" for number in range(many)[-MAX_INSTANCES:]}

    database.run(body)
