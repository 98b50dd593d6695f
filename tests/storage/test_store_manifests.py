"""Manifests: kept once, linked to repositories, with their entries and sizes."""

from __future__ import annotations

import msgspec
import pytest

from kubedash.artifacts.summary import BlobSummary, ManifestSummary
from kubedash.oci.reference import Tag
from kubedash.records import Attachment
from kubedash.registry.errors import TooLarge
from kubedash.storage import manifests, referrers, registries, tags
from kubedash.storage.database import Database
from kubedash.workflows.sync_manifests import unreadable
from tests.support.databases import DatabaseAt
from tests.support.stored import add_repository, digest, put
from tests.support.summaries import BASE_SIZE, NOW, image, index, signature


def test_a_manifest_comes_back_byte_by_byte(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        one = image(1, labels={"org.opencontainers.image.title": "Größe 10"})
        async with store.write() as session:
            _, place = await add_repository(session)
            await manifests.add(session, place, [one, one], NOW)
            await manifests.add(session, place, [one], NOW)
            found = await manifests.get(session, place, one.digest)
        assert found is not None
        assert (found.raw, found.config_raw, found.digest) == (one.raw, one.config_raw, one.digest)
        assert (found.media_type, found.kind, found.platform) == (one.media_type, "image", "linux/amd64")
        assert (found.created, found.size, found.config_digest) == (one.created, one.size, one.config_digest)

    database.run(body)


def test_a_manifest_shows_only_in_repositories_that_hold_it(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            _, place = await add_repository(session)
            _, other = await add_repository(session, "other")
            await manifests.add(session, place, [image(1)], NOW)
            assert await manifests.known(session, [image(1).digest, digest(1)]) == {image(1).digest}
            assert await manifests.get(session, other, image(1).digest) is None
            await manifests.link(session, other, [image(1).digest, digest(1)])
            assert await manifests.get(session, other, image(1).digest) is not None
            assert await manifests.get(session, other, digest(1)) is None

    database.run(body)


def test_what_one_registry_does_not_let_us_read_is_read_from_another(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        good = image(1, labels={"a": "b"})
        async with store.write() as session:
            _, closed = await add_repository(session)
            _, other = await add_repository(session, "other")
            await manifests.add(session, closed, [unreadable(good.digest, TooLarge("too large"))], NOW)
            assert await manifests.known(session, [good.digest], closed) == {good.digest}
            assert await manifests.known(session, [good.digest], other) == set()
            await manifests.add(session, other, [good], NOW)
            await manifests.add(session, closed, [unreadable(good.digest, TooLarge("too large"))], NOW)
            for place in (closed, other):
                found = await manifests.get(session, place, good.digest)
                assert found is not None
                assert (found.raw, found.kind, found.size, found.problem) == (good.raw, "image", good.size, None)

    database.run(body)


def test_entries_of_an_index_and_the_indexes_of_an_entry(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        one, note = image(1), image(3)
        both = index([(one.digest, "linux/amd64"), (digest(5), "linux/arm64")], attests=[(note.digest, one.digest)])
        async with store.write() as session:
            _, place = await add_repository(session)
            _, other = await add_repository(session, "other")
            await manifests.add(session, place, [both, one], NOW)
            await manifests.mark_missing(session, place, [digest(5)], NOW)
            here = await manifests.children(session, both.digest, place)
            assert [child.digest for child in here] == [one.digest, digest(5), note.digest]
            assert [child.missing for child in here] == [False, True, False]
            assert [child.platform for child in here] == ["linux/amd64", "linux/arm64", "unknown/unknown"]
            assert [child.size for child in here] == [one.size, None, None]
            assert [child.attests for child in here] == [None, None, one.digest]
            assert not any(child.missing for child in await manifests.children(session, both.digest))
            assert await manifests.parents(session, place, one.digest) == (both.digest,)
            assert await manifests.parents(session, other, one.digest) == ()
            assert await manifests.missing(session, place) == {digest(5)}
            await manifests.link(session, place, [digest(5)])
            assert await manifests.missing(session, place) == set()

    database.run(body)


def test_index_sizes_count_shared_layers_once_and_nest(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        one, two, three = image(1), image(2, arch="arm64"), image(3, arch="s390x")
        inner = index([(one.digest, "linux/amd64"), (two.digest, "linux/arm64")])
        outer = index([(inner.digest, "linux/amd64"), (three.digest, "linux/s390x"), (digest(9), "linux/riscv64")])
        async with store.write() as session:
            _, place = await add_repository(session)
            await manifests.add(session, place, [one, two, three, inner, outer], NOW)
            await put(session, place, [("outer", outer), ("inner", inner)])
            for name, numbers in (("inner", (1, 2)), ("outer", (1, 2, 3))):
                row = await tags.find(session, place, Tag(name))
                assert row is not None
                assert row.size == BASE_SIZE + sum(1000 + number + 10 for number in numbers)

    database.run(body)


def test_an_index_in_a_circle_has_an_end(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        one = image(1)
        first = index([(one.digest, "linux/amd64")])
        loop = msgspec.structs.replace(first, children=(*first.children, _pointing_at(first)))
        async with store.write() as session:
            _, place = await add_repository(session)
            await manifests.add(session, place, [one], NOW)
            await put(session, place, [("loop", loop)])
            row = await tags.find(session, place, Tag("loop"))
            assert row is not None
            assert row.size == one.size

    database.run(body)


def _pointing_at(summary: ManifestSummary) -> object:
    return msgspec.structs.replace(summary.children[0], digest=summary.digest)


def test_sizes_that_a_hostile_registry_makes_up_do_not_overflow(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        huge = tuple(BlobSummary(digest(number), 2**63 - 1, "") for number in range(5))
        one = msgspec.structs.replace(image(1), blobs=huge, size=2**70)
        async with store.write() as session:
            registry_id, place = await add_repository(session)
            await put(session, place, [("huge", one)])
            assert await registries.distinct_size(session, registry_id) == 2**62

    database.run(body)


def test_many_at_once(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        many = [image(number, labels={"a": f"value {number}"}) for number in range(1200)]
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [(f"1.{number}", summary) for number, summary in enumerate(many)])
            assert len(await manifests.known(session, [summary.digest for summary in many])) == 1200
            assert len(await tags.known(session, place)) == 1200

    database.run(body)


def test_attachments_are_replaced_by_the_way_they_were_found(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        one, signed = image(1), signature(1)
        async with store.write() as session:
            _, place = await add_repository(session)
            await put(session, place, [("one", one), (f"sha256-{one.digest.encoded}.sig", signed)])
            await referrers.replace(session, place, one.digest, [_attached(2), _attached(3)], "referrers_api")
            await referrers.replace(session, place, one.digest, [_attached(3), _attached(4)], "referrers_tag")
            await referrers.replace(session, place, one.digest, [_attached(2)], "referrers_api")
            found = await referrers.of_subjects(session, place, [one.digest, digest(8)])
            assert found.keys() == {one.digest}
            by_digest = {item.digest: item.attached_by for item in found[one.digest]}
            assert by_digest == {
                digest(2): "referrers_api",
                digest(3): "referrers_tag",
                digest(4): "referrers_tag",
                signed.digest: "cosign_tag",
            }
            await referrers.replace(session, place, one.digest, [], "referrers_tag")
            assert len((await referrers.of_subjects(session, place, [one.digest]))[one.digest]) == 2

    database.run(body)


def _attached(number: int) -> Attachment:
    return Attachment(
        digest=digest(number),
        subject=digest(0),
        kind="sbom",
        artifact_type="application/spdx+json",
        size=5,
        created=NOW,
        attached_by="as the caller says",
    )


@pytest.mark.parametrize("shared", [True, False])
def test_removing_a_registry_keeps_what_another_one_holds(database: DatabaseAt, shared: bool) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            registry_id, place = await add_repository(session)
            await put(session, place, [("one", image(1))])
            _, other = await add_repository(session, "copy", registry="other")
            if shared:
                await manifests.link(session, other, [image(1).digest])
            await registries.remove(session, registry_id)
            assert await registries.find(session, "demo") is None
            assert await manifests.known(session, [image(1).digest]) == ({image(1).digest} if shared else set())
            assert await tags.known(session, place) == {}

    database.run(body)
