"""Durable work on both databases: taken down once, paused, resumed, ended once, forgotten late."""

from __future__ import annotations

import pytest

from kubedash.errors import Conflict
from kubedash.oci.reference import Tag
from kubedash.policy.access import Actor
from kubedash.records import ItemState, JobItem, JobState, Progress, Role
from kubedash.storage import candidates, jobs, manifests, sizes
from kubedash.storage.database import Database, WriteSession
from kubedash.storage.jobs import Order, Piece
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put
from tests.support.summaries import BASE_SIZE, DAY, NOW, image, index

ACTOR = Actor(name="mia", role=Role.MAINTAINER, via="token", user_id=4, address="192.0.2.1")


def order(job_id: str = "one", key: str = "copy a/b:c", run: int = 1) -> Order:
    return Order(
        id=job_id, kind="copy", key=key, registry="demo", repository="a/b", actor=ACTOR, spec={"tag": "c"}, run=run
    )


async def state(session: WriteSession, job_id: str = "one") -> JobState:
    found = await jobs.find(session, job_id)
    assert found is not None
    return found.state


def test_an_order_is_taken_down_as_it_was_given(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await jobs.add(session, order(), NOW, inline=False)
            assert await jobs.order(session, "one") == order()
            assert await jobs.order(session, "none") is None
            found = await jobs.find(session, "one")
            assert found is not None
            assert (found.kind, found.state, found.progress, found.asked_by, found.created_at) == (
                "copy",
                JobState.QUEUED,
                None,
                "mia",
                NOW,
            )
            assert await jobs.open_with_key(session, "copy a/b:c") == found
            assert await jobs.newest(session, "demo", 10) == (found,)
            assert await jobs.newest(session, "other", 10) == ()

    database.run(body)


def test_of_two_open_ones_with_a_key_the_second_is_refused(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await jobs.add(session, order(), NOW, inline=False)

        async def again() -> None:
            async with store.write() as session:
                await jobs.add(session, order("two"), NOW, inline=False)

        with pytest.raises(Conflict):
            await again()
        async with store.write() as session:
            assert await jobs.end(session, "one", JobState.CANCELLED, NOW)
        await again()

    database.run(body)


def test_it_is_paused_resumed_and_ends_once(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await jobs.add(session, order(), NOW, inline=False)
            assert await jobs.touch(session, "one", 1, NOW)
            await jobs.report(session, "one", Progress(done=3, total=9, doing="x" * 5000, unit="bytes"), NOW)
            assert await jobs.pause(session, "one", NOW, "the registry does not answer")
            paused = await jobs.find(session, "one")
            assert paused is not None
            assert (paused.state, paused.error) == (JobState.PAUSED, "the registry does not answer")
            assert not await jobs.touch(session, "one", 1, NOW)
            await jobs.report(session, "one", Progress(done=4, total=9), NOW)
            assert await state(session) is JobState.PAUSED
            assert await jobs.run_at_work(session, "one") is None
            assert await jobs.resume(session, "one", NOW, inline=False) == 2
            assert await jobs.resume(session, "one", NOW, inline=False) is None
            assert not await jobs.touch(session, "one", 1, NOW)
            assert await jobs.touch(session, "one", 2, NOW)
            assert await jobs.end(session, "one", JobState.DONE, NOW + DAY)
            assert not await jobs.end(session, "one", JobState.FAILED, NOW + DAY, "too late")
            ended = await jobs.find(session, "one")
            assert ended is not None
            assert (ended.state, ended.error, ended.finished_at) == (JobState.DONE, None, NOW + DAY)
            assert ended.progress is not None
            assert (ended.progress.done, ended.progress.total) == (9, 9)
            assert not await jobs.pause(session, "one", NOW)

    database.run(body)


def test_who_nobody_is_at_is_taken_up_again(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await jobs.add(session, order(), NOW, inline=False)
            await jobs.add(session, order("two", "other"), NOW, inline=True)
            assert await jobs.forgotten(session, NOW) == ()
            assert await jobs.forgotten(session, NOW + DAY) == (("one", 1),)
            await jobs.touch(session, "one", 1, NOW)
            await jobs.touch(session, "two", 1, NOW)
            assert await jobs.revive(session, NOW, NOW) == ()
            assert await jobs.revive(session, NOW + DAY, NOW + DAY) == (("one", 2),)
            assert not await jobs.touch(session, "one", 1, NOW + DAY)
            # What ran in a command ended with it.
            assert not await jobs.end_silent(session, "other", NOW, NOW, "lost")
            assert await jobs.end_silent(session, "other", NOW + DAY, NOW + DAY, "lost")
            assert await state(session, "two") is JobState.FAILED

    database.run(body)


def test_pieces_end_once_in_their_order(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await jobs.add(session, order(), NOW, inline=False)
            pieces = [
                Piece(item=JobItem(position=number, name=f"t{number}", digest=digest(number), size=10 * number or None))
                for number in range(1200)
            ]
            await jobs.add_items(session, "one", pieces)
            await jobs.add_items(session, "one", pieces)
            assert [piece.item.position for piece in await jobs.waiting(session, "one", 3)] == [0, 1, 2]
            await jobs.touch_item(session, "one", 0)
            assert (await jobs.waiting(session, "one", 1))[0].item.state is ItemState.DOING
            assert await jobs.settle(session, "one", 0, ItemState.DONE, "gone")
            assert not await jobs.settle(session, "one", 0, ItemState.FAILED, "again")
            assert await jobs.settle(session, "one", 1, ItemState.FAILED, "x" * 5000)
            tally = await jobs.tally(session, "one")
            assert tally[ItemState.DONE] == (1, 0)
            assert tally[ItemState.FAILED] == (1, 10)
            assert tally[ItemState.WAITING][0] == 1198
            failed = await jobs.items(session, "one", ItemState.FAILED)
            assert [(item.position, item.name, len(item.detail or "")) for item in failed] == [(1, "t1", 1000)]
            rest = await jobs.items(session, "one", after=999)
            assert [item.position for item in rest] == list(range(1000, 1200))
            await jobs.end(session, "one", JobState.DONE, NOW)
            assert await jobs.forget(session, NOW) == 0
            assert await jobs.forget(session, NOW + DAY) == 1
            assert await jobs.items(session, "one") == ()

    database.run(body)


def test_bytes_that_go_together_are_counted_once(database: DatabaseAt) -> None:
    """Two images share a base with one that stays, or do not."""

    async def body(store: Database) -> None:
        async with store.write() as session:
            registry, place = await add_repository(session)
            one, two, three = image(1), image(2), image(3)
            await put(session, place, [("a", one), ("b", two), ("c", three)])
            alone = {one.digest, two.digest}
            both = await sizes.needed_by_none_but(session, registry, place, alone)
            assert both == 1001 + 1002 + 2 * 10
            everything = await sizes.needed_by_none_but(session, registry, place, alone | {three.digest})
            assert everything == BASE_SIZE + 1001 + 1002 + 1003 + 3 * 10
            assert await sizes.needed_by_none_but(session, registry, place, ()) == 0
            assert await sizes.needed_by_none_but(
                session, registry, place, {one.digest}
            ) == await sizes.needed_by_nothing_else(session, registry, place, one.digest)

    database.run(body)


def test_candidates_know_what_they_lead_to_and_who_names_them(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            child = image(1)
            parent = index(((child.digest, "linux/amd64"),))
            await manifests.add(session, place, [child], NOW)
            await put(session, place, [("multi", parent), ("one", child)])
            found = {candidate.name: candidate for candidate in await candidates.of_repository(session, place)}
            assert found[Tag("one")].digest == child.digest
            assert (found[Tag("one")].recoverable, found[Tag("one")].last_pulled) == (True, None)
            assert found[Tag("multi")].media_type == parent.media_type
            named = await candidates.parents_of(session, place, [child.digest, parent.digest])
            assert named == {child.digest: frozenset({parent.digest})}

    database.run(body)
