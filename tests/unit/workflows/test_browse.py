"""Looking around in a store that a crawl has filled, without a registry behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from kubedash.errors import InvalidInput, NotFound, NotSignedIn, RegistryError
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.access import ANONYMOUS, Actor
from kubedash.records import RegistryStatus, RepositoryQuery, Role, SyncState, TagQuery
from kubedash.storage import registries, repositories
from kubedash.workflows import browse, inspect
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.browsing import IdleJobs
from tests.support.services import Clock, open_house
from tests.support.stored import add_repository, put
from tests.support.summaries import NOW, image, index, signature

VIEWER = Actor(name="eve", role=Role.VIEWER, via="session")
APP = RepositoryName("library/app")
ONE, TWO = image(1, labels={"team": "search me"}), image(2, arch="arm64")
BOTH = index([(ONE.digest, "linux/amd64"), (TWO.digest, "linux/arm64")])
MARK = signature(1)


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[tuple[Services, IdleJobs, Clock]]:
    """One registry with one repository, read just now."""
    clock, jobs = Clock(NOW), IdleJobs()
    async with open_house(folder, clock, KUBEDASH_REGISTRY_TIMEOUT="2") as opened:
        services = replace(opened, jobs=jobs)
        async with services.database.write() as session:
            registry_id, repository_id = await add_repository(session)
            tagged = [("1.10", ONE), ("latest", ONE), ("1.9", TWO), ("multi", BOTH)]
            await put(session, repository_id, [*tagged, (f"{ONE.digest.replace(':', '-')}.sig", MARK)])
            await repositories.record_synced(session, repository_id, NOW)
            await registries.record_synced(session, registry_id, NOW)
            await registries.record_status(session, registry_id, RegistryStatus.OK, None, NOW)
            await registries.recount(session, registry_id)
        yield services, jobs, clock


def test_the_overview_sums_up(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            found = await browse.open_overview(services, VIEWER)
            assert (found.counts.registries, found.counts.repositories, found.counts.tags) == (1, 1, 4)
            assert [repository.name for repository in found.newest] == [APP]
            assert found.warnings == ()
            assert found.registries[0].freshness.state is SyncState.FRESH

    run(body())


def test_the_overview_warns_of_what_fails_and_why(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, clock):
            async with services.database.write() as session:
                known = await registries.find(session, "demo")
                assert known is not None
                await registries.record_status(session, known.id, RegistryStatus.UNREACHABLE, "no answer", NOW)
                repository = await repositories.find(session, known.id, APP)
                assert repository is not None
                await repositories.record_failure(session, repository.id, "tags cannot be listed", NOW)
            found = await browse.open_overview(services, VIEWER)
            assert [(warning.repository, warning.reason) for warning in found.warnings] == [
                (None, "no answer"),
                (APP, "tags cannot be listed"),
            ]
            assert found.counts.unreachable == 1
            assert found.registries[0].freshness.failing_since == clock.now

    run(body())


def test_a_fresh_tag_list_asks_for_nothing_and_an_older_one_for_one_refresh(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, jobs, clock):
            listing = await browse.open_tags(services, VIEWER, "demo", APP, TagQuery())
            assert [row.name for row in listing.page.items] == ["1.10", "1.9", "multi", "latest"]
            assert jobs.asked == []
            clock.turn(minutes=1)
            listing = await browse.open_tags(services, VIEWER, "demo", APP, TagQuery())
            assert jobs.asked == [("demo", APP)]
            assert listing.freshness.state is SyncState.SYNCING
            assert (listing.freshness.as_of, listing.freshness.job_id) == (NOW, "idle")
            assert listing.progress is not None

    run(body())


def test_a_tag_list_says_that_its_registry_went_away(tmp_path: Path) -> None:
    """Also before a refresh of its own has failed; not where one has worked since."""

    async def body() -> None:
        async with filled(tmp_path) as (services, _, clock):
            async with services.database.write() as session:
                known = await registries.find(session, "demo")
                assert known is not None
                clock.turn(seconds=5)
                later = clock.now
                await registries.record_status(session, known.id, RegistryStatus.UNREACHABLE, "no answer", later)
            away = (await browse.open_tags(services, VIEWER, "demo", APP, TagQuery())).freshness
            assert (away.state, away.failing_since, away.reason) == (SyncState.FAILED, later, "no answer")
            async with services.database.write() as session:
                repository = await repositories.find(session, known.id, APP)
                assert repository is not None
                clock.turn(seconds=5)
                await repositories.record_synced(session, repository.id, clock.now)
            assert (await browse.open_tags(services, VIEWER, "demo", APP, TagQuery())).freshness.failing_since is None

    run(body())


def test_rows_say_what_is_attached_and_how_large_platforms_are(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            listing = await browse.open_tags(services, VIEWER, "demo", APP, TagQuery())
            rows = {row.name: row for row in listing.page.items}
            assert rows[Tag("1.10")].aliases == ("latest",)
            assert rows[Tag("1.10")].signed == "unchecked"
            assert rows[Tag("multi")].platforms == ("linux/amd64", "linux/arm64")
            assert rows[Tag("multi")].platform_sizes == (ONE.size, TWO.size)
            assert rows[Tag("1.9")].platform_sizes is None

    run(body())


def test_an_image_list_never_read_asks_for_its_first_crawl(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, jobs, _):
            async with services.database.write() as session:
                await add_repository(session, "library/other", "second")
            listing = await browse.open_repositories(services, VIEWER, "second", RepositoryQuery())
            assert listing.freshness.state is SyncState.SYNCING
            assert jobs.asked == [("second", None)]
            known = await browse.open_repositories(services, VIEWER, "demo", RepositoryQuery())
            assert [namespace.path for namespace in known.namespaces] == ["library"]
            assert jobs.asked == [("second", None)]

    run(body())


def test_questions_that_cannot_be_answered_are_refused(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            for refused in (
                browse.open_tags(services, VIEWER, "demo", APP, TagQuery(sort="color")),
                browse.open_tags(services, VIEWER, "demo", APP, TagQuery(cursor="nonsense")),
                browse.open_tags(services, VIEWER, "demo", APP, TagQuery(limit=0)),
                browse.open_repositories(services, VIEWER, "demo", RepositoryQuery(sort="-version")),
                browse.open_repositories(services, VIEWER, "demo", RepositoryQuery(q="x" * 1000)),
                browse.search(services, VIEWER, "app", 5000),
            ):
                with pytest.raises(InvalidInput):
                    await refused
            with pytest.raises(NotFound):
                await browse.open_tags(services, VIEWER, "nowhere", APP, TagQuery())
            with pytest.raises(NotSignedIn):
                await browse.open_overview(services, ANONYMOUS)

    run(body())


def test_what_the_index_does_not_know_is_asked_for_and_the_failure_is_the_registrys(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            async with services.database.write() as session:
                known = await registries.find(session, "demo")
                assert known is not None
                settings = replace(await registries.settings_of(session, known.id), url="http://127.0.0.1:9")
                await registries.update(session, known.id, settings)
            with pytest.raises(RegistryError):
                await browse.open_tags(services, VIEWER, "demo", RepositoryName("new/app"), TagQuery())
            with pytest.raises(RegistryError):
                await inspect.open_image(services, VIEWER, "demo", Reference(APP, tag=Tag("unknown")))

    run(body())


def test_the_search_finds_names_and_labels(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            found = await browse.search(services, VIEWER, " search me ", 10)
            assert {hit.what for hit in found.items} == {"label"}
            found = await browse.search(services, VIEWER, "app", 10)
            assert [hit.repository for hit in found.items if hit.what == "repository"] == [APP]
            assert (await browse.search(services, VIEWER, "  ", 10)).items == ()

    run(body())


def test_an_index_shows_the_inside_of_a_platform(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, _):
            reference = Reference(APP, tag=Tag("multi"))
            found = await inspect.open_image(services, VIEWER, "demo", reference)
            assert (found.platform, found.shown) == ("linux/amd64", ONE.digest)
            found = await inspect.open_image(services, VIEWER, "demo", reference, "linux/arm64")
            assert found.shown == TWO.digest
            assert [child.platform for child in found.manifests] == ["linux/amd64", "linux/arm64"]
            assert found.digest == BOTH.digest
            with pytest.raises(InvalidInput):
                await inspect.open_image(services, VIEWER, "demo", reference, "linux/s390x")

    run(body())


def test_an_image_knows_its_tags_its_parents_and_what_is_attached(tmp_path: Path) -> None:
    async def body() -> None:
        async with filled(tmp_path) as (services, _, clock):
            found = await inspect.open_image(services, VIEWER, "demo", Reference(APP, tag=Tag("1.10")))
            assert (found.name, found.aliases) == ("1.10", ("latest",))
            assert found.parents == (BOTH.digest,)
            assert [item.digest for item in found.attachments] == [MARK.digest]
            assert found.signed == "unchecked"
            assert found.freshness.as_of == NOW
            by_digest = await inspect.open_image(services, VIEWER, "demo", Reference(APP, digest=ONE.digest))
            assert by_digest.tags == found.tags
            assert clock.now - NOW < timedelta(seconds=1)

    run(body())
