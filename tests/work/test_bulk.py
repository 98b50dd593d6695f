"""Bulk deletion on a real registry: exactly what was shown goes, one line of the audit trail a tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.push import delete_manifest, make_artifact, make_index, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.errors import Conflict, InvalidInput, Moved, NotAllowed
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.access import SYSTEM
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import AuditQuery, ItemState, JobState, Selection, Strategy
from kubedash.registry.client import RegistryClient
from kubedash.workflows import bulk_delete, bulk_run, work
from kubedash.workflows.audit import open_audit
from kubedash.workflows.bulk_delete import Shown
from kubedash.workflows.changing import Place
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.registries import client_of
from tests.sync import content
from tests.work.house import MAINTAINER, VIEWER, ended, two_registries


@asynccontextmanager
async def house(folder: Path, url: str, *protected: str) -> AsyncIterator[Services]:
    async with two_registries(folder, url, url, *protected, DELETE_IMAGES="true") as services:
        yield services


def name(text: str) -> RepositoryName:
    return RepositoryName(text)


async def tags_of(url: str, repository: str) -> dict[str, str]:
    async with client_of(url) as client:
        found = {}
        async for page in client.tags(name(repository)):
            for tag in page:
                head = await client.head_manifest(name(repository), tag)
                found[str(tag)] = head.digest if head else "broken"
        return found


async def audited(services: Services, action: str = "tag.delete") -> Counter[tuple[str, str]]:
    lines = (await open_audit(services, SYSTEM, AuditQuery(action=action, limit=1000))).items
    return Counter((line.target.rpartition(":")[2], line.outcome) for line in lines)


def test_what_was_shown_goes_and_its_neighbours_stay(open_registry: RegistryProcess, tmp_path: Path) -> None:
    """Tags that share a digest, an index and its tagged entry, and tags outside of the pattern."""
    url, repository = open_registry.url, "bulk/app"
    for number in range(6):
        push(url, repository, f"pr-{number}", content.image(200 + number))
    push(url, repository, "stable", content.image(200))
    index = content.built(20)
    push(url, repository, "pr-index", index)
    push(url, repository, "pr-entry", index.children[0])
    push(url, repository, "multi", index)

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection = Selection(patterns=("pr-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            found = {tag.name: tag for tag in plan.tags}
            assert (plan.removes, plan.conflicts, plan.stays, plan.digests) == (8, 0, 2, 5)
            assert found[Tag("pr-0")].strategy is Strategy.PLACEHOLDER
            assert found[Tag("pr-0")].spares == ("stable",)
            assert found[Tag("pr-1")].strategy is Strategy.DIGEST
            assert found[Tag("pr-entry")].strategy is Strategy.PLACEHOLDER
            assert plan.strategies == {"digest_delete": 5, "placeholder": 3}
            assert plan.bytes_freed > 0
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            job = await ended(services, job)
            assert (job.state, job.error) == (JobState.DONE, None)
            assert job.progress is not None
            assert (job.progress.done, job.progress.total, job.progress.unit) == (8, 8, "tags")
            assert await tags_of(url, repository) == {"stable": content.image(200).digest, "multi": index.digest}
            assert await audited(services) == Counter({(tag, "done"): 1 for tag in found})
            assert await audited(services, "tags.delete") == Counter({("two/bulk/app", "done"): 1})
            seen = await bulk_delete.open_bulk(services, VIEWER, job.id)
            assert (seen.outcome.deleted, seen.outcome.failed, seen.problems) == (8, 0, ())
            async with client_of(url) as client:
                for child in index.children:
                    assert await client.head_manifest(name(repository), child.digest) is not None

    run(check())


def test_a_shared_digest_goes_whole_when_all_of_its_tags_are_chosen(
    open_registry: RegistryProcess, tmp_path: Path
) -> None:
    url, repository = open_registry.url, "bulk/shared"
    image = push_image(url, repository, "a", labels={"shared": "by three"})
    push(url, repository, "b", image)
    push(url, repository, "c", image)

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection = Selection(tags=(Tag("a"), Tag("b"), Tag("c")))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            assert [tag.strategy for tag in plan.tags] == [
                Strategy.PLACEHOLDER,
                Strategy.PLACEHOLDER,
                Strategy.DIGEST,
            ]
            assert plan.digests == 1
            assert any("No tag is left" in warning for warning in plan.warnings)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            assert (await ended(services, job)).state is JobState.DONE
            assert await tags_of(url, repository) == {}
            async with client_of(url) as client:
                assert await client.head_manifest(name(repository), image.digest) is None

    run(check())


def test_what_changed_since_it_was_shown_is_not_deleted(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, repository = open_registry.url, "bulk/moved"
    push(url, repository, "x-1", content.image(230))

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection = Selection(patterns=("x-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            push(url, repository, "x-1", content.image(231))
            with pytest.raises(Moved):
                await bulk_delete.execute(
                    services, MAINTAINER, "two", name(repository), selection, Shown(expected=plan.expected)
                )
            assert await tags_of(url, repository) == {"x-1": content.image(231).digest}

    run(check())


def test_protected_tags_are_conflicts_and_the_others_go(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, repository = open_registry.url, "bulk/safe"
    for tag in ("prod-1", "dev-1", "dev-2"):
        push_image(url, repository, tag, labels={"tag": tag})

    async def check() -> None:
        async with house(tmp_path, url, "prod-*") as services:
            selection = Selection(everything=True)
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            assert (plan.removes, plan.conflicts) == (2, 1)
            conflict = next(tag for tag in plan.tags if tag.refused)
            assert conflict.name == "prod-1"
            assert "prod-*" in (conflict.refused or "")
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            assert (await ended(services, job)).state is JobState.DONE
            assert set(await tags_of(url, repository)) == {"prod-1"}
            rest = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            assert rest.refused is not None
            with pytest.raises(Conflict):
                await bulk_delete.execute(
                    services, MAINTAINER, "two", name(repository), selection, Shown(expected=rest.expected)
                )

    run(check())


def test_the_whole_repository_with_what_machines_wrote(open_registry: RegistryProcess, tmp_path: Path) -> None:
    url, repository = open_registry.url, "bulk/whole"
    image = content.image(240)
    push(url, repository, "1", image)
    push(url, repository, content.machine_tag(image, ".sig"), content.signature(image))
    sbom = make_artifact([("application/spdx+json", b"sbom")], artifact_type="application/spdx+json", subject=image)
    push(url, repository, None, sbom)

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection, choices = Selection(everything=True), DeletionChoices(take_orphans=True)
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection, choices)
            assert [tag.name for tag in plan.tags] == ["1", content.machine_tag(image, ".sig")]
            shown = Shown(expected=plan.expected, take_orphans=True)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            job = await ended(services, job)
            assert job.state is JobState.DONE
            assert await tags_of(url, repository) == {}
            items = (await work.list_items(services, VIEWER, job.id)).items
            # The signature went along with its image, as it was asked for.
            assert [item.state for item in items] == [ItemState.DONE, ItemState.SKIPPED]

    run(check())


def test_tags_that_vanish_or_move_meanwhile_are_said(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, repository = open_registry.url, "bulk/race"
    for number in range(3):
        push(url, repository, f"r-{number}", content.image(250 + number))
    begin = bulk_delete.new_order

    def interrupted(*given: object) -> object:
        delete_manifest(url, repository, content.image(250).digest)
        push(url, repository, "r-1", content.image(259))
        return begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(bulk_delete, "new_order", interrupted)

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection = Selection(patterns=("r-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            job = await ended(services, job)
            assert job.state is JobState.DONE
            found = await bulk_delete.open_bulk(services, MAINTAINER, job.id)
            assert (found.outcome.deleted, found.outcome.skipped, found.outcome.failed) == (1, 1, 1)
            assert found.problems[0].name == "r-1"
            assert "moved meanwhile" in (found.problems[0].detail or "")
            assert await tags_of(url, repository) == {"r-1": content.image(259).digest}

    run(check())


def test_what_is_pushed_right_after_the_look_loses_nothing(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release is tagged, and an index is made, of what the job is just about to delete by its digest."""
    url, repository = open_registry.url, "bulk/promoted"
    images = [content.image(640 + number) for number in range(3)]
    for number, image in enumerate(images):
        push(url, repository, f"pr-{number}", image)
    index = make_index([images[1]])
    look = bulk_run.look_around

    async def overtaken(services: Services, place: Place) -> dict[Tag, Digest]:
        seen = await look(services, place)
        push(url, repository, "release-0", images[0])
        push(url, repository, "release-1", index)
        return seen

    async def check() -> None:
        async with house(tmp_path, url) as services:
            selection = Selection(patterns=("pr-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name(repository), selection)
            monkeypatch.setattr(bulk_run, "look_around", overtaken)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name(repository), selection, shown)
            assert (await ended(services, job)).state is JobState.DONE
            assert await tags_of(url, repository) == {"release-0": images[0].digest, "release-1": index.digest}
            async with client_of(url) as client:
                assert await client.head_manifest(name(repository), Digest(images[1].digest)) is not None
                assert await client.head_manifest(name(repository), Digest(images[2].digest)) is None

    run(check())


def test_deletion_that_is_turned_off_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with RegistryProcess(tmp_path / "registry", delete=False) as registry:
        push_image(registry.url, "bulk/off", "1")

        async def check() -> None:
            async with house(tmp_path / "house", registry.url) as services:
                selection = Selection(everything=True)
                plan = await bulk_delete.plan(services, MAINTAINER, "two", name("bulk/off"), selection)
                assert plan.refused is not None
                assert "storage.delete.enabled" in (plan.remedy or "")
                with pytest.raises(Conflict):
                    await bulk_delete.execute(
                        services, MAINTAINER, "two", name("bulk/off"), selection, Shown(expected=plan.expected)
                    )
                assert list(await tags_of(registry.url, "bulk/off")) == ["1"]

        run(check())


def test_who_may_not_and_where_it_is_off(open_registry: RegistryProcess, tmp_path: Path) -> None:
    push_image(open_registry.url, "bulk/refused", "1")
    selection, shown = Selection(everything=True), Shown(expected="x")

    async def check() -> None:
        async with house(tmp_path / "on", open_registry.url) as services:
            with pytest.raises(NotAllowed):
                await bulk_delete.plan(services, VIEWER, "two", name("bulk/refused"), selection)
            with pytest.raises(NotAllowed):
                await bulk_delete.execute(services, VIEWER, "two", name("bulk/refused"), selection, shown)
            with pytest.raises(InvalidInput):
                await bulk_delete.plan(services, MAINTAINER, "two", name("bulk/refused"), Selection())
        async with two_registries(tmp_path / "off", open_registry.url, open_registry.url) as services:
            with pytest.raises(NotAllowed, match="DELETE_IMAGES"):
                await bulk_delete.plan(services, SYSTEM, "two", name("bulk/refused"), selection)
            with pytest.raises(NotAllowed, match="DELETE_IMAGES"):
                await bulk_delete.execute(services, SYSTEM, "two", name("bulk/refused"), selection, shown)
        assert list(await tags_of(open_registry.url, "bulk/refused")) == ["1"]

    run(check())


def test_a_registry_that_dies_is_a_pause_and_then_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of the placeholder's route, too: what was half done is put right before anything else."""
    deaths = iter([2, 5])
    calls = 0
    put = RegistryClient.put_manifest

    with RegistryProcess(tmp_path / "registry") as registry:
        shared = content.image(260)
        for number in range(4):
            push(registry.url, "bulk/dying", f"s-{number}", shared)
            push(registry.url, "bulk/dying", f"o-{number}", content.image(261 + number))
        push(registry.url, "bulk/dying", "keep", shared)
        next_death = next(deaths)

        async def dying(self: RegistryClient, *given: object) -> Digest:
            nonlocal calls, next_death
            found = await put(self, *given)  # type: ignore[arg-type]
            calls += 1
            if calls == next_death:
                next_death = next(deaths, 0)
                registry.kill()
            return found

        monkeypatch.setattr(RegistryClient, "put_manifest", dying)

        async def check() -> None:
            async with house(tmp_path / "house", registry.url) as services:
                selection = Selection(patterns=("s-*", "o-*"))
                plan = await bulk_delete.plan(services, MAINTAINER, "two", name("bulk/dying"), selection)
                shown = Shown(expected=plan.expected)
                job = await bulk_delete.execute(services, MAINTAINER, "two", name("bulk/dying"), selection, shown)
                pauses = 0
                while (job := await ended(services, job)).state is JobState.PAUSED:
                    assert job.error
                    pauses += 1
                    registry.restart()
                    job = await work.resume(services, MAINTAINER, job.id)
                assert (job.state, pauses) == (JobState.DONE, 2)
                seen = await bulk_delete.open_bulk(services, VIEWER, job.id)
                assert (seen.outcome.deleted, seen.outcome.failed) == (8, 0)
                assert await tags_of(registry.url, "bulk/dying") == {"keep": shared.digest}
                done = {
                    tag: number for (tag, outcome), number in (await audited(services)).items() if outcome == "done"
                }
                assert done == dict.fromkeys((tag.name for tag in plan.tags), 1)

        run(check())


def test_a_lost_turn_is_taken_again(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a step took too long and somebody else came first, no tag pays for it."""
    push(open_registry.url, "bulk/turns", "t-1", content.image(270))
    push(open_registry.url, "bulk/turns", "t-2", content.image(271))
    lose = bulk_run.turn
    lost: list[str] = []

    @asynccontextmanager
    async def losing(services: Services, repository_id: int, owner: str) -> AsyncIterator[object]:
        async with lose(services, repository_id, owner) as renew:

            async def late() -> None:
                if len(lost) < 2:
                    lost.append(owner)
                    raise Conflict("Another change of this repository took over.")
                await renew()

            yield late

    monkeypatch.setattr(bulk_run, "turn", losing)

    async def check() -> None:
        async with house(tmp_path, open_registry.url) as services:
            selection = Selection(patterns=("t-*",))
            plan = await bulk_delete.plan(services, MAINTAINER, "two", name("bulk/turns"), selection)
            shown = Shown(expected=plan.expected)
            job = await bulk_delete.execute(services, MAINTAINER, "two", name("bulk/turns"), selection, shown)
            assert (await ended(services, job)).state is JobState.DONE
            assert (await bulk_delete.open_bulk(services, VIEWER, job.id)).outcome.deleted == 2
            assert await audited(services) == Counter({("t-1", "done"): 1, ("t-2", "done"): 1})

    run(check())
    assert len(lost) == 2
