"""Jobs and live messages on PostgreSQL, with two processes' worth of house on one database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from kubedash.live import Live, Message
from kubedash.policy.access import SYSTEM
from kubedash.settings import load
from kubedash.storage import people
from kubedash.wiring import close_services, open_services
from kubedash.workflows import sync
from tests.support.aio import run
from tests.support.databases import DatabaseAt
from tests.support.scripted import scripted
from tests.sync import content
from tests.sync.fake import Fake


def environ(folder: Path, database: DatabaseAt, url: str) -> dict[str, str]:
    return {
        "KUBEDASH_DATA_DIR": str(folder),
        "KUBEDASH_DATABASE_URL": database.url,
        "KUBEDASH_SECRET_KEY": "k" * 40,
        "KUBEDASH_ADMIN_PASSWORD": "the first password",
        "KUBEDASH_REGISTRIES": json.dumps([{"name": "local", "url": url}]),
        "KUBEDASH_SYNC_INTERVAL": "0",
    }


def test_a_crawl_runs_on_the_engine_in_a_schema_of_the_same_database(
    postgres_database: DatabaseAt, tmp_path: Path
) -> None:
    async def story() -> None:
        fake = Fake({"team/app": {"1.0": content.image(1), "2.0": content.built(2)}})
        async with scripted(fake) as server:
            services = await open_services(load(environ(tmp_path, postgres_database, server.url)))
            try:
                job = await sync.request_sync(services, SYSTEM, "local")
                while job.state in ("queued", "running"):
                    await asyncio.sleep(0.05)
                    job = await sync.job(services, SYSTEM, job.id)
                assert (job.state, job.error) == ("done", None)
                async with services.database.read() as session:
                    assert await people.count(session) == 1
            finally:
                await close_services(services)

    run(story())


def test_processes_pass_messages_on(postgres_database: DatabaseAt) -> None:
    async def story() -> None:
        here, there = Live(), Live()
        await here.start(postgres_database.url)
        await there.start(postgres_database.url)
        try:
            async with here.subscribe(("registries",)) as messages:
                heard = asyncio.ensure_future(anext(messages))
                while not heard.done():
                    # Until both listen: what is said before is not heard, and need not be.
                    there.publish("registries", "changed")
                    await asyncio.wait((heard,), timeout=0.1)
                assert heard.result() == Message("registries", "changed")
        finally:
            await here.close()
            await there.close()

    run(story())


@pytest.mark.parametrize("count", [1, 3])
def test_a_message_of_our_own_is_heard_once(postgres_database: DatabaseAt, count: int) -> None:
    async def story() -> None:
        live = Live()
        await live.start(postgres_database.url)
        try:
            async with live.subscribe(("registries",)) as messages:
                for number in range(count):
                    live.publish("registries", str(number))
                await asyncio.sleep(0.3)
                await live.close()
                assert [message.text async for message in messages] == [str(number) for number in range(count)]
        finally:
            await live.close()

    run(story())
