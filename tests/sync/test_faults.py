"""Whatever a registry does, what was known stays, and the reason is kept beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.registry.retries import IMPATIENT
from kubedash.storage import registries, repositories
from kubedash.workflows import sync
from tests.support.aio import run
from tests.support.scripted import scripted
from tests.sync import content
from tests.sync.fake import Fake, abort, complaint
from tests.sync.house import House, house


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedash.registry.pool.Patience", lambda: IMPATIENT)


def samples() -> Fake:
    return Fake(
        {
            "team/app": {f"1.{number}": content.image(number) for number in range(6)},
            "team/web": {"latest": content.built(1)},
            "zoo/last": {"1": content.image(50)},
        }
    )


@asynccontextmanager
async def crawled(folder: Path, fake: Fake, **settings: object) -> AsyncIterator[House]:
    """A house that knows the fake's content already."""
    async with scripted(fake) as server, house(folder, server.url, **settings) as here:
        assert (await here.crawl()).state == "done"
        yield here


async def everything(here: House, names: tuple[str, ...] = ("team/app", "team/web", "zoo/last")) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in names:
        repository = await here.repository(name)
        found[name] = (repository.gone_since, repository.tag_count, repository.size, await here.digests(name))
    return found


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(abort, "unreachable", id="down"),
        pytest.param(lambda request: complaint(500, "UNKNOWN"), "error", id="failing"),
        pytest.param(lambda request: complaint(401, "UNAUTHORIZED"), "unauthorized", id="locked"),
        pytest.param(lambda request: web.Response(text="<html>maintenance", content_type="text/html"), None, id="page"),
        pytest.param(lambda request: web.Response(text="404 page not found", status=404), None, id="nothing"),
        pytest.param(lambda request: web.json_response({"repositories": 7, "tags": {"a": 1}}), None, id="nonsense"),
        pytest.param(lambda request: web.json_response({"status": "maintenance"}), None, id="another service"),
        pytest.param(lambda request: web.json_response({"errors": []}), None, id="failure that says 200"),
    ],
)
def test_an_outage_of_any_kind_changes_nothing_that_was_known(
    tmp_path: Path, fault: object, status: str | None
) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            before = await everything(here)
            synced = (await here.registry()).last_synced
            fake.fault = fault  # type: ignore[assignment]
            assert (await here.crawl()).state == "failed"
            assert (await here.crawl("team/app")).state == "failed"
            assert await everything(here) == before
            registry = await here.registry()
            assert registry.last_synced == synced
            assert registry.status != "ok"
            assert registry.status_detail
            assert status in (None, registry.status)
            repository = await here.repository("team/app")
            assert repository.sync_error
            assert repository.failing_since is not None
            fake.fault = lambda request: None
            assert (await here.crawl()).state == "done"
            assert (await here.registry()).status == "ok"
            assert (await here.repository("team/app")).failing_since is None

    run(story())


def test_a_registry_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            before = await everything(here)
            fake.hanging = True
            job = await here.crawl()
            assert (job.state, bool(job.error)) == ("failed", True)
            assert (await here.registry()).status == "unreachable"
            assert await everything(here) == before
            fake.hanging = False

    run(story())


def test_down_in_the_middle_keeps_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            before = await everything(here)
            fake.fault = lambda request: abort(request) if "/manifests/" in request.path else None
            assert (await here.crawl()).state == "failed"
            assert await everything(here) == before

    run(story())


def test_failures_on_some_tags_leave_those_and_take_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            old = await here.digests("team/app")
            new = {f"1.{number}": content.image(100 + number) for number in range(7)}
            fake.content["team/app"] = dict(new)
            bad = ("1.2", "1.6")
            fake.fault = lambda request: (
                complaint(500, "UNKNOWN") if request.path.endswith(tuple(f"/manifests/{tag}" for tag in bad)) else None
            )
            assert (await here.crawl()).state == "done"
            assert (await here.crawl("team/app")).state == "failed"
            found = await here.digests("team/app")
            assert found["1.2"] == old["1.2"]
            assert "1.6" not in found
            assert found["1.3"] == new["1.3"].digest
            repository = await here.repository("team/app")
            assert repository.sync_error is not None
            assert repository.sync_error.startswith("2 of 7 tags could not be read; 1.2: ")
            fake.fault = lambda request: None
            assert (await here.crawl("team/app")).state == "done"
            assert await here.digests("team/app") == {tag: sample.digest for tag, sample in new.items()}

    run(story())


def test_half_a_catalog_prunes_nothing_and_the_known_is_still_refreshed(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            fake.page = 1
            del fake.content["zoo/last"]["1"]
            fake.content["zoo/last"]["2"] = content.image(51)
            fake.fault = lambda request: complaint(500, "UNKNOWN") if "from" in request.query else None
            synced = (await here.registry()).last_synced
            await here.crawl()
            registry = await here.registry()
            assert (registry.status, registry.last_synced) == ("error", synced)
            assert (await here.repository("team/web")).gone_since is None
            assert set(await here.digests("zoo/last")) == {"2"}

    run(story())


def test_a_refused_catalog_is_replaced_by_names_given_by_hand_and_those_from_before(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with scripted(fake) as server, house(tmp_path, server.url, repositories=("zoo/last",)) as here:
            fake.fault = lambda request: complaint(403, "DENIED") if request.path == "/v2/_catalog" else None
            await here.crawl("team/app")
            assert (await here.crawl()).state == "done"
            registry = await here.registry()
            assert (registry.status, registry.repository_count) == ("ok", 2)
            assert "does not list" in (registry.status_detail or "")
            assert set(await here.digests("zoo/last")) == {"1"}

    run(story())


def test_a_refused_catalog_and_no_names_is_said_so(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with scripted(fake) as server, house(tmp_path, server.url) as here:
            fake.fault = lambda request: complaint(403, "DENIED") if request.path == "/v2/_catalog" else None
            await here.crawl()
            registry = await here.registry()
            assert (registry.status, registry.last_synced) == ("denied", None)

    run(story())


@pytest.mark.parametrize("by", ["null", "unknown"])
def test_an_emptied_repository_is_emptied_only_while_the_catalog_is_well(tmp_path: Path, by: str) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:

            def emptied(request: web.Request) -> web.Response | None:
                if request.path != "/v2/zoo/last/tags/list":
                    return complaint(500, "UNKNOWN") if request.path == "/v2/_catalog" and ill else None
                return complaint(404, "NAME_UNKNOWN") if by == "unknown" else web.json_response({"tags": None})

            fake.fault, ill = emptied, True
            assert (await here.crawl("zoo/last")).state == "failed"
            assert set(await here.digests("zoo/last")) == {"1"}
            ill = False
            assert (await here.crawl("zoo/last")).state == "done"
            assert await here.digests("zoo/last") == {}

    run(story())


def test_a_tag_that_is_listed_and_not_there_is_kept_and_named(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            fake.fault = lambda request: (
                complaint(404, "MANIFEST_UNKNOWN") if request.path.endswith("/manifests/1.4") else None
            )
            assert (await here.crawl("team/app")).state == "failed"
            assert "1.4" in await here.digests("team/app")

    run(story())


def test_settings_that_cannot_be_used_are_said_of_the_registry(tmp_path: Path) -> None:
    """A certificate that was saved untested; nobody would look for it in a job."""

    async def story() -> None:
        async with crawled(tmp_path, samples()) as here:
            async with here.services.database.write() as session:
                settings = await registries.settings_of(session, here.registry_id)
                url = settings.url.replace("http://", "https://")
                broken = replace(settings, url=url, client_certificate_pem="no certificate")
                await registries.update(session, here.registry_id, broken, None)
            await here.services.registries.forget(here.registry_id)
            assert (await here.crawl()).state == "failed"
            registry = await here.registry()
            assert (registry.status, registry.tag_count) == ("error", 8)
            assert "client certificate" in (registry.status_detail or "")

    run(story())


def test_two_who_ask_share_a_job(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            first = await sync.request_sync(here.services, SYSTEM, "local", RepositoryName("team/app"))
            second = await sync.request_sync(here.services, SYSTEM, "local", RepositoryName("team/app"))
            assert first.id == second.id
            assert (await here.ended(first)).state == "done"

    run(story())


def test_a_cancelled_crawl_stops_and_lets_go(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            before = await everything(here)
            fake.hanging = True
            job = await sync.request_sync(here.services, SYSTEM, "local", RepositoryName("team/app"))
            await asyncio.sleep(0.1)
            assert (await sync.cancel(here.services, SYSTEM, job.id)).state == "cancelled"
            fake.hanging = False
            assert await everything(here) == before
            assert (await here.crawl("team/app")).state == "done"

    run(story())


def test_a_repository_that_another_crawl_is_reading_is_left_to_it(tmp_path: Path) -> None:
    async def story() -> None:
        fake = samples()
        async with crawled(tmp_path, fake) as here:
            fake.content["team/app"] = {"2.0": content.image(60)}
            fake.content["zoo/last"] = {"2.0": content.image(61)}
            repository = await here.repository("team/app")
            async with here.services.database.write() as session:
                now = here.services.clock()
                assert await repositories.claim(session, repository.id, "another job", now, 60)
            assert (await here.crawl()).state == "done"
            assert "2.0" not in await here.digests("team/app")
            assert "2.0" in await here.digests("zoo/last")
            async with here.services.database.write() as session:
                await repositories.release(session, repository.id, "another job")
            assert (await here.crawl()).state == "done"
            assert set(await here.digests("team/app")) == {"2.0"}

    run(story())
