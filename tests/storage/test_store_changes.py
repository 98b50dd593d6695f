"""What changes need to remember, on both databases: abilities, turns, what was not finished, bytes that go."""

from __future__ import annotations

from datetime import timedelta

from kubedash.artifacts.summary import ManifestSummary
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Capabilities, DeleteAbility
from kubedash.storage import changes, manifests, sizes, tag_history, tags
from kubedash.storage.database import Database
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put
from tests.support.summaries import DAY, NOW, image, index

MINUTE = timedelta(minutes=1)


def test_abilities_are_replaced_and_forgotten(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            registry, _ = await add_repository(session)
            assert await changes.capabilities(session, registry) is None
            for tag_delete in (None, True, False):
                found = Capabilities(
                    delete=DeleteAbility.ENABLED,
                    tag_delete=tag_delete,
                    product="zot",
                    distribution_like=False,
                    detail=None,
                    probed_at=NOW,
                )
                await changes.remember_capabilities(session, registry, found)
                assert await changes.capabilities(session, registry) == found
            await changes.forget_capabilities(session, registry)
            assert await changes.capabilities(session, registry) is None

    database.run(body)


def test_turns_go_one_after_the_other(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            _, other = await add_repository(session, "library/other")
            assert await changes.take_turn(session, place, "one", NOW, 60)
            assert not await changes.take_turn(session, place, "two", NOW, 60)
            assert await changes.take_turn(session, other, "two", NOW, 60)
            assert await changes.take_turn(session, place, "one", NOW + MINUTE / 2, 60)
            assert not await changes.take_turn(session, place, "two", NOW + MINUTE, 60)
            assert await changes.take_turn(session, place, "two", NOW + 2 * MINUTE, 60)
            await changes.end_turn(session, place, "one")
            assert not await changes.take_turn(session, place, "three", NOW + 2 * MINUTE, 60)
            await changes.end_turn(session, place, "two")
            assert await changes.take_turn(session, place, "three", NOW + 2 * MINUTE, 60)

    database.run(body)


def test_what_was_not_finished_is_taken_by_one_alone(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            registry, place = await add_repository(session)
            row = changes.Unfinished(
                id="x",
                registry_id=registry,
                repository_id=place,
                repository=RepositoryName("library/app"),
                tag=Tag("1.0"),
                digest=digest(1),
                placeholder=None,
                actor="ann",
                begun_at=NOW,
                problem=None,
            )
            await changes.begin(session, row, NOW + MINUTE)
            assert list(await changes.unfinished(session, NOW)) == []
            assert list(await changes.unfinished(session, NOW + MINUTE)) == [row]
            assert await changes.claim(session, "x", NOW + MINUTE, NOW + 2 * MINUTE)
            assert not await changes.claim(session, "x", NOW + MINUTE, NOW + 2 * MINUTE)
            await changes.postpone(session, "x", NOW + 3 * MINUTE, "it does not answer")
            (found,) = await changes.unfinished(session, NOW + 3 * MINUTE)
            assert found.problem == "it does not answer"
            await changes.end(session, "x")
            assert list(await changes.unfinished(session, NOW + DAY)) == []

    database.run(body)


def test_history_says_who_and_how(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            first = image(1)
            await put(session, place, [("latest", first)])
            await tags.observe(session, place, [(Tag("latest"), digest(2))], NOW + DAY, "us", "ann")
            await tags.forget(session, place, [Tag("latest")], NOW + 2 * DAY, "us", "ben")
            newest, oldest = await tag_history.of_tag(session, place, Tag("latest"))
            assert (newest.digest, newest.seen_by, newest.actor) == (digest(2), "us", "ann")
            assert (newest.ended_by, newest.ended_actor, newest.until) == ("us", "ben", NOW + 2 * DAY)
            assert (oldest.digest, oldest.seen_by, oldest.actor, oldest.ended_actor) == (
                first.digest,
                "crawl",
                None,
                "ann",
            )
            assert (oldest.restorable, newest.restorable) == (True, False)
            assert await tag_history.has_pointed(session, place, Tag("latest"), digest(2))
            assert not await tag_history.has_pointed(session, place, Tag("other"), digest(2))

    database.run(body)


def test_who_deleted_a_tag_counts_more_than_who_saw_it_gone(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            names = [Tag("mine"), Tag("earlier"), Tag("known")]
            await put(session, place, [(name, image(1)) for name in names])
            await tags.forget(session, place, [Tag("earlier")], NOW + DAY, "crawl")
            await tags.forget(session, place, [Tag("mine")], NOW + 3 * DAY, "crawl")
            await tags.forget(session, place, [Tag("known")], NOW + 3 * DAY, "event", "ann")
            await tag_history.claim(session, place, names, NOW + 2 * DAY, "us", "ben")
            ends = [(await tag_history.of_tag(session, place, name))[0] for name in names]
            assert [(end.ended_by, end.ended_actor) for end in ends] == [
                ("us", "ben"),
                ("crawl", None),
                ("event", "ann"),
            ]

    database.run(body)


def test_deleted_tags_are_those_that_are_not_there_any_more(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            machine = f"{image(1).digest.replace(':', '-')}.sig"
            await put(session, place, [(tag, image(1)) for tag in ("gone", "back", "moved", "stays", machine)])
            for step, names in enumerate((("gone", "back", "moved", machine), ("back",)), start=1):
                await tags.forget(session, place, [Tag(name) for name in names], NOW + step * DAY, "us", "ben")
                if step == 1:
                    await put(session, place, [("back", image(2)), ("moved", image(2))])
            gone = await tag_history.deleted(session, place)
            assert [(found.name, found.last.digest, found.last.until) for found in gone] == [
                ("back", image(2).digest, NOW + 2 * DAY),
                ("gone", image(1).digest, NOW + DAY),
            ]
            assert (gone[1].last.ended_actor, gone[1].last.restorable) == ("ben", True)

    database.run(body)


def test_bytes_that_nothing_else_needs(database: DatabaseAt) -> None:
    """Counted over the whole registry: an index keeps what its entries need, and so does another repository."""

    async def body(store: Database) -> None:
        async with store.write() as session:
            registry, place = await add_repository(session)
            _, other = await add_repository(session, "library/other")
            alone, child = image(1), image(2)
            both = index([(child.digest, "linux/amd64")])
            await put(session, place, [("alone", alone), ("child", child), ("multi", both)])
            await manifests.link(session, place, (child.digest,))

            async def freed(of: Digest) -> int:
                return await sizes.needed_by_nothing_else(session, registry, place, of)

            whole = sum(item.size or 0 for item in alone.blobs)
            assert await freed(alone.digest) == whole - _shared(alone, child)
            assert await freed(child.digest) == 0
            await tags.forget(session, place, [Tag("child")], NOW, "us")
            assert await freed(both.digest) == sum(item.size or 0 for item in child.blobs) - _shared(child, alone)
            await put(session, other, [("copy", alone)])
            assert await freed(alone.digest) == 0

    database.run(body)


def _shared(one: ManifestSummary, two: ManifestSummary) -> int:
    theirs = {item.digest for item in two.blobs}
    return sum(item.size or 0 for item in one.blobs if item.digest in theirs)


def test_what_is_gone_is_kept_for_a_restore(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            one = image(1)
            await put(session, place, [("1.0", one)])
            assert list(await tags.sharing(session, place, one.digest)) == ["1.0"]
            await manifests.unlink(session, place, [one.digest])
            assert await manifests.get(session, place, one.digest) is None
            kept = await manifests.kept(session, one.digest)
            assert kept is not None
            assert kept.raw == one.raw
            assert await manifests.kept(session, digest(9)) is None

    database.run(body)
