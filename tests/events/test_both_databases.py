"""Working events off on SQLite and PostgreSQL: by several processes at once, and whatever the events say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kubedash.oci.notifications import parse
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import ForwardSettings
from kubedash.storage import event_feed, pulls, repositories
from kubedash.workflows import forwards
from kubedash.workflows.forward_events import Forwarder
from tests.events.told import Listener
from tests.support.aio import run
from tests.support.databases import DatabaseAt
from tests.support.events import envelope, notification, told
from tests.support.scripted import scripted
from tests.sync import content
from tests.sync.fake import Fake
from tests.sync.house import house

NAME = "team/app"
IMAGE, INDEX = content.image(1), content.built(2)
PULLS = 40


def _environ(database: DatabaseAt) -> dict[str, str]:
    return {"KUBEDASH_DATABASE_URL": database.url} if database.dialect == "postgresql" else {}


async def _always(*_: object) -> bool:
    return True


def test_two_processes_that_both_think_it_is_their_turn_count_once(
    database: DatabaseAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "take_turn", _always)

    async def story() -> None:
        registry = Fake({NAME: {"1.0": IMAGE, "multi": INDEX}})
        async with scripted(registry) as server, house(tmp_path, server.url, environ=_environ(database)) as here:
            one, other = Listener(here, "one"), Listener(here, "other")
            now = here.services.clock()
            await forwards.add_forward(
                here.services, SYSTEM, ForwardSettings(name="dead", url="http://127.0.0.1:9", actions=("push",))
            )
            await one.store(
                *(notification(n, now, repository=NAME, tag="1.0", digest=IMAGE.digest) for n in range(PULLS)),
                notification(100, now, repository=NAME, action="push", tag="1.0", digest=IMAGE.digest),
                notification(101, now, repository=NAME, action="push", tag="multi", digest=INDEX.digest),
                notification(102, now, repository=NAME, action="push", tag=None, digest=INDEX.children[0].digest),
            )
            while await one.left():
                await asyncio.gather(one.driver.step(), other.driver.step())
            assert await here.digests(NAME) == {"1.0": IMAGE.digest, "multi": INDEX.digest}
            repository = await here.repository(NAME)
            async with here.services.database.read() as session:
                counts = await pulls.of_repositories(session, here.registry_id, [repository.id], now)
            assert counts[repository.id].days_7 == PULLS
            forwarders = [Forwarder(here.services, name) for name in ("one", "other")]
            await asyncio.gather(*(forwarder.step() for forwarder in forwarders))
            assert (await forwards.show_forward(here.services, SYSTEM, "dead")).waiting == 3

    run(story())


HOSTILE: list[dict[str, Any]] = [
    {"action": "push", "tag": "../../x", "digest": "sha256:zz"},
    {"action": "push", "tag": "ok", "digest": "md5:" + "a" * 200},
    {"action": "delete", "tag": None, "digest": "sha512:" + "a" * 128},
    {"action": "delete", "repository": "<script>", "tag": "x" * 5_000},
    {"action": "rename", "repository": "a" * 400},
    {"action": "push", "repository": NAME, "tag": "1.0", "actor": "x\x00\ud800" * 400},
    {"action": "pull", "repository": NAME, "tag": "1.0", "useragent": "\u202e" * 5_000, "addr": "[::1"},
    {"action": "drop table", "repository": NAME, "media_type": "x" * 5_000},
    {"action": "pull", "repository": "A/B", "digest": None, "tag": None},
    {"action": "push", "repository": "never/was", "tag": "latest", "instance": "i" * 5_000},
]


def test_no_event_stops_those_behind_it(database: DatabaseAt, tmp_path: Path) -> None:
    async def story() -> None:
        registry = Fake({NAME: {"1.0": IMAGE}})
        async with scripted(registry) as server, house(tmp_path, server.url, environ=_environ(database)) as here:
            listener, now = Listener(here), here.services.clock()
            async with here.services.database.write() as session:
                await repositories.ensure(session, here.registry_id, [RepositoryName(NAME)], now)
            await forwards.add_forward(
                here.services,
                SYSTEM,
                ForwardSettings(name="all", url="http://127.0.0.1:9", actions=("push", "drop_table")),
            )
            for number, fields in enumerate(HOSTILE):
                body = envelope(told(number, now, **fields))
                await listener.store(*parse("application/json", {}, body).notifications)
            await listener.store(
                *parse("application/json", {}, b'{"events":[{}, 7, null, {"target": []}]}').notifications
            )
            await listener.store(notification(99, now, action="push", repository=NAME, tag="1.0", digest=IMAGE.digest))
            await listener.work()
            assert await here.digests(NAME) == {"1.0": IMAGE.digest}
            await Forwarder(here.services, "test").step()
            assert (await forwards.show_forward(here.services, SYSTEM, "all")).waiting >= 3

    run(story())
