"""Repositories: listings, the image list in every order, namespaces, counts and leases."""

from __future__ import annotations

import asyncio

import pytest

from kubedash.errors import InvalidInput
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Page, Repository, RepositoryQuery
from kubedash.storage import registries, repositories, tags
from kubedash.storage.database import Database, ReadSession
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put, settings
from tests.support.summaries import BASE_SIZE, DAY, NOW, image, index, signature

_NAMES = [RepositoryName(name) for name in ("alone", "lib/a", "lib/b", "lib/deep/x", "lib-other/c", "zoo/z")]


async def _filled(store: Database) -> int:
    async with store.write() as session:
        registry_id = await registries.add(session, settings(), b"")
        ids = await repositories.ensure(session, registry_id, _NAMES, NOW)
        for number, name in enumerate(_NAMES[:4]):
            await put(session, ids[name], [(f"{tag}.0", image(number * 10 + tag)) for tag in range(number % 3 + 1)])
        await registries.recount(session, registry_id)
    return registry_id


def test_ensuring_twice_gives_the_same_ids(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            registry_id = await registries.add(session, settings(), b"")
            first = await repositories.ensure(session, registry_id, _NAMES[:3], NOW)
            again = await repositories.ensure(session, registry_id, [*_NAMES, *_NAMES], NOW)
            assert again.keys() == set(_NAMES)
            assert first.items() <= again.items()

    database.run(body)


def test_a_complete_listing_hides_what_it_lacked_and_brings_back_what_it_has(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)
        async with store.write() as session:
            assert await repositories.finish_listing(session, registry_id, set(_NAMES[1:]), NOW) == 1
            found = await repositories.find(session, registry_id, "alone")
            assert found is not None
            assert found.gone_since == NOW
            assert found.tag_count == 1
            page = await repositories.page(session, registry_id, RepositoryQuery())

            assert "alone" not in {item.name for item in page.items}
            assert await repositories.names_due(session, registry_id, None, 2) == ("lib-other/c", "lib/a")
            assert await repositories.finish_listing(session, registry_id, set(_NAMES), NOW + DAY) == 0
            found = await repositories.find(session, registry_id, "alone")
            assert found is not None
            assert found.gone_since is None

    database.run(body)


def test_a_listing_leaves_other_registries_alone(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)
        async with store.write() as session:
            other, _ = await add_repository(session, "alone", registry="other")
            await repositories.finish_listing(session, registry_id, set(), NOW)
            found = await repositories.find(session, other, "alone")
            assert found is not None
            assert found.gone_since is None

    database.run(body)


@pytest.mark.parametrize("sort", ["name", "pushed_at", "size", "tag_count"])
def test_pages_forward_and_backward_show_everything_once(database: DatabaseAt, sort: str) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)
        async with store.read() as session:
            up = await _walk(session, registry_id, sort)
            down = await _walk(session, registry_id, f"-{sort}")
            assert up == down[::-1]
            assert sorted(up) == sorted(_NAMES)

    database.run(body)


async def _walk(session: ReadSession, registry_id: int, sort: str) -> list[str]:
    pages: list[Page[Repository]] = []
    cursor = None
    while not pages or cursor:
        query = RepositoryQuery(sort=sort, limit=2, cursor=cursor)
        pages.append(await repositories.page(session, registry_id, query))
        cursor = pages[-1].next
    back = pages[-1]
    for expected in reversed(pages[:-1]):
        query = RepositoryQuery(sort=sort, limit=2, cursor=back.previous)
        back = await repositories.page(session, registry_id, query)
        assert back.items == expected.items
    assert {page.total for page in pages} == {len(_NAMES)}
    return [item.name for page in pages for item in page.items]


@pytest.mark.parametrize(
    ("query", "expected", "total"),
    [
        (RepositoryQuery(namespace="lib"), ["lib/a", "lib/b", "lib/deep/x"], 3),
        (RepositoryQuery(namespace="lib/"), ["lib/a", "lib/b", "lib/deep/x"], 3),
        (RepositoryQuery(namespace="lib/deep"), ["lib/deep/x"], 1),
        (RepositoryQuery(namespace="nothing"), [], 0),
        (RepositoryQuery(q="LIB"), ["lib-other/c", "lib/a", "lib/b", "lib/deep/x"], None),
        (RepositoryQuery(q="b/"), ["lib/a", "lib/b", "lib/deep/x"], None),
        (RepositoryQuery(q="_"), [], None),
        (RepositoryQuery(q='%" OR 1'), [], None),
        (RepositoryQuery(q="deep", namespace="lib"), ["lib/deep/x"], None),
        (RepositoryQuery(kind="image"), ["alone", "lib/a", "lib/b", "lib/deep/x"], None),
        (RepositoryQuery(kind="chart"), [], None),
    ],
)
def test_filters(database: DatabaseAt, query: RepositoryQuery, expected: list[str], total: int | None) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)
        async with store.read() as session:
            page = await repositories.page(session, registry_id, query)
            assert ([item.name for item in page.items], page.total) == (expected, total)

    database.run(body)


def test_namespaces_count_at_any_depth_and_follow_the_listing(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)

        async def folders(under: str | None = None) -> dict[str, int]:
            async with store.read() as session:
                found = await repositories.namespaces(session, registry_id, under)
                return {item.path: item.repository_count for item in found}

        assert await folders() == {"lib": 3, "lib-other": 1, "zoo": 1}
        assert await folders("lib") == {"lib/deep": 1}
        async with store.write() as session:
            await repositories.ensure(session, registry_id, [RepositoryName("lib/new"), RepositoryName("lib/a")], NOW)
        assert await folders() == {"lib": 4, "lib-other": 1, "zoo": 1}
        async with store.write() as session:
            await repositories.finish_listing(session, registry_id, {RepositoryName("lib/a")}, NOW)
        assert await folders() == {"lib": 1}
        async with store.write() as session:
            await repositories.ensure(session, registry_id, [RepositoryName("zoo/z")], NOW)
        assert await folders() == {"lib": 1, "zoo": 1}

    database.run(body)


def test_recount_counts_each_digest_once_and_no_machine_tags(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            registry_id, place = await add_repository(session)
            one, two = image(1), image(2, arch="arm64", created="2026-02-01T00:00:00Z")
            both = index([(one.digest, "linux/amd64"), (two.digest, "linux/arm64")])
            signed = signature(1)
            machine = f"sha256-{one.digest.encoded}.sig"
            await put(session, place, [("one", one), ("two", two)])
            await put(session, place, [("same", one), ("multi", both), (machine, signed)])
            found = await repositories.by_id(session, place)
            assert found is not None
            images = BASE_SIZE + 1001 + 1002 + 10 + 10
            assert found.size == images + 202
            assert found.tag_count == 4
            assert found.newest_tag == "two"
            assert found.kind == "image"
            assert found.pushed_at == two.created
            row = await tags.find(session, place, Tag("multi"))
            assert row is not None
            assert row.size == images
            await registries.recount(session, registry_id, await registries.distinct_size(session, registry_id))
            owner = await registries.by_id(session, registry_id)
            assert owner is not None
            assert (owner.repository_count, owner.tag_count, owner.size) == (1, 4, found.size)

    database.run(body)


def test_a_tag_that_moves_after_the_first_listing_was_pushed_then(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [("1.0", image(1))])
            await repositories.record_synced(session, place, NOW)
            await tags.observe(session, place, [(Tag("1.0"), digest(2))], NOW + DAY, "crawl")
            await repositories.recount(session, place)
            found = await repositories.by_id(session, place)
            assert found is not None
            assert found.pushed_at == NOW + DAY

    database.run(body)


def test_an_image_from_the_future_does_not_lead_the_list(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [("1.0", image(1, created="2999-01-01T00:00:00Z"))])
            found = await repositories.by_id(session, place)
            assert found is not None
            assert found.pushed_at is None

    database.run(body)


def test_failures_last_until_a_listing_succeeds(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await repositories.record_failure(session, place, "no answer", NOW)
            await repositories.record_failure(session, place, "still none", NOW + DAY)
            (found,) = await repositories.failing(session, 5)
            assert (found.failing_since, found.sync_error) == (NOW, "still none")
            await repositories.record_synced(session, place, NOW + 2 * DAY)
            assert await repositories.failing(session, 5) == ()

    database.run(body)


def test_a_lease_has_one_owner_at_a_time(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)

        async def claim(owner: str) -> bool:
            async with store.write() as session:
                return await repositories.claim(session, place, owner, NOW, 60)

        taken = await asyncio.gather(*(claim(f"job {number}") for number in range(6)))
        assert sum(taken) == 1
        owner = f"job {taken.index(True)}"
        async with store.write() as session:
            assert await repositories.claim(session, place, owner, NOW, 60)
            assert not await repositories.renew(session, place, "somebody else", NOW, 60)
            assert await repositories.renew(session, place, owner, NOW, 3600)
            await repositories.release(session, place, "somebody else")
            assert not await repositories.claim(session, place, "another", NOW + DAY / 48, 60)
            assert await repositories.claim(session, place, "another", NOW + DAY, 60)
            assert not await repositories.renew(session, place, owner, NOW, 60)
            await repositories.release(session, place, "another")
            assert await repositories.claim(session, place, "third", NOW, 60)

    database.run(body)


def test_a_cursor_of_another_sort_is_refused(sqlite_database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        registry_id = await _filled(store)
        async with store.read() as session:
            page = await repositories.page(session, registry_id, RepositoryQuery(limit=1))
            with pytest.raises(InvalidInput):
                await repositories.page(session, registry_id, RepositoryQuery(sort="-name", cursor=page.next))

    sqlite_database.run(body)
