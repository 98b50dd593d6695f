"""Tags: moving, disappearing, listing in every order, and what a line shows."""

from __future__ import annotations

import msgspec
import pytest

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.records import Attachment, TagQuery
from kubedash.storage import manifests, referrers, repositories, tag_history, tags
from kubedash.storage.database import Database, ReadSession
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put
from tests.support.summaries import DAY, NOW, image, index, signature


def test_observing_tells_what_moved_and_keeps_the_history(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            first = [(Tag("1.0"), digest(1)), (Tag("latest"), digest(1))]
            assert await tags.observe(session, place, first, NOW, "crawl") == 2
            assert await tags.observe(session, place, first, NOW + DAY, "crawl") == 0
            assert await tags.observe(session, place, [(Tag("latest"), digest(2))], NOW + DAY, "event") == 1
            assert await tags.known(session, place) == {"1.0": digest(1), "latest": digest(2)}
            history = await tag_history.of_tag(session, place, Tag("latest"))
            assert [(line.digest, line.since, line.until, line.seen_by) for line in history] == [
                (digest(2), NOW + DAY, None, "event"),
                (digest(1), NOW, NOW + DAY, "crawl"),
            ]
            unmoved = await tags.find(session, place, Tag("1.0"))
            assert unmoved is not None
            assert unmoved.seen_at == NOW

    database.run(body)


def test_a_listing_that_ended_forgets_only_what_it_lacked(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            machine = Tag(f"sha256-{digest(1).encoded}.sig")
            pairs = [(Tag("1.0"), digest(1)), (Tag("2.0"), digest(2)), (machine, digest(3))]
            await tags.observe(session, place, pairs, NOW, "crawl")
            assert await tags.finish_listing(session, place, {Tag("2.0")}, NOW + DAY) == 2
            assert await tags.known(session, place) == {"2.0": digest(2)}
            assert (await tag_history.of_tag(session, place, Tag("1.0")))[0].until == NOW + DAY
            assert (await tag_history.of_tag(session, place, Tag("2.0")))[0].until is None
            assert await tags.finish_listing(session, place, set(), NOW + DAY) == 1

    database.run(body)


def test_what_is_not_known_is_none_and_sorts_last_or_first(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [("known", image(1))])
            await tags.observe(session, place, [(Tag("unknown"), digest(9))], NOW, "page")
            row = await tags.find(session, place, Tag("unknown"))
            assert row is not None
            assert (row.created, row.size, row.kind, row.media_type, row.platforms) == (None, None, None, None, ())
            assert await _names(session, place, TagQuery(sort="-created")) == ["known", "unknown"]
            assert await _names(session, place, TagQuery(sort="size")) == ["unknown", "known"]

    database.run(body)


async def _names(session: ReadSession, place: int, query: TagQuery) -> list[str]:
    return [row.name for row in (await tags.page(session, place, query)).items]


_NAMES = ["1.0", "1.0-rc1", "1.10", "1.2", "1.9", "V2", "latest", "main", "v10", "v2.0"]


@pytest.mark.parametrize("sort", ["version", "name", "created", "size"])
@pytest.mark.parametrize("folded", [False, True])
def test_pages_forward_and_backward_show_everything_once(database: DatabaseAt, sort: str, folded: bool) -> None:
    async def walk(session: ReadSession, place: int, order: str, limit: int) -> list[str]:
        whole = await _names(session, place, TagQuery(sort=order, limit=1000, folded=folded))
        page = await tags.page(session, place, TagQuery(sort=order, limit=limit, folded=folded))
        seen, starts = [row.name for row in page.items], [page]
        while page.next:
            assert page.first == 1 + len(seen) - len(page.items)
            page = await tags.page(session, place, TagQuery(sort=order, limit=limit, cursor=page.next, folded=folded))
            seen += [row.name for row in page.items]
            starts.append(page)
        assert seen == whole
        for before in reversed(starts[:-1]):
            assert page.previous is not None
            page = await tags.page(
                session, place, TagQuery(sort=order, limit=limit, cursor=page.previous, folded=folded)
            )
            assert page.items == before.items
            assert page.first == before.first
        assert page.previous is None
        return whole

    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            put_in = [(name, image(number // 2)) for number, name in enumerate(_NAMES)]
            put_in.append((f"sha256-{image(0).digest.encoded}.sig", signature(1)))
            await put(session, place, put_in)
        async with store.read() as session:
            for limit in (1, 3, 4):
                up = await walk(session, place, sort, limit)
                down = await walk(session, place, f"-{sort}", limit)
                assert up == down[::-1]
            assert len(up) == len(_NAMES) + folded

    database.run(body)


def test_versions_sort_as_people_read_them(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await tags.observe(session, place, [(Tag(name), digest(1)) for name in _NAMES], NOW, "crawl")
            found = await _names(session, place, TagQuery(sort="-version"))
            assert found == ["v10", "v2.0", "V2", "1.10", "1.9", "1.2", "1.0", "1.0-rc1", "main", "latest"]

    database.run(body)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("1.2", ["1.2", "1.25.1", "1.25.10"]),
        ("1.25.*", ["1.25.1", "1.25.10"]),
        ("*10", ["1.25.10"]),
        ("1.25.?", ["1.25.1"]),
        ("MAIN", []),
        ("MAIN*", []),
        ("rc", ["rc1"]),
        ("RC", ["RC1"]),
        ("RC?", ["RC1"]),
        ("[r]c1", []),
        ("main-", []),
        ("n_x", ["main_x"]),
        ("n%x", []),
        ("*", ["1.2", "1.25.1", "1.25.10", "RC1", "main_x", "quo", "rc1"]),
        ('"', []),
        ("quo OR main", []),
        ("!", []),
        ("\x00", ["1.2", "1.25.1", "1.25.10", "RC1", "main_x", "quo", "rc1"]),
        ("x" * 500, []),
        ("\udc80main", ["main_x"]),
    ],
)
def test_filter_takes_parts_and_patterns_and_nothing_else(database: DatabaseAt, q: str, expected: list[str]) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            names = ("1.25.1", "1.25.10", "1.2", "main_x", "quo", "rc1", "RC1")
            await tags.observe(session, place, [(Tag(name), digest(1)) for name in names], NOW, "crawl")
            page = await tags.page(session, place, TagQuery(q=q, sort="name"))
            assert [row.name for row in page.items] == expected

    database.run(body)


def test_a_line_shows_aliases_platforms_attachments_and_signature(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            amd, arm, note = image(1), image(2, arch="arm64"), image(3)
            both = index(
                [(amd.digest, "linux/amd64"), (arm.digest, "linux/arm64")], attests=[(note.digest, amd.digest)]
            )
            await manifests.add(session, place, [amd, arm, note], NOW)
            tagged = [("multi", both), ("same", both), ("amd", amd), (f"sha256-{amd.digest.encoded}.sig", signature(1))]
            await put(session, place, tagged)
            rows = {row.name: row for row in (await tags.page(session, place, TagQuery())).items}
        assert rows.keys() == {"multi", "same", "amd"}
        assert rows["multi"].platforms == ("linux/amd64", "linux/arm64")
        assert rows["multi"].aliases == ("same",)
        assert rows["multi"].attachments == ("attestation",)
        assert rows["multi"].signed is None
        assert rows["multi"].created == amd.created
        assert rows["amd"].platforms == ("linux/amd64",)
        assert rows["amd"].aliases == ()
        assert rows["amd"].signed == "unchecked"
        assert rows["amd"].attachments == ("cosign_signature",)

    database.run(body)


def test_a_referrer_signs_too_and_a_list_of_referrers_does_not(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            one, other = image(1), image(2)
            await put(session, place, [("one", one), ("other", other)])
            await tags.observe(session, place, [(Tag(f"sha256-{other.digest.encoded}"), digest(5))], NOW, "crawl")
            found = Attachment(
                digest=digest(7),
                subject=one.digest,
                kind="notation_signature",
                artifact_type=None,
                size=None,
                created=None,
                attached_by="referrers_api",
            )
            await referrers.replace(session, place, one.digest, [found], "referrers_api")
            rows = {row.name: row for row in (await tags.page(session, place, TagQuery())).items}
            assert (rows["one"].signed, rows["one"].attachments) == ("unchecked", ("notation_signature",))
            assert (rows["other"].signed, rows["other"].attachments) == (None, ())

    database.run(body)


def test_what_is_under_a_referrers_tag_is_no_attachment_itself(database: DatabaseAt) -> None:
    """cosign's list of bundles names no sort that we know, and the tag may be somebody's own."""

    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            one, other, foreign = image(1), image(2), image(3)
            listing = index([(digest(9), "linux/amd64")])
            tagged = [("one", one), ("other", other)]
            tagged += [(f"sha256-{one.digest.encoded}", listing), (f"sha256-{other.digest.encoded}", foreign)]
            await put(session, place, tagged)
            rows = (await tags.page(session, place, TagQuery())).items
            # The list is folded; the image is somebody's own and is listed.
            own = f"sha256-{other.digest.encoded}"
            assert {row.name: row.attachments for row in rows} == {"one": (), "other": (), own: ()}
            assert await referrers.of_subjects(session, place, (one.digest, other.digest)) == {}

    database.run(body)


def test_a_list_of_signatures_stays_a_list(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            one = image(1)
            listed = msgspec.structs.replace(
                index([(signature(1).digest, "linux/amd64")]), kind=ArtifactKind.COSIGN_SIGNATURE
            )
            await put(session, place, [("one", one), (f"sha256-{one.digest.encoded}", listed)])
            row = await tags.find(session, place, Tag("one"))
            assert row is not None
            assert (row.signed, row.attachments) == (None, ())

    database.run(body)


def test_total_and_age_come_with_the_page(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [("a", image(1)), ("b", image(2)), ("c", image(3))])
            await repositories.record_synced(session, place, NOW)
            page = await tags.page(session, place, TagQuery(limit=2))
            assert (page.total, page.as_of, page.first) == (3, NOW, 1)
            assert (await tags.page(session, place, TagQuery(q="a"))).total is None

    database.run(body)


@pytest.mark.parametrize(
    "query",
    [
        TagQuery(sort="shoe size"),
        TagQuery(sort="--name"),
        TagQuery(limit=0),
        TagQuery(limit=1001),
        TagQuery(cursor="!"),
        TagQuery(cursor="A" * 5000),
        TagQuery(cursor="kaNmb28"),
    ],
)
def test_what_is_not_offered_is_invalid_input(sqlite_database: DatabaseAt, query: TagQuery) -> None:
    async def body(store: Database) -> None:
        async with store.read() as session:
            with pytest.raises(InvalidInput):
                await tags.page(session, 1, query)

    sqlite_database.run(body)


def test_tags_of_a_digest_leave_machines_out(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            names = ("1.2", "1.10", "latest", f"sha256-{digest(3).encoded}.sig")
            await tags.observe(session, place, [(Tag(name), digest(1)) for name in names], NOW, "crawl")
            assert await tags.of_digest(session, place, digest(1)) == ("1.10", "1.2", "latest")
            assert await tags.of_digest(session, place, Digest(digest(2))) == ()

    database.run(body)


def test_the_number_of_queries_does_not_grow_with_the_page(database: DatabaseAt) -> None:
    class Counting(ReadSession):
        asked = 0

        async def rows(self, *arguments: object) -> object:  # type: ignore[override]
            self.asked += 1
            return await super().rows(*arguments)  # type: ignore[arg-type]

        async def each(self, *statements: object, values: object = None) -> object:  # type: ignore[override]
            self.asked += len(statements)
            return await super().each(*statements, values=values)  # type: ignore[arg-type]

    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [(f"1.{number}", image(number)) for number in range(40)])
            counting = Counting(session.dialect, session._run)
            assert len((await tags.page(counting, place, TagQuery())).items) == 40
            assert counting.asked <= 4

    database.run(body)
