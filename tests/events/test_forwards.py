"""Events are passed on: signed, in order, again after failures, and never twice into the outbox."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from kubedash.errors import Conflict, InvalidInput, NotFound
from kubedash.policy.access import SYSTEM
from kubedash.records import AuditQuery, Forward, ForwardKind, ForwardSettings
from kubedash.storage import forwards as stored
from kubedash.workflows import audit, forwards
from kubedash.workflows.forward_events import Forwarder
from kubedash.workflows.services import Services
from tests.events.told import Listener
from tests.support.aio import eventually, run
from tests.support.events import notification
from tests.support.scripted import Scripted, scripted
from tests.support.services import Clock
from tests.sync.house import house
from tests.sync.test_kill import ROOT, environment, wait_for

NAME = "deploy"
DEAD = "http://127.0.0.1:9"


class Sink:
    """Receives, and answers as it is told to."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.taken: list[dict[str, Any]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((dict(request.headers), body))
        answer = self.answers.pop(0) if self.answers else web.Response(status=204)
        if answer.status < 300:
            self.taken.append(msgspec.json.decode(body))
        return answer

    @property
    def tags(self) -> list[str]:
        return [one["event"]["tag"] for one in self.taken if one["event"]]


class Post:
    """A house that passes events on to a sink."""

    def __init__(self, listener: Listener, sink: Sink, server: Scripted, clock: Clock) -> None:
        self.listener = listener
        self.sink = sink
        self.server = server
        self.clock = clock
        self.forwarder = Forwarder(self.services, "test")

    @property
    def services(self) -> Services:
        return self.listener.here.services

    async def add(self, **more: Any) -> str | None:
        """The secret that was made."""
        settings = replace(ForwardSettings(name=NAME, url=f"{self.server.url}/hook", actions=("push",)), **more)
        return (await forwards.add_forward(self.services, SYSTEM, settings)).secret

    async def push(self, *tags: str, **more: Any) -> None:
        told = [notification(0, self.clock(), id=f"push-{tag}", tag=tag, action="push", **more) for tag in tags]
        await self.listener.store(*told)

    async def work(self) -> None:
        while await self.forwarder.step():
            pass

    async def state(self) -> Forward:
        return await forwards.show_forward(self.services, SYSTEM, NAME)


@asynccontextmanager
async def post(folder: Path) -> AsyncIterator[Post]:
    sink, clock = Sink(), Clock(datetime.now(UTC))
    async with scripted(sink) as server, house(folder, DEAD) as here:
        here.services = replace(here.services, clock=clock)
        yield Post(Listener(here), sink, server, clock)


def test_what_is_wanted_arrives_signed_and_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.push("before")
            secret = await here.add(pattern="team/*", registry="local")
            assert secret is not None
            await here.push("1", "2", "3")
            await here.push("elsewhere", repository="other/app")
            await here.listener.store(notification(77, here.clock(), action="pull"))
            await here.work()
            assert here.sink.tags == ["1", "2", "3"]
            headers, body = here.sink.requests[0]
            timestamp = headers["X-KubeDash-Timestamp"]
            wanted = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
            assert headers["X-KubeDash-Signature"] == f"sha256={wanted}"
            assert headers["Content-Type"] == "application/json"
            first = here.sink.taken[0]
            assert (first["forward"], first["event"]["repository"]) == (NAME, "team/api")
            assert len({one["delivery"] for one in here.sink.taken}) == 3
            found = await here.state()
            assert (found.sent, found.waiting, found.dropped, found.failures) == (3, 0, 0, 0)
            assert found.last_sent_at == here.clock()

    run(story())


def test_what_fails_is_tried_again_in_order_and_later_each_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add()
            here.sink.answers = [web.Response(status=500, text="<b>no\n"), web.Response(status=503)]
            await here.push("1", "2")
            await here.work()
            assert here.sink.tags == []
            found = await here.state()
            assert (found.failures, found.waiting, found.problem) == (1, 2, "It answered 500: <b>no")
            await here.work()
            assert len(here.sink.requests) == 1
            here.clock.turn(seconds=6)
            await here.work()
            assert (await here.state()).failures == 2
            here.clock.turn(seconds=11)
            await here.work()
            assert here.sink.tags == ["1", "2"]
            assert (await here.state()).failures == 0

    run(story())


def test_what_is_refused_for_good_holds_nobody_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add()
            here.sink.answers = [web.Response(status=400) for _ in range(3)]
            await here.push("poison", "2")
            for _ in range(4):
                await here.work()
                here.clock.turn(minutes=40)
            assert here.sink.tags == ["2"]
            found = await here.state()
            assert (found.sent, found.dropped, found.waiting) == (1, 1, 0)

    run(story())


def test_a_receiver_says_when_to_come_again_and_is_not_followed_elsewhere(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add()
            here.sink.answers = [
                web.Response(status=429, headers={"Retry-After": "120"}),
                web.Response(status=302, headers={"Location": "/elsewhere"}),
            ]
            await here.push("1")
            await here.work()
            here.clock.turn(seconds=100)
            await here.work()
            assert len(here.sink.requests) == 1
            here.clock.turn(seconds=21)
            await here.work()
            assert "redirects" in ((await here.state()).problem or "")
            assert [line.split()[1] for line in here.server.asked] == ["/hook", "/hook"]

    run(story())


def test_after_a_day_it_is_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add(url=DEAD)
            await here.push("1")
            await here.work()
            found = await here.state()
            assert (found.failures, found.waiting) == (1, 1)
            assert found.problem == "It could not be reached: connection refused."
            here.clock.turn(hours=25)
            await here.work()
            found = await here.state()
            assert (found.waiting, found.dropped) == (0, 1)

    run(story())


def test_one_dead_receiver_holds_up_no_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add(url=DEAD, name="dead")
            await here.add()
            await here.push("1", "2")
            await here.work()
            assert here.sink.tags == ["1", "2"]

    run(story())


def test_a_chat_gets_sentences_many_in_one_message(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            assert await here.add(kind=ForwardKind.SLACK) is None
            await here.push(*map(str, range(25)))
            await here.work()
            texts = [msgspec.json.decode(body)["text"] for _, body in here.sink.requests]
            assert [len(text.splitlines()) for text in texts] == [20, 5]
            assert texts[0].splitlines()[0] == "*ci* pushed `team/api:0` · local"
            assert "X-KubeDash-Signature" not in here.sink.requests[0][0]

    run(story())


def test_what_happens_while_it_is_off_is_not_passed_on_later(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add()
            await forwards.set_enabled(here.services, SYSTEM, NAME, False)
            await here.push("off")
            await here.work()
            await forwards.set_enabled(here.services, SYSTEM, NAME, True)
            await here.push("on")
            await here.work()
            assert here.sink.tags == ["on"]

    run(story())


def test_a_test_says_what_came_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add()
            here.sink.answers = [web.Response(status=204), web.Response(status=403, text="who are you")]
            assert (await forwards.test_forward(here.services, SYSTEM, NAME)).taken
            refused = await forwards.test_forward(here.services, SYSTEM, NAME)
            assert (refused.taken, refused.problem) == (False, "It answered 403: who are you")
            assert here.sink.taken[0]["event"] is None

    run(story())


def test_names_are_unique_registries_known_and_everything_is_in_the_audit_trail(tmp_path: Path) -> None:
    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add(secret="given")
            with pytest.raises(Conflict):
                await here.add()
            with pytest.raises(InvalidInput):
                await here.add(name="other", registry="nowhere")
            await forwards.set_enabled(here.services, SYSTEM, NAME, False)
            await forwards.remove_forward(here.services, SYSTEM, NAME)
            with pytest.raises(NotFound):
                await here.state()
            trail = (await audit.open_audit(here.services, SYSTEM, AuditQuery())).items
            actions = [entry.action for entry in trail if entry.target == NAME]
            assert sorted(actions) == ["forward.add", "forward.pause", "forward.remove"]
            assert "given" not in str(trail)
            assert "/hook" not in str(trail)

    run(story())


def test_no_more_waits_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MAX_WAITING", 5)
    monkeypatch.setattr("kubedash.policy.forwarding.MAX_WAITING", 5)

    async def story() -> None:
        async with post(tmp_path) as here:
            await here.add(url=DEAD)
            await here.push(*map(str, range(8)))
            await here.work()
            found = await here.state()
            assert (found.waiting, found.dropped) == (5, 3)

    run(story())


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_forgets_nothing(tmp_path: Path) -> None:
    """Some may come twice, with the same number; none is lost, and they come in order."""
    folder, sink = tmp_path / "data", Sink()
    tags = [f"{number:03d}" for number in range(120)]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.events.worker", "forward"],
            env=environment(folder, DEAD),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    async def story() -> None:
        async with scripted(sink) as server:
            async with house(folder, DEAD) as here:
                settings = ForwardSettings(name=NAME, url=server.url, actions=("push",))
                await forwards.add_forward(here.services, SYSTEM, settings)
                now = datetime.now(UTC)
                told = [notification(n, now, tag=tag, action="push") for n, tag in enumerate(tags)]
                await Listener(here).store(*told)
            process = start()
            await eventually(lambda: _has(sink, 30))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
            last = start()
            await eventually(lambda: _has(sink, len(tags)))
            assert await _idle(last)

    async def _has(sink: Sink, many: int) -> bool:
        return len(set(sink.tags)) >= many

    async def _idle(process: subprocess.Popen[str]) -> bool:
        found = await asyncio.to_thread(wait_for, process, "idle")
        await asyncio.to_thread(process.communicate, timeout=60)
        return found

    run(story())
    deliveries: dict[str, str] = {}
    for one in sink.taken:
        assert deliveries.setdefault(one["event"]["tag"], one["delivery"]) == one["delivery"]
    assert list(deliveries) == tags
    assert len(sink.taken) <= len(tags) + 2
