"""Search: every sort of hit, on both databases alike, whatever is typed."""

from __future__ import annotations

import pytest

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.storage import registries, repositories, search, tags
from kubedash.storage.database import Database, WriteSession
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put
from tests.support.summaries import BASE, NOW, image, index, signature

LABELS = {"org.opencontainers.image.vendor": "Ärger & Söhne 100%_sure", "note": 'say "hello" OR NEAR(bye)'}


async def _fill(session: WriteSession) -> None:
    _, place = await add_repository(session, "library/web-frontend")
    both = index([(image(1).digest, "linux/amd64"), (digest(5), "linux/arm64")])
    named = [("1.25.3", image(1, labels=LABELS)), ("latest", image(2)), ("multi", both)]
    await put(session, place, [*named, (f"sha256-{image(1).digest.encoded}.sig", signature(1))])
    _, other = await add_repository(session, "other/app", registry="second")
    await put(session, other, [("latest", image(3))])


async def _found(store: Database, q: str, limit: int = 50) -> set[tuple[str, str, str]]:
    async with store.read() as session:
        return {(hit.what, hit.repository, hit.text) for hit in await search.search(session, q, limit)}


_WEB, _OTHER = "library/web-frontend", "other/app"
_VENDOR = ("label", _WEB, f"org.opencontainers.image.vendor={LABELS['org.opencontainers.image.vendor']}")
_NOTE = ("label", _WEB, f"note={LABELS['note']}")


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("front", {("repository", _WEB, _WEB)}),
        ("FRONT", {("repository", _WEB, _WEB)}),
        ("y/w", {("repository", _WEB, _WEB)}),
        ("b-", {("repository", _WEB, _WEB)}),
        ("1.25", {("tag", _WEB, "1.25.3")}),
        ("1.", {("tag", _WEB, "1.25.3")}),
        ("latest", {("tag", _WEB, "latest"), ("tag", _OTHER, "latest")}),
        ("öhne", {_VENDOR}),
        ("100%_", {_VENDOR}),
        ("%_s", {_VENDOR}),
        ('Y "HEL', {_NOTE}),
        ("NEAR(", {_NOTE}),
        ("hello OR latest", set()),
        ("___", set()),
        ("%%%", set()),
        ("%", {_VENDOR}),
        ("!!!", set()),
        ('"""', set()),
        ("*:^{}-+", set()),
        ("", set()),
        ("   ", set()),
        ("\x00", set()),
        ("\udcff", set()),
        ("zzzzzz", set()),
        ("x" * 10_000, set()),
    ],
)
def test_finds_what_holds_the_text_and_nothing_else(database: DatabaseAt, q: str, expected: set[object]) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
        assert await _found(store, q) == expected

    database.run(body)


def test_digests_are_found_by_their_beginning(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
        one = image(1, labels=LABELS).digest
        assert await _found(store, one) == {("digest", _WEB, one)}
        assert await _found(store, one.encoded[:8]) == {("digest", _WEB, one)}
        assert await _found(store, one.short.upper()) == {("digest", _WEB, one)}
        assert await _found(store, one.encoded[:5]) == set()
        assert await _found(store, one.encoded[3:20]) == set()
        assert await _found(store, BASE) == {("blob", _WEB, BASE), ("blob", _OTHER, BASE)}
        assert await _found(store, digest(5)) == {("digest", _WEB, digest(5))}
        assert await _found(store, Digest.of(b"nothing")) == set()

    database.run(body)


def test_hits_say_where_to_go(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
        async with store.read() as session:
            (tag,) = await search.search(session, "1.25.3", 5)
            assert (tag.registry, tag.tag, tag.digest) == ("demo", Tag("1.25.3"), image(1, labels=LABELS).digest)
            (label,) = await search.search(session, "öhne", 5)
            assert (label.registry, label.digest) == ("demo", image(1, labels=LABELS).digest)

    database.run(body)


def test_only_the_registries_asked_for_and_no_more_than_the_limit(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
        async with store.read() as session:
            second = await registries.find(session, "second")
            assert second is not None
            hits = await search.search(session, "latest", 5, [second.id])
            assert [hit.registry for hit in hits] == ["second"]
            assert await search.search(session, "latest", 5, []) == ()
            assert len(await search.search(session, "e", 1)) == 1
            assert await search.search(session, "latest", 0) == ()

    database.run(body)


def test_what_is_gone_is_not_found(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
            demo = await registries.find(session, "demo")
            assert demo is not None
            await repositories.finish_listing(session, demo.id, set(), NOW)
        for q in ("front", "1.25", "öhne", BASE):
            assert {repository for _, repository, _ in await _found(store, q)} <= {_OTHER}
        async with store.write() as session:
            await repositories.ensure(session, demo.id, [RepositoryName(_WEB)], NOW)
            place = await repositories.find(session, demo.id, _WEB)
            assert place is not None
            await tags.finish_listing(session, place.id, {Tag("latest")}, NOW)
        assert await _found(store, "front") == {("repository", _WEB, _WEB)}
        assert await _found(store, "1.25") == set()

    database.run(body)


def test_removing_a_registry_cleans_the_search(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            await _fill(session)
            demo = await registries.find(session, "demo")
            assert demo is not None
            await registries.remove(session, demo.id)
        for q in ("front", "1.25", "öhne"):
            assert await _found(store, q) == set()
        assert await _found(store, "latest") == {("tag", _OTHER, "latest")}

    database.run(body)
