"""The client's address behind proxies, live streams and problems."""

from __future__ import annotations

import contextlib

import pytest

from kubedash.errors import NotSignedIn, TooMany
from kubedash.live import Live
from kubedash.policy.access import ANONYMOUS, Actor
from kubedash.records import Role
from kubedash.web.guards import bearer_token
from kubedash.web.live_stream import Listener, _events
from kubedash.web.security import client_address, networks
from kubedash.workflows.follow import MAX_STREAMS, check_topics
from tests.support.aio import run

TRUSTED = networks(("10.0.0.0/8", "::1"))
READER = Actor(name="reader", role=Role.VIEWER, via="session")


class OnlyLive:
    """Of the services, what following needs."""

    def __init__(self) -> None:
        self.live = Live()


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.9", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        (None, "198.51.100.1", None),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str | None, forwarded: str, address: str | None) -> None:
    headers = [(b"X-Forwarded-For", forwarded.encode())]

    assert client_address(peer, headers, TRUSTED) == address


@pytest.mark.parametrize(
    ("header", "token"), [(None, None), ("Basic eA==", None), ("Bearer kd_x", "kd_x"), ("bearer  kd_x ", "kd_x")]
)
def test_bearer_tokens(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


def _listener() -> Listener:
    """Nobody looks within this test whether the request would still be let in."""
    return Listener(None)  # type: ignore[arg-type]


def test_a_message_becomes_an_event_and_the_house_closing_ends_the_stream() -> None:
    async def listen() -> list[tuple[str | None, object]]:
        services = OnlyLive()
        stream = _events(services, READER, ("registries",), _listener())  # type: ignore[arg-type]
        first = await anext(stream)
        services.live.publish("registries", '{"progress": {"done": 1, "total": 2}}')
        second = await anext(stream)
        await services.live.close()
        rest = [message async for message in stream]
        return [(first.comment, first.data), (second.event, second.data), (None, rest)]

    assert run(listen()) == [
        ("listening", ""),
        ("change", '{"progress": {"done": 1, "total": 2}}'),
        (None, []),
    ]


def test_a_stranger_hears_nothing() -> None:
    async def listen() -> None:
        await anext(_events(OnlyLive(), ANONYMOUS, ("registries",), _listener()))  # type: ignore[arg-type]

    with pytest.raises(NotSignedIn):
        run(listen())


def test_nobody_holds_more_than_so_many_streams() -> None:
    async def hoard() -> None:
        services = OnlyLive()
        async with contextlib.AsyncExitStack() as kept:
            for _ in range(MAX_STREAMS):
                await kept.enter_async_context(services.live.subscribe(("registries",), READER.name))
            other = Actor(name="other", role=Role.VIEWER, via="session")
            assert check_topics(services, other, ["registries"]) == ("registries",)  # type: ignore[arg-type]
            with pytest.raises(TooMany):
                check_topics(services, READER, ["registries"])  # type: ignore[arg-type]
        assert check_topics(services, READER, ["registries"]) == ("registries",)  # type: ignore[arg-type]

    run(hoard())
