"""Copies that do not happen, and say why: nothing is overwritten unseen, nothing half."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.push import push
from demo.registry_process import RegistryProcess
from kubedash.errors import Conflict, InvalidInput, NotAllowed, NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import AuditQuery, JobState
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import Absent
from kubedash.workflows import copy, work
from kubedash.workflows.audit import open_audit
from tests.support.aio import run
from tests.support.registries import client_of
from tests.sync import content
from tests.work.house import MAINTAINER, VIEWER, copied, ended, request, two_registries


def test_overwriting_needs_the_old_digest(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    old, new = content.image(11), content.image(12)
    push(open_registry.url, "over/app", "1", new)
    push(target.url, "over/app", "latest", old)
    wanted = request("one/over/app:1", "two/over/app:latest")

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            plan = await copy.plan(services, MAINTAINER, wanted)
            assert (plan.old_digest, plan.digest, plan.overwrites) == (old.digest, new.digest, True)
            with pytest.raises(Conflict) as unconfirmed:
                await copy.execute(services, MAINTAINER, wanted)
            assert old.digest in unconfirmed.value.message
            assert new.digest in unconfirmed.value.message
            with pytest.raises(Conflict) as moved:
                await copy.execute(services, MAINTAINER, wanted, expected=Digest(content.image(13).digest))
            assert "Nothing was copied" in moved.value.message
            with pytest.raises(Conflict) as other:
                await copy.execute(services, MAINTAINER, wanted, digest=Digest(old.digest), expected=Digest(old.digest))
            assert "has moved" in other.value.message
            async with client_of(target.url) as client:
                head = await client.head_manifest(RepositoryName("over/app"), "latest")
                assert head is not None
                assert head.digest == old.digest
            done = await copied(services, "one/over/app:1", "two/over/app:latest", Digest(old.digest))
            assert (done.old_digest, done.digest) == (old.digest, new.digest)
            entries = (await open_audit(services, SYSTEM, AuditQuery())).items
            line = next(entry for entry in entries if entry.action == "image.copy")
            assert (line.actor, line.address, line.target, line.outcome) == (
                "mia",
                "192.0.2.7",
                "two/over/app:latest",
                "done",
            )
            assert line.detail["old_digest"] == old.digest

    run(check())


def test_a_target_that_moves_meanwhile_is_left_as_it_is(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = content.image(21), content.image(22)
    push(open_registry.url, "race/app", "1", mine)
    put = RegistryClient.put_manifest_told

    async def interrupted(self: RegistryClient, repository: RepositoryName, identifier: str, *rest: object) -> object:
        if identifier == mine.digest:
            push(target.url, "race/app", "latest", theirs)
        return await put(self, repository, identifier, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(RegistryClient, "put_manifest_told", interrupted)

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            job = await copy.execute(services, MAINTAINER, request("one/race/app:1", "two/race/app:latest"))
            job = await ended(services, job)
            assert job.state is JobState.FAILED
            assert job.error is not None
            assert "moved meanwhile" in job.error
            assert theirs.digest in job.error
            lines = (await open_audit(services, SYSTEM, AuditQuery())).items
            assert [line.outcome for line in lines if line.action == "image.copy"] == ["failed"]
        async with client_of(target.url) as client:
            head = await client.head_manifest(RepositoryName("race/app"), "latest")
            assert head is not None
            assert head.digest == theirs.digest

    run(check())


def test_a_protected_tag_is_not_overwritten_but_may_be_made(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    push(open_registry.url, "safe/app", "1", content.image(31))
    push(target.url, "safe/app", "prod-1", content.image(32))

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url, "prod-*") as services:
            wanted = request("one/safe/app:1", "two/safe/app:prod-1")
            plan = await copy.plan(services, MAINTAINER, wanted)
            assert plan.refused is not None
            assert "prod-*" in plan.refused
            with pytest.raises(Conflict):
                await copy.execute(services, MAINTAINER, wanted, expected=plan.old_digest)
            await copied(services, "one/safe/app:1", "two/safe/app:prod-2")

    run(check())


def test_a_broken_index_is_not_copied(open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path) -> None:
    index = content.built(51)
    push(open_registry.url, "broken/app", "1", index)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            await client.delete_manifest(RepositoryName("broken/app"), index.children[0].digest)
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            plan = await copy.plan(services, MAINTAINER, request("one/broken/app:1", "two/broken/app:1"))
            assert plan.refused is not None
            assert Digest(index.children[0].digest).short in plan.refused

    run(check())


def test_what_is_not_there_is_said(open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path) -> None:
    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            with pytest.raises(Absent):
                await copy.plan(services, MAINTAINER, request("one/no/such:1", "two/no/such:1"))
            with pytest.raises(NotFound):
                await copy.plan(services, MAINTAINER, request("three/no/such:1", "two/no/such:1"))
            with pytest.raises(InvalidInput):
                await copy.plan(services, MAINTAINER, request("one/no/such:1", "one/no/such:1"))
            with pytest.raises(NotFound):
                await copy.open_copy(services, MAINTAINER, "no-such-job")

    run(check())


def test_a_viewer_may_look_and_not_copy(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    push(open_registry.url, "view/app", "1", content.image(61))
    wanted = request("one/view/app:1", "two/view/app:1")

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            with pytest.raises(NotAllowed):
                await copy.plan(services, VIEWER, wanted)
            with pytest.raises(NotAllowed):
                await copy.execute(services, VIEWER, wanted)
            job = await ended(services, await copy.execute(services, MAINTAINER, wanted))
            for change in (work.pause, work.resume):
                with pytest.raises(NotAllowed):
                    await change(services, VIEWER, job.id)
            assert [item.state for item in (await work.list_items(services, VIEWER, job.id)).items] == ["done"] * 4
            assert [found.id for found in await work.list_jobs(services, VIEWER)] == [job.id]

    run(check())


def test_a_second_copy_to_the_same_tag_waits_for_the_first(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    push(open_registry.url, "twice/app", "1", content.image(63))
    push(open_registry.url, "twice/app", "2", content.image(64))

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            first = await copy.execute(services, MAINTAINER, request("one/twice/app:1", "two/twice/app:x"))
            same = await copy.execute(services, MAINTAINER, request("one/twice/app:1", "two/twice/app:x"))
            assert same.id == first.id
            with pytest.raises(Conflict) as caught:
                await copy.execute(services, MAINTAINER, request("one/twice/app:2", "two/twice/app:x"))
            assert first.id in caught.value.message
            assert (await ended(services, first)).state is JobState.DONE

    run(check())
