"""What a crawl of a real registry leaves in the index, and how little it asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.oci.digest import Digest
from kubedash.records import RepositoryQuery
from kubedash.storage import manifests, referrers, repositories
from kubedash.workflows import sync_manifests, sync_repository
from tests.support.aio import run
from tests.support.scripted import scripted
from tests.sync import content
from tests.sync.fake import Fake
from tests.sync.house import house


def test_a_known_tag_costs_one_head_and_a_new_one_a_manifest_and_a_config(
    open_registry: RegistryProcess, tmp_path: Path
) -> None:
    async def story() -> None:
        async with house(tmp_path, open_registry.url) as here:
            for number in range(40):
                push.push(open_registry.url, "cost/app", f"1.{number}", content.image(number))
            before = await here.requests()
            assert (await here.crawl("cost/app")).state == "done"
            cold = await here.requests() - before
            assert (await here.crawl("cost/app")).state == "done"
            warm = await here.requests() - before - cold
            # Above the tags: whether there is such a repository, the listing, and once the question
            # for a referrers API.
            assert cold <= 2 * 40 + 3
            assert warm <= 40 + 1

    run(story())


def test_children_attestations_and_configs_are_read_and_linked(open_registry: RegistryProcess, tmp_path: Path) -> None:
    index, chart = content.built(1), content.chart(1)

    async def story() -> None:
        async with house(tmp_path, open_registry.url) as here:
            push.push(open_registry.url, "kinds/multi", "v1", index)
            push.push(open_registry.url, "kinds/web", "0.1.0", chart)
            assert (await here.crawl("kinds/multi")).state == "done"
            assert (await here.crawl("kinds/web")).state == "done"
            row = (await here.rows("kinds/multi"))["v1"]
            assert (row.kind, set(row.platforms)) == ("index", {"linux/amd64", "linux/arm64"})
            assert row.created is not None
            repository = await here.repository("kinds/multi")
            async with here.services.database.read() as session:
                children = await manifests.children(session, Digest(index.digest), repository.id)
                assert [child.kind for child in children] == ["image", "attestation"] * 2
                assert children[1].attests == children[0].digest
                for child in children:
                    assert await manifests.get(session, repository.id, child.digest) is not None
            kept = (await here.rows("kinds/web"))["0.1.0"]
            chart_repository = await here.repository("kinds/web")
            async with here.services.database.read() as session:
                record = await manifests.get(session, chart_repository.id, kept.digest)
            assert record is not None
            assert record.kind == "chart"
            assert b'"web"' in (record.config_raw or b"")

    run(story())


def test_signatures_and_referrers_hang_on_their_subject(open_registry: RegistryProcess, tmp_path: Path) -> None:
    image = content.image(7)
    sbom, listing = content.referrers_of(image)

    async def story() -> None:
        async with house(tmp_path, open_registry.url) as here:
            push.push(open_registry.url, "signed/app", "1.0", image)
            push.push(open_registry.url, "signed/app", content.machine_tag(image, ".sig"), content.signature(image))
            push.push(open_registry.url, "signed/app", content.machine_tag(image), listing)
            assert (await here.crawl("signed/app")).state == "done"
            repository = await here.repository("signed/app")
            assert repository.tag_count == 1
            async with here.services.database.read() as session:
                found = await referrers.of_subjects(session, repository.id, [Digest(image.digest)])
            by_how = {item.attached_by: item for item in found[Digest(image.digest)]}
            assert by_how["cosign_tag"].kind == "cosign_signature"
            assert {by_how[how].digest for how in by_how.keys() & {"referrers_tag", "subject"}} == {sbom.digest}

    run(story())


def test_moved_and_removed_tags_are_followed(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, name = open_registry.url, "moving/app"
    first, second = content.image(1), content.image(2)

    async def story() -> None:
        async with house(tmp_path, url) as here:
            push.push(url, name, "latest", first)
            push.push(url, name, "old", content.image(3))
            await here.crawl(name)
            push.push(url, name, "latest", second)
            push.delete_manifest(url, name, content.image(3).digest)
            await here.crawl(name)
            assert await here.digests(name) == {"latest": second.digest}
            assert (await here.repository(name)).tag_count == 1

    run(story())


def test_an_alias_in_another_repository_costs_no_config_and_is_complete(
    open_registry: RegistryProcess, tmp_path: Path
) -> None:
    index = content.built(5)

    async def story() -> None:
        async with house(tmp_path, open_registry.url) as here:
            push.push(open_registry.url, "alias/one", "v5", index)
            push.push(open_registry.url, "alias/two", "v5", index)
            await here.crawl("alias/one")
            before = await here.requests()
            await here.crawl("alias/two")
            # Whether there is such a repository, the listing, and the one manifest.
            assert await here.requests() - before <= 3
            repository = await here.repository("alias/two")
            async with here.services.database.read() as session:
                for child in await manifests.children(session, Digest(index.digest), repository.id):
                    assert await manifests.get(session, repository.id, child.digest) is not None

    run(story())


def test_a_repository_that_vanishes_is_gone_and_comes_back(tmp_path: Path) -> None:
    async def story(registry: RegistryProcess) -> None:
        async with house(tmp_path / "data", registry.url) as here:
            content.plant(registry.storage, iter([("a/one", "1", content.image(1)), ("a/two", "1", content.image(2))]))
            await here.crawl()
            folder = registry.storage / "docker/registry/v2/repositories/a/two"
            folder.rename(registry.folder / "aside")
            await here.crawl()
            assert (await here.repository("a/two")).gone_since is not None
            assert (await here.registry()).repository_count == 1
            (registry.folder / "aside").rename(folder)
            await here.crawl()
            assert (await here.repository("a/two")).gone_since is None
            assert set(await here.digests("a/two")) == {"1"}

    with RegistryProcess(tmp_path / "registry") as registry:
        run(story(registry))


@pytest.mark.parametrize("before", ["never there", "gone"])
def test_a_repository_that_the_registry_lacks_is_not_taken_in(tmp_path: Path, before: str) -> None:
    """Whoever may ask for a refresh could otherwise fill the image list with names."""

    samples = Fake({"a/one": {"1": content.image(1)}})

    async def story() -> None:
        async with scripted(samples) as server, house(tmp_path, server.url) as here:
            if before == "gone":
                samples.content["a/two"] = {"1": content.image(2)}
                await here.crawl()
                del samples.content["a/two"]
            await here.crawl()
            job = await here.crawl("a/two")
            assert job.state == "failed"
            assert "NAME_UNKNOWN" in (job.error or "")
            async with here.services.database.read() as session:
                page = await repositories.page(session, here.registry_id, RepositoryQuery())
            assert [repository.name for repository in page.items] == ["a/one"]
            assert (await here.registry()).status == "ok"

    run(story())


def test_a_child_that_the_registry_lacks_breaks_its_index_alone(tmp_path: Path) -> None:
    index = content.built(1)

    async def story(registry: RegistryProcess) -> None:
        async with house(tmp_path / "data", registry.url) as here:
            push.push(registry.url, "broken/app", "v1", index)
            push.delete_manifest(registry.url, "broken/app", index.children[0].digest)
            assert (await here.crawl("broken/app")).state == "done"
            repository = await here.repository("broken/app")
            async with here.services.database.read() as session:
                children = await manifests.children(session, Digest(index.digest), repository.id)
            assert [child.missing for child in children] == [True, False, False, False]

    with RegistryProcess(tmp_path / "registry") as registry:
        run(story(registry))


def test_a_crawl_with_room_for_one_thing_at_a_time_comes_to_the_same(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by portions; what does not fit is read when the rest is stored."""
    for number in range(12):
        push.push(open_registry.url, "portion/app", f"1.{number}", content.image(number))
    push.push(open_registry.url, "portion/app", "multi", content.built(3))

    async def story(folder: Path) -> tuple[object, object]:
        async with house(folder, open_registry.url) as here:
            assert (await here.crawl("portion/app")).state == "done"
            repository = await here.repository("portion/app")
            return (repository.tag_count, repository.size), await here.digests("portion/app")

    whole = run(story(tmp_path / "whole"))
    monkeypatch.setattr(sync_manifests, "PORTION_BYTES", 1)
    monkeypatch.setattr(sync_repository, "PORTION_BYTES", 1)
    assert run(story(tmp_path / "bit by bit")) == whole


def test_a_child_that_goes_later_is_found_when_its_index_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And found to be back. Here every crawl is the one of the day."""
    monkeypatch.setattr("kubedash.policy.attachments.SHARES", 1)
    index = content.built(1)
    child = index.children[0]

    async def story(registry: RegistryProcess) -> None:
        async with house(tmp_path / "data", registry.url) as here:
            push.push(registry.url, "broken/later", "v1", index)
            await here.crawl("broken/later")
            assert (await here.rows("broken/later"))["v1"].missing == ()
            push.delete_manifest(registry.url, "broken/later", child.digest)
            await here.crawl("broken/later")
            assert (await here.rows("broken/later"))["v1"].missing == (child.platform,)
            push.push(registry.url, "broken/later", None, child)
            await here.crawl("broken/later")
            assert (await here.rows("broken/later"))["v1"].missing == ()

    with RegistryProcess(tmp_path / "registry") as registry:
        run(story(registry))
