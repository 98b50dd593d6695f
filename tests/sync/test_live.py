"""Publish and subscribe inside one process."""

from __future__ import annotations

from kubedash.live import MAX_TEXT, MAX_WAITING, Live, Message
from tests.support.aio import run


def test_only_those_who_listen_to_the_topic_hear_it_in_order() -> None:
    async def story() -> None:
        live = Live()
        async with live.subscribe(("job:1", "registries")) as mine, live.subscribe(("job:2",)) as other:
            live.publish("job:1", "a")
            live.publish("job:2", "b")
            live.publish("registries")
            live.publish("nobody listens")
            assert [await anext(mine), await anext(mine)] == [Message("job:1", "a"), Message("registries", "")]
            assert await anext(other) == Message("job:2", "b")

    run(story())


def test_who_does_not_read_loses_the_oldest() -> None:
    async def story() -> None:
        live = Live()
        async with live.subscribe(("job:1",)) as messages:
            for number in range(MAX_WAITING + 10):
                live.publish("job:1", str(number))
            assert (await anext(messages)).text == "10"

    run(story())


def test_closing_ends_every_subscription_after_what_was_said() -> None:
    async def story() -> None:
        live = Live()
        async with live.subscribe(("job:1",)) as messages:
            live.publish("job:1", "last")
            await live.close()
            assert [message.text async for message in messages] == ["last"]

    run(story())


def test_messages_are_cut_and_nobody_is_kept_who_left() -> None:
    async def story() -> None:
        live = Live()
        async with live.subscribe(("job:1",)) as messages:
            live.publish("job:1", "x" * 10_000)
            assert len((await anext(messages)).text) == MAX_TEXT
        live.publish("job:1", "nobody hears this")
        async with live.subscribe(("job:1",)) as messages:
            await live.close()
            assert [message async for message in messages] == []

    run(story())
