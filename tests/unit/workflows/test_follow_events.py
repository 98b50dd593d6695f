"""Following events: nothing lost, nothing twice, a flood told as such, many followers for the price of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kubedash.errors import TooMany
from kubedash.records import Event, EventFilter
from kubedash.storage import events as stored
from kubedash.workflows import event_tail, follow_events
from kubedash.workflows.follow_events import Following
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.events import told
from tests.support.services import ADMIN, open_house
from tests.support.told_events import tell

ALL = EventFilter()


def in_house(folder: Path, body: Callable[[Services], Awaitable[None]]) -> None:
    async def opened() -> None:
        async with open_house(folder) as services:
            async with asyncio.timeout(60):
                await body(services)

    run(opened())


async def push(services: Services, first: int, count: int = 1, **fields: Any) -> None:
    await tell(services, None, [told(n, action="push", **fields) for n in range(first, first + count)])


async def take(following: Following, count: int) -> list[Event]:
    """The next `count` events, in as many batches as they come."""
    found: list[Event] = []
    while len(found) < count:
        batch = await anext(following)
        assert batch.behind is None
        found += batch.events
    return found


def names(events: list[Event]) -> list[str]:
    return [event.event_id for event in events]


def test_what_arrives_is_told_in_order(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        await push(services, 1)
        async with follow_events.follow_events(services, ADMIN, ALL, None) as following:
            await push(services, 2, 3)
            await push(services, 5)
            assert names(await take(following, 4)) == ["event-2", "event-3", "event-4", "event-5"]

    in_house(tmp_path, body)


def test_what_was_missed_comes_first_and_once(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        await push(services, 1, 3)
        known = await follow_events.newest_event(services, ADMIN)
        await push(services, 4, 3)
        async with follow_events.follow_events(services, ADMIN, ALL, known) as following:
            await push(services, 7, 2)
            found = await take(following, 5)
            assert names(found) == [f"event-{number}" for number in range(4, 9)]
        # The line broke in the middle: it goes on behind the last that was heard.
        async with follow_events.follow_events(services, ADMIN, ALL, found[2].id) as following:
            assert names(await take(following, 2)) == ["event-7", "event-8"]

    in_house(tmp_path, body)


def test_nothing_is_lost_while_followers_come_and_go(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        async def write() -> None:
            for number in range(20):
                await push(services, number * 2, 2)

        async def follow(breaks_after: int) -> list[str]:
            heard: list[Event] = []
            while len(heard) < 40:
                last = heard[-1].id if heard else 0
                async with follow_events.follow_events(services, ADMIN, ALL, last) as following:
                    heard += await take(following, min(breaks_after, 40 - len(heard)))
            return names(heard)

        _, *heard = await asyncio.gather(write(), *(follow(breaks) for breaks in (1, 7, 40)))
        assert heard == [[f"event-{number}" for number in range(40)]] * 3

    in_house(tmp_path, body)


def test_a_filter_lets_through_what_it_names(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        where = EventFilter(repository="shop/api", actor="ci")
        async with follow_events.follow_events(services, ADMIN, where, 0) as following:
            await push(services, 1, repository="shop/web")
            await push(services, 2, repository="shop/api", actor="bob")
            await push(services, 3, repository="shop/api")
            assert names(await take(following, 1)) == ["event-3"]

    in_house(tmp_path, body)


def test_a_flood_is_told_as_such_and_goes_on_behind_it(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        async with follow_events.follow_events(services, ADMIN, ALL, None) as following:
            await push(services, 1, 450)
            batch = await anext(following)
            assert (batch.events, batch.behind) == ((), await follow_events.newest_event(services, ADMIN))
            await push(services, 1000)
            assert names(await take(following, 1)) == ["event-1000"]
        await push(services, 2000, follow_events.MOST_MISSED - 450)
        # Too much was missed to be told one by one.
        async with follow_events.follow_events(services, ADMIN, ALL, 0) as following:
            assert (await anext(following)).behind == await follow_events.newest_event(services, ADMIN)

    in_house(tmp_path, body)


def test_more_than_anybody_reads_at_once_is_a_flood_too(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        async with follow_events.follow_events(services, ADMIN, ALL, None) as following:
            await push(services, 1, follow_events.MOST_AT_ONCE + 1)
            batch = await anext(following)
            assert batch.events == ()
            assert batch.behind == await follow_events.newest_event(services, ADMIN)

    in_house(tmp_path, body)


def test_a_hundred_followers_read_the_store_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    real = stored.follow

    async def counted(*args: Any) -> Any:
        nonlocal reads
        reads += 1
        return await real(*args)

    monkeypatch.setattr(event_tail.events, "follow", counted)

    async def body(services: Services) -> None:
        ready = asyncio.Event()
        waiting = 100

        async def follow(number: int) -> list[str]:
            nonlocal waiting
            actor = replace(ADMIN, name=f"viewer-{number % 10}")
            async with follow_events.follow_events(services, actor, ALL, None) as following:
                waiting -= 1
                if waiting == 0:
                    ready.set()
                return names(await take(following, 2))

        async def write() -> list[str]:
            await ready.wait()
            await push(services, 1, 2)
            return ["event-1", "event-2"]

        heard = await asyncio.gather(*(follow(number) for number in range(100)), write())
        assert heard == [["event-1", "event-2"]] * 101

    in_house(tmp_path, body)
    assert reads <= 2


def test_a_person_may_follow_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_events, "MAX_STREAMS", 1)

    async def body(services: Services) -> None:
        async with follow_events.follow_events(services, ADMIN, ALL, None):
            with pytest.raises(TooMany):
                follow_events.check_follow(services, ADMIN)
            follow_events.check_follow(services, replace(ADMIN, name="bob"))
        follow_events.check_follow(services, ADMIN)

    in_house(tmp_path, body)


def test_it_ends_with_the_house(tmp_path: Path) -> None:
    async def body(services: Services) -> None:
        async with follow_events.follow_events(services, ADMIN, ALL, None) as following:
            await services.live.close()
            with pytest.raises(StopAsyncIteration):
                await anext(following)

    in_house(tmp_path, body)
