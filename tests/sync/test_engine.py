"""The durable engine on SQLite: queues, coalescing, restarts, takeover, the schedule."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from kubedash.errors import NotFound
from kubedash.jobs import executors, schedule
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import Job, RepositoryQuery
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows import browse, sync
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.scripted import scripted
from tests.sync import content
from tests.sync.fake import Fake, abort
from tests.sync.picture import jobs

APP = RepositoryName("team/app")


@asynccontextmanager
async def engine(folder: Path, url: str, **environ: str) -> AsyncIterator[Services]:
    settings = {
        "KUBEDASH_DATA_DIR": str(folder),
        "KUBEDASH_ADMIN_PASSWORD": "the first password",
        "KUBEDASH_REGISTRIES": json.dumps([{"name": "local", "url": url}]),
        "KUBEDASH_SYNC_INTERVAL": "0",
        **environ,
    }
    services = await open_services(load(settings))
    try:
        yield services
    finally:
        await close_services(services)


class Gate:
    """Holds back every question about one repository until it is opened."""

    def __init__(self, fake: Fake, name: str) -> None:
        self._fake, self._name = fake, name
        self.opened = asyncio.Event()
        self.waiting = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(f"/v2/{self._name}/"):
            self.waiting.set()
            await self.opened.wait()
        return await self._fake(request)


def samples() -> Fake:
    return Fake(
        {
            "slow/one": {"1": content.image(1)},
            "team/app": {f"1.{number}": content.image(number) for number in range(5)},
        }
    )


async def ended(services: Services, job: Job) -> Job:
    while job.state in ("queued", "running"):
        await asyncio.sleep(0.05)
        job = await sync.job(services, SYSTEM, job.id)
    return job


def test_a_job_is_shared_ends_and_is_remembered_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with scripted(samples()) as server:
            async with engine(tmp_path, server.url) as services:
                first = await sync.request_sync(services, SYSTEM, "local")
                assert (await sync.request_sync(services, SYSTEM, "local")).id == first.id
                done = await ended(services, first)
                assert (done.state, done.error, done.registry) == ("done", None, "local")
                assert done.progress is not None
                assert (done.progress.done, done.progress.total) == (2, 2)
                assert (await sync.request_sync(services, SYSTEM, "local")).id != first.id
                with pytest.raises(NotFound):
                    await sync.job(services, SYSTEM, "no-such-job")
            async with engine(tmp_path, server.url) as services:
                again = await sync.job(services, SYSTEM, first.id)
                assert (again.state, again.progress) == ("done", done.progress)

    run(story())


def test_a_refresh_does_not_wait_behind_a_crawl_and_a_crawl_can_be_cancelled(tmp_path: Path) -> None:
    async def story() -> None:
        gate = Gate(samples(), "slow/one")
        async with scripted(gate) as server, engine(tmp_path, server.url) as services:
            crawl = await sync.request_sync(services, SYSTEM, "local")
            await gate.waiting.wait()
            refresh = await ended(services, await sync.request_sync(services, SYSTEM, "local", APP))
            assert refresh.state == "done"
            assert (await sync.job(services, SYSTEM, crawl.id)).state == "running"
            assert (await sync.cancel(services, SYSTEM, crawl.id)).state == "cancelled"
            gate.opened.set()
            assert (await ended(services, await sync.request_sync(services, SYSTEM, "local"))).state == "done"

    run(story())


def test_a_crawl_goes_on_after_the_house_was_closed_in_the_middle(tmp_path: Path) -> None:
    async def story() -> None:
        gate = Gate(samples(), "slow/one")
        async with scripted(gate) as server:
            async with engine(tmp_path, server.url) as services:
                job = await sync.request_sync(services, SYSTEM, "local")
                await gate.waiting.wait()
            gate.opened.set()
            async with engine(tmp_path, server.url) as services:
                assert (await ended(services, await sync.job(services, SYSTEM, job.id))).state == "done"
        assert jobs(tmp_path) == [("sync_registry", "SUCCESS")]

    run(story())


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "DEAD_SECONDS", 0.5)
    monkeypatch.setattr(schedule, "BEAT_SECONDS", 0.2)

    async def story() -> None:
        gate = Gate(samples(), "slow/one")
        async with scripted(gate) as server:
            async with engine(tmp_path, server.url) as services:
                job = await sync.request_sync(services, SYSTEM, "local")
                await gate.waiting.wait()
            gate.opened.set()
            # The name of the process that ended is taken, so the next one has another.
            with (tmp_path / "executor-0.lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                async with engine(tmp_path, server.url) as services:
                    assert (await ended(services, await sync.job(services, SYSTEM, job.id))).state == "done"
        assert jobs(tmp_path) == [("sync_registry", "SUCCESS")]

    run(story())


def test_registries_are_crawled_by_themselves(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            scripted(samples()) as server,
            engine(tmp_path, server.url, KUBEDASH_SYNC_INTERVAL="900") as services,
            services.live.subscribe(("registry:local",)) as messages,
        ):
            await anext(messages)

    run(story())


def test_a_failure_of_a_moment_ago_is_answered_instead_of_asked_for_again(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        fake.fault = abort
        async with scripted(fake) as server, engine(tmp_path, server.url) as services:
            failed = await ended(services, await services.jobs.sync_repository("local", "team/app"))
            assert failed.state == "failed"
            assert failed.error
            assert (await services.jobs.sync_repository("local", "team/app")).id == failed.id
            assert (await services.jobs.sync_repository("local", "team/app", again=True)).id != failed.id

    run(story())


def test_a_running_crawl_of_a_registry_is_known_without_a_query(tmp_path: Path) -> None:
    async def story() -> None:
        gate = Gate(samples(), "slow/one")
        async with scripted(gate) as server, engine(tmp_path, server.url) as services:
            assert services.jobs.running_crawl("local") is None
            job = await sync.request_sync(services, SYSTEM, "local")
            await gate.waiting.wait()
            running = services.jobs.running_crawl("local")
            assert running is not None
            assert (running.id, running.state) == (job.id, "running")
            listing = await browse.open_repositories(services, SYSTEM, "local", RepositoryQuery())
            assert (listing.freshness.state, listing.freshness.job_id) == ("syncing", job.id)
            gate.opened.set()
            assert (await ended(services, job)).state == "done"
            while services.jobs.running_crawl("local") is not None:
                await asyncio.sleep(0.02)

    run(story())


def test_old_jobs_are_forgotten_and_open_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "FORGET_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "BEAT_SECONDS", 0.1)

    async def story() -> None:
        gate = Gate(samples(), "slow/one")
        async with scripted(gate) as server, engine(tmp_path, server.url) as services:
            old = await ended(services, await sync.request_sync(services, SYSTEM, "local", APP))
            still_open = await sync.request_sync(services, SYSTEM, "local")
            await gate.waiting.wait()
            assert await services.jobs.find(old.id) is not None
            monkeypatch.setattr(schedule, "KEEP_JOBS", timedelta(0))
            while await services.jobs.find(old.id) is not None:
                await asyncio.sleep(0.05)
            assert (await sync.job(services, SYSTEM, still_open.id)).state == "running"
            gate.opened.set()

    run(story())
