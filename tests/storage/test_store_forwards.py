"""The outbox, and the events that those read who work them off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kubedash.errors import Conflict
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import ForwardKind, ForwardSettings, RegistrySettings
from kubedash.storage import (
    event_feed,
    event_rollups,
    event_writing,
    forwards,
    pulls,
    registries,
    repositories,
    tags,
    touched_tags,
)
from kubedash.storage.database import Database
from kubedash.storage.pulls import WHOLE, Counted
from tests.support.databases import DatabaseAt
from tests.support.events import row
from tests.support.summaries import DAY, NOW

WISH = ForwardSettings(name="deploy", url="https://hooks.example.com/secret", actions=("push", "pull"), pattern="a/*")
MINUTE = timedelta(minutes=1)


async def _registry(store: Database) -> tuple[int, int]:
    """A registry and the source of its events."""
    async with store.write() as session:
        settings = RegistrySettings(name="main", title="Main", url="http://main.example")
        registry_id = await registries.add(session, settings, b"")
        return registry_id, await event_writing.source_of(session, registry_id)


def test_a_forward_is_kept_and_found(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id, source = await _registry(store)
        async with store.write() as session:
            await event_writing.add(session, [row(source, 1, NOW)])
            await forwards.add(session, WISH, registry_id, b"sealed", NOW)
            found = await forwards.find(session, "deploy")
            (wish,) = await forwards.wishes(session)
        assert found is not None
        assert (found.kind, found.host, found.registry) == (ForwardKind.WEBHOOK, "https://hooks.example.com", "main")
        assert (found.actions, found.pattern, found.enabled, found.waiting) == (("push", "pull"), "a/*", True, 0)
        assert (wish.forward, wish.after_event) == (found, 1)
        with pytest.raises(Conflict):
            async with store.write() as session:
                await forwards.add(session, WISH, None, b"", NOW)
        async with store.write() as session:
            await forwards.set_enabled(session, found.id, False)
            assert await forwards.wishes(session) == ()
            assert await forwards.sealed(session, found.id) == b"sealed"
            await registries.remove(session, registry_id)
            assert await forwards.list_all(session) == ()

    database.run(body)


def test_the_outbox_keeps_its_order_and_each_event_once(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await forwards.add(session, WISH, None, b"", NOW)
            found = await forwards.find(session, "deploy")
            assert found is not None
            for _ in range(2):
                await forwards.enqueue(session, [(found.id, number, f"{number}") for number in (3, 5, 9)], NOW)
            waiting = await forwards.first(session, found.id, 2)
        assert [(one.event_id, one.text, one.tries, one.created_at) for one in waiting] == [
            (3, "3", 0, NOW),
            (5, "5", 0, NOW),
        ]
        ids = [one.id for one in waiting]
        async with store.write() as session:
            await forwards.record_failure(session, found.id, ids[:1], "no", NOW + MINUTE)
            failed = await forwards.find(session, "deploy")
            assert (await forwards.first(session, found.id, 1))[0].tries == 1
            await forwards.record_dropped(session, found.id, ids[:1], "never")
            await forwards.record_sent(session, found.id, ids[1:], NOW + MINUTE)
            after = await forwards.find(session, "deploy")
        assert failed is not None
        assert (failed.failures, failed.next_at, failed.problem, failed.waiting) == (1, NOW + MINUTE, "no", 3)
        assert after is not None
        assert (after.sent, after.dropped, after.waiting, after.failures) == (1, 1, 1, 0)
        assert (after.next_at, after.last_sent_at, after.problem) == (None, NOW + MINUTE, None)

    database.run(body)


def test_events_are_read_on_from_where_one_is(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id, source = await _registry(store)
        async with store.write() as session:
            nobody = await event_writing.source_of(session, None)
            events = [row(source, number, NOW + number * MINUTE) for number in range(3)]
            await event_writing.add(session, [*events, row(nobody, 9, NOW)])
        async with store.write() as session:
            settled = await event_rollups.settled_id(session)
            assert await event_feed.is_at(session, "index", 0)
            assert not await event_feed.is_at(session, "index", 1)
        async with store.read() as session:
            first = await event_feed.behind(session, 0, settled, 2)
            rest = await event_feed.behind(session, first[-1].id, settled, 10)
        assert [arrival.registry_id for arrival in (*first, *rest)] == [registry_id] * 3 + [None]
        async with store.write() as session:
            await event_rollups.move(session, "index", first[-1].id, NOW)
            assert await event_feed.is_at(session, "index", first[-1].id)

    database.run(body)


def test_pulls_of_made_up_names_count_for_their_repository_alone(database: DatabaseAt) -> None:
    digest = Digest.of(b"one")

    async def body(store: Database) -> None:
        registry_id, _ = await _registry(store)
        async with store.write() as session:
            made = await repositories.ensure(session, registry_id, [RepositoryName("a")], NOW)
            place = made[RepositoryName("a")]
            await tags.observe(session, place, [(Tag("1"), digest)], NOW, "crawl")
            told = [Counted(place, target, NOW - DAY) for target in ("1", "made-up", digest)]
            counted = await pulls.of_known(session, told)
            assert [pull.target for pull in counted] == ["1", WHOLE, WHOLE]
            await pulls.add(session, counted)
            assert await pulls.last_of(session, place, ["1", "made-up", digest, WHOLE]) == {
                target: int((NOW - DAY).timestamp()) * 1_000_000 for target in ("1", WHOLE)
            }
            assert await touched_tags.by_digest(session, place, {digest}) == {"1": digest}

    database.run(body)
