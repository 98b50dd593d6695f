"""An event is a reason to ask, never an answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from kubedash.storage import repositories
from kubedash.workflows.drive_index import PAUSE_AFTER_FAILURE
from tests.events.told import Listener
from tests.support.aio import eventually, run
from tests.support.events import notification
from tests.support.scripted import scripted
from tests.support.services import Clock
from tests.sync import content
from tests.sync.fake import Fake, abort
from tests.sync.house import House, house

NAME = "team/app"


async def names(here: House) -> tuple[str, ...]:
    """The repositories that the index knows."""
    async with here.services.database.read() as session:
        return await repositories.names_due(session, here.registry_id, None, 100)


OLD, NEW = content.image(1), content.image(2)


def test_a_push_that_is_told_before_the_tag_moves_is_waited_for(tmp_path: Path) -> None:
    registry = Fake({NAME: {"1.0": OLD, "other": NEW}})
    looks = 0

    def moves_at_the_third_look(request: web.Request) -> None:
        nonlocal looks
        if request.path.endswith("/manifests/1.0"):
            looks += 1
            if looks == 3:
                registry.content[NAME]["1.0"] = NEW

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            await here.crawl(NAME)
            registry.fault = moves_at_the_third_look
            listener = Listener(here)
            now = here.services.clock()
            await listener.store(notification(1, now, action="push", tag="1.0", repository=NAME, digest=NEW.digest))
            await listener.work()
            assert (await here.digests(NAME))["1.0"] == NEW.digest
            assert looks == 3

    run(story())


def test_a_tag_is_never_set_to_what_the_registry_does_not_say(tmp_path: Path) -> None:
    registry = Fake({NAME: {"1.0": OLD}})

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            await here.crawl(NAME)
            listener = Listener(here)
            now = here.services.clock()
            await listener.store(
                notification(1, now, action="push", tag="1.0", repository=NAME, digest=NEW.digest),
                notification(2, now, action="push", tag="forged", repository=NAME, digest=NEW.digest),
                notification(3, now, action="delete", tag=None, repository=NAME, digest=OLD.digest),
                notification(4, now, action="push", tag=None, repository=NAME, digest=NEW.digest),
            )
            await listener.work()
            await here.crawl(NAME)
            assert await here.digests(NAME) == {"1.0": OLD.digest}

    run(story())


def test_a_proxys_404_removes_nothing(tmp_path: Path) -> None:
    registry = Fake({NAME: {"1.0": OLD}})

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            await here.crawl(NAME)
            registry.fault = lambda request: web.Response(text="no such page", status=404)
            listener = Listener(here)
            await listener.store(notification(1, here.services.clock(), action="delete", tag="1.0", repository=NAME))
            await listener.work()
            assert await here.digests(NAME) == {"1.0": OLD.digest}

    run(story())


def test_what_a_dead_registry_told_is_read_when_it_is_back(tmp_path: Path) -> None:
    registry = Fake({NAME: {"1.0": OLD}, "team/alive": {}})

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            await here.crawl(NAME)
            registry.fault = abort
            listener = Listener(here)
            now = here.services.clock()
            told = {"repository": NAME, "tag": "1.0", "digest": NEW.digest}
            await listener.store(notification(1, now, action="push", **told), notification(2, now, **told))
            await listener.work()
            registry.fault = lambda request: None
            registry.content[NAME]["1.0"] = NEW
            await here.crawl(NAME)
            assert await here.digests(NAME) == {"1.0": NEW.digest}
            assert (await here.repository(NAME)).last_pulled is not None

    run(story())


def test_a_push_during_a_crawl_of_the_same_repository_is_not_lost(tmp_path: Path) -> None:
    """The crawl has its listing and its look at the tag from before."""
    registry = Fake({NAME: {"1.0": OLD}})
    listed, go_on = asyncio.Event(), asyncio.Event()

    async def slow_after_listing(request: web.Request) -> web.StreamResponse:
        answer = await registry(request)
        if request.path.endswith("/tags/list") and not go_on.is_set():
            listed.set()
            await go_on.wait()
        return answer

    async def story() -> None:
        async with scripted(slow_after_listing) as server, house(tmp_path, server.url) as here:
            go_on.set()
            await here.crawl(NAME)
            go_on.clear()
            crawl = asyncio.create_task(here.crawl(NAME))
            await listed.wait()
            registry.content[NAME] |= {"1.0": NEW, "2.0": NEW}
            listener = Listener(here)
            now = here.services.clock()
            common = {"action": "push", "repository": NAME, "digest": NEW.digest}
            await listener.store(notification(1, now, tag="1.0", **common), notification(2, now, tag="2.0", **common))
            await listener.work()
            expected = {"1.0": NEW.digest, "2.0": NEW.digest}
            assert await here.digests(NAME) == expected
            go_on.set()
            await crawl
            await listener.driver.step()
            assert await here.digests(NAME) == expected

    run(story())


def test_a_restart_of_the_registry_causes_one_crawl(tmp_path: Path) -> None:
    registry = Fake({NAME: {"1.0": OLD}, "team/unheard": {"1": NEW}})

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            listener = Listener(here)
            now = here.services.clock()
            await listener.store(notification(1, now, repository=NAME, instance="one"))
            await listener.work()
            asked = len(server.asked)
            await listener.store(notification(2, now, repository=NAME, instance="two"))
            await listener.work()

            async def knows_both() -> bool:
                return len(await names(here)) == 2

            await eventually(knows_both)
            await listener.store(notification(3, now, repository=NAME, instance="three"))
            await listener.work()
            assert sum("_catalog" in line for line in server.asked[asked:]) == 1

    run(story())


def test_strangers_cost_the_registry_little(tmp_path: Path) -> None:
    registry = Fake({})

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            listener = Listener(here)
            now = here.services.clock()
            names = [f"made/up-{number}" for number in range(200)]
            await listener.store(*(notification(n, now, repository=name) for n, name in enumerate(names)))
            await listener.work()
            assert 0 < len(server.requests) <= 40

    run(story())


def test_what_a_dead_registry_told_of_unknown_repositories_is_asked_when_it_is_back(tmp_path: Path) -> None:
    registry = Fake({"team/new": {"1.0": OLD}})
    registry.fault = abort
    clock = Clock(datetime.now(UTC))

    async def story() -> None:
        async with scripted(registry) as server, house(tmp_path, server.url) as here:
            here.services = replace(here.services, clock=clock)
            listener = Listener(here)
            now = clock()
            common = {"action": "push", "tag": "1.0", "digest": OLD.digest}
            await listener.store(
                notification(1, now, repository="team/new", **common),
                notification(2, now, repository="made/up", **common),
                notification(3, now, repository="pulled/only"),
            )
            await listener.work()
            assert await names(here) == ()
            registry.fault = lambda request: None
            clock.turn(seconds=PAUSE_AFTER_FAILURE.total_seconds() + 1)
            await listener.driver.step()
            assert await names(here) == ("team/new",)
            assert await here.digests("team/new") == {"1.0": OLD.digest}

    run(story())
