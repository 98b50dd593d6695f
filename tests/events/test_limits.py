"""How much one address may post, and that what is refused costs nothing."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kubedash.errors import TooMany, Unavailable
from kubedash.oci.notifications import MAX_EVENTS
from kubedash.web import bodies, pace
from kubedash.web.bodies import MAX_BODY, Bodies, Patience, TooSlow
from kubedash.web.pace import BURST, EVENT_BYTES, FREE, PATIENCE, RATE, Pace
from kubedash.web.problems import TooBig
from kubedash.workflows import reading_events
from kubedash.workflows.reading_events import LARGE, Aside, read, takes_long
from tests.events.test_receiving import HOSTILE
from tests.support.aio import run
from tests.support.events import envelope, told
from tests.support.pages import open_site


class Clock:
    """Seconds, turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "monotonic", clock)
    return clock


def test_some_large_posts_pass_and_a_stream_of_them_does_not(clock: Clock) -> None:
    here = Pace()
    for _ in range(BURST // MAX_BODY):
        here.take("a", MAX_BODY)
    with pytest.raises(TooMany) as refused:
        here.take("a", MAX_BODY)
    here.take("b", MAX_BODY)
    clock.now += refused.value.retry_after - 1
    with pytest.raises(TooMany):
        here.take("a", MAX_BODY)
    clock.now += 1
    here.take("a", MAX_BODY)
    assert refused.value.retry_after == MAX_BODY / RATE


def test_all_together_may_send_so_much(clock: Clock) -> None:
    here = Pace()
    for number in range(pace.BURST_OF_ALL // MAX_BODY):
        here.take(f"address-{number}", MAX_BODY)
    with pytest.raises(TooMany):
        here.take("another", MAX_BODY)
    here.take("another", FREE)


def test_who_sends_more_events_than_allowed_pays_before_the_next_post(clock: Clock) -> None:
    here = Pace()
    for _ in range(BURST // ((MAX_EVENTS - 1) * EVENT_BYTES) + 1):
        here.check("a", 0)
        here.charge("a", MAX_EVENTS)
    with pytest.raises(TooMany) as refused:
        here.check("a", 0)
    here.check("b", 0)
    clock.now += refused.value.retry_after
    here.check("a", 0)


def test_so_many_addresses_do_not_fill_the_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_MAX_ADDRESSES", 10)
    here = Pace()
    here.take("a", BURST)
    for number in range(1_000):
        clock.now += 1
        here.check(f"address-{number}", 1)
        here.take(f"address-{number}", 1)
        assert len(here._own) <= 11
    with pytest.raises(TooMany):
        here.check("address-999", 1)


def test_who_is_refused_again_and_again_is_refused_slowly(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def story() -> None:
        here = Pace()
        here.check("a", 0)
        for _ in range(PATIENCE):
            await here.slow_down("a")
        await here.slow_down("b")
        assert paused == []
        await here.slow_down("a")
        assert paused == [pace.PAUSE_SECONDS]
        clock.now += 1
        here.check("a", 0)
        await here.slow_down("a")
        assert len(paused) == 1

    run(story())


def _parts(*parts: bytes, endless: bool = False) -> Any:
    """A `receive` that hands them over."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        assert left, "nothing more was to be received"
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": endless or bool(left)}

    return receive


async def _gone() -> Any:
    return {"type": "http.disconnect"}


async def _stuck() -> Any:
    await asyncio.Event().wait()


def _long(here: Bodies, receive: Any, length: int | None, held: ExitStack, address: str = "a") -> bytes:
    return run(here.long(receive, address, length, held))


def test_bodies_arrive_whole_however_they_are_cut() -> None:
    here = Bodies(Pace())
    with ExitStack() as held:
        assert run(here.short(_parts(b"ab", b"", b"c"), "a")) == b"abc"
        assert _long(here, _parts(b"ab", b"c"), FREE + 1, held) == b"abc"
        assert _long(here, _parts(b"ab", b"c"), None, held) == b"abc"
        large = b"x" * (LARGE // 2)
        assert _long(here, _parts(large, large, b"y"), None, held) == large + large + b"y"
        assert here._large == {"a"}
    assert here._large == set()
    with pytest.raises(Unavailable):
        run(here.short(_gone, "a"))


def test_what_is_refused_is_not_received() -> None:
    here, nothing = Bodies(Pace()), _parts()
    with ExitStack() as held:
        with pytest.raises(TooBig):
            _long(here, nothing, MAX_BODY + 1, held)
        for _ in range(BURST // (MAX_BODY - FREE)):
            with ExitStack() as one:
                _long(here, _parts(b""), MAX_BODY, one)
        with pytest.raises(TooMany):
            _long(here, nothing, MAX_BODY, held)
    assert here._large == set()


def test_what_was_not_announced_is_refused_as_soon_as_it_shows() -> None:
    part = b"x" * 1_000_000
    here = Bodies(Pace())
    with ExitStack() as held, pytest.raises(TooBig):
        _long(here, _parts(*[part] * 6, endless=True), None, held)


def test_a_body_that_comes_byte_by_byte_costs_more() -> None:
    here = Bodies(Pace())
    for _ in range(BURST // bodies._LEAST_PART // 5_000):
        with pytest.raises(AssertionError), ExitStack() as held:  # As nothing more comes.
            _long(here, _parts(*[b"x"] * 5_000, endless=True), None, held)
    with pytest.raises(TooMany):
        run(here.short(_parts(*[b"x"] * 5_000, endless=True), "a"))
    assert run(here.short(_parts(*[b"x"] * 8), "a")) == b"x" * 8


def test_one_large_post_of_an_address_at_a_time() -> None:
    here = Bodies(Pace())
    with ExitStack() as held:
        _long(here, _parts(b""), LARGE, held)
        with pytest.raises(TooMany):
            _long(here, _parts(), LARGE, held)
        with pytest.raises(TooMany):
            _long(here, _parts(b"x" * LARGE, endless=True), None, held)
        _long(here, _parts(b""), LARGE - 1, held)
        for number in range(bodies.MAX_AT_ONCE - 1):
            _long(here, _parts(b""), LARGE, held, f"address-{number}")
        with pytest.raises(TooMany):
            _long(here, _parts(), LARGE, held, "another")


def test_who_sends_slowly_is_ended_and_nobody_else() -> None:
    async def story() -> None:
        patience = Patience(0.05)
        stuck = asyncio.ensure_future(patience.within(bodies._part(_stuck)))
        cancelled = asyncio.ensure_future(patience.within(asyncio.sleep(9)))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        with pytest.raises(TooSlow):
            await stuck
        assert await patience.within(bodies._part(_parts(b"x"))) == (b"x", False)
        await asyncio.sleep(0.2)
        assert patience._timer is None
        assert not patience._young | patience._old | patience._ended

    run(story())


def test_a_forged_post_is_not_received(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []

    async def post(_: Any, length: int, secret: bytes, path: str = "/plugins/registry/events") -> None:
        async def send(message: Any) -> None:
            answers.append(message)

        headers = [(b"content-length", str(length).encode()), (b"authorization", b"Bearer " + secret)]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": ("10.0.0.1", 1)}
        await site.client.app(scope, _parts(), send)  # type: ignore[arg-type]

    with open_site(tmp_path, KUBEDASH_EVENTS_TOKEN="right", KUBEDASH_SYNC_INTERVAL="0") as site:
        for length in (100, FREE + 1, LARGE, MAX_BODY):
            site.call(post, length, b"wrong")
            site.call(post, length, b"right", "/plugins/registry/events/unknown")
    statuses = [message["status"] for message in answers if message["type"] == "http.response.start"]
    assert statuses == [401, 404] * 4


def test_many_values_and_large_posts_take_long() -> None:
    assert not takes_long(envelope(*[told(number) for number in range(8)]))
    assert takes_long(envelope(*[told(number) for number in range(100)]))
    assert takes_long(b"x" * LARGE)


def test_reading_aside_is_reading() -> None:
    async def story() -> None:
        aside = Aside()
        try:
            for body in (*HOSTILE.values(), b"", envelope(*[told(number) for number in range(MAX_EVENTS + 7)])):
                headers = {"content-type": "application/json", "ce-\xff": "x"} if b"z" in body else {}
                assert await aside.read(headers, body) == read(headers, body)
        finally:
            await aside.close()

    run(story())


def test_a_process_that_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    body = envelope(told(1))

    async def story() -> None:
        aside = Aside()
        try:
            assert (await aside.read({}, body)).notifications[0].strange is None
            assert aside._process is not None
            aside._process.kill()
            aside._process.wait()
            assert (await aside.read({}, body)).notifications[0].strange is None
            with monkeypatch.context() as patched:
                patched.setattr(reading_events, "SECONDS", 0.0)
                given_up = await aside.read({}, b"[" + b"[[]]," * 500_000 + b"[]]")
            assert "too much time" in str(given_up.notifications[0].strange)
            assert (await aside.read({}, body)).notifications[0].strange is None
            process = aside._process
        finally:
            await aside.close()
        assert process.poll() is not None
        monkeypatch.setattr(reading_events.sys, "executable", "/nowhere")
        with pytest.raises(Unavailable, match="Cannot start"):
            await Aside().read({}, body)

    run(story())
