"""Events of a real registry keep the index current, without any crawl."""

from __future__ import annotations

from pathlib import Path

from demo import push
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.policy.placeholder import OWN_LABEL
from kubedash.storage import manifests, repositories, tag_history
from tests.events.told import ask, listening, made_up
from tests.support.aio import run
from tests.sync import content

NAME = "team/app"


def test_pushes_moves_and_deletions_are_followed_at_once(tmp_path: Path) -> None:
    first, second = content.image(1), content.image(2)

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "1.0", first)
            push.push(registry.url, NAME, "latest", first)
            await listener.told(f"push {NAME}:1.0", f"push {NAME}:latest")
            assert await here.digests(NAME) == {"1.0": first.digest, "latest": first.digest}
            row = (await here.rows(NAME))["1.0"]
            assert (row.kind, row.platforms) == ("image", ("linux/amd64",))
            assert (await here.repository(NAME)).tag_count == 2

            push.push(registry.url, NAME, "latest", second)
            await listener.told(f"push {NAME}@{second.digest}")
            assert await here.digests(NAME) == {"1.0": first.digest, "latest": second.digest}
            repository = await here.repository(NAME)
            async with here.services.database.read() as session:
                past = await tag_history.of_tag(session, repository.id, Tag("latest"))
            assert [(one.digest, one.seen_by) for one in past] == [(second.digest, "event"), (first.digest, "event")]

            push.push(registry.url, NAME, "also", second)
            await listener.told(f"push {NAME}:also")
            push.delete_manifest(registry.url, NAME, second.digest)
            await listener.told(f"delete {NAME}:latest", f"delete {NAME}:also", f"delete {NAME}@{second.digest}")
            assert await here.digests(NAME) == {"1.0": first.digest}
            assert (await here.repository(NAME)).tag_count == 1

    run(story())


def test_what_a_deletion_puts_under_a_tag_for_a_moment_is_no_history(tmp_path: Path) -> None:
    first = content.image(1)
    passing = push.make_image(labels={OWN_LABEL: "a nonce"})

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "1.0", first)
            await listener.told(f"push {NAME}:1.0")
            push.push(registry.url, NAME, "1.0", passing)
            await listener.told(f"push {NAME}@{passing.digest}")
            assert await here.digests(NAME) == {"1.0": first.digest}
            repository = await here.repository(NAME)
            async with here.services.database.read() as session:
                past = await tag_history.of_tag(session, repository.id, Tag("1.0"))
            assert [one.digest for one in past] == [first.digest]

    run(story())


def test_an_index_comes_with_its_children_and_attestations(tmp_path: Path) -> None:
    index = content.built(3)

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            push.push(registry.url, NAME, "multi", index)
            await listener.told(f"push {NAME}:multi")
            row = (await here.rows(NAME))["multi"]
            assert (row.kind, set(row.platforms)) == ("index", {"linux/amd64", "linux/arm64"})
            assert row.size is not None
            assert row.size > 0
            repository = await here.repository(NAME)
            async with here.services.database.read() as session:
                children = await manifests.children(session, Digest(index.digest), repository.id)
            assert [child.missing for child in children] == [False] * 4

    run(story())


def test_attachments_that_are_pushed_by_digest_hang_on_their_subject_at_once(tmp_path: Path) -> None:
    image = content.image(7)
    sbom, _ = content.referrers_of(image)

    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            push.push(registry.url, NAME, "1.0", image)
            push.push(registry.url, NAME, None, sbom)
            push.push(registry.url, NAME, content.machine_tag(image, ".sig"), content.signature(image))
            await listener.told(f"push {NAME}@{sbom.digest}", f"push {NAME}:{content.machine_tag(image, '.sig')}")
            row = (await listener.here.rows(NAME))["1.0"]
            assert set(row.attachments) == {"cosign_signature", "sbom"}

    run(story())


def test_a_repository_is_learned_where_there_is_no_catalog_and_made_up_ones_are_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with listening(tmp_path) as (listener, registry):
            here = listener.here
            await listener.store(*made_up(20))
            await listener.work()
            async with here.services.database.read() as session:
                assert await repositories.names_due(session, here.registry_id, None, 100) == ()
            push.push(registry.url, "hidden/app", "1", content.image(1))
            ask(registry, "GET", "hidden/app/manifests/1")
            await listener.told("pull hidden/app:1")
            assert (await here.repository("hidden/app")).gone_since is None

    run(story())
