"""A bulk deletion survives the death of its process, again and again: nothing twice, nothing lost."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from demo.plant import Planter
from demo.registry_process import RegistryProcess
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import AuditQuery, JobState
from kubedash.workflows import bulk_delete
from kubedash.workflows.audit import open_audit
from tests.support.aio import run
from tests.support.registries import client_of
from tests.sync import content
from tests.work.house import MAINTAINER
from tests.work.processes import environment, house, kill, said, start

TAGS = int(os.environ.get("KUBEDASH_TEST_BULK", "100"))
"""500 shows what the suite has no time for."""
REPOSITORY = RepositoryName("bulk/kill")
_DELETED = re.compile(r'"DELETE /v2/bulk/kill/manifests/(sha256:[0-9a-f]{64}) [^"]*" 202 ')


def planted(storage: Path) -> tuple[set[str], dict[str, str]]:
    """The tags that are to go, and those that stay with their digests.

    Every tenth shares its image with one that stays, every tenth with another that goes;
    some are entries of an index that stays.
    """
    planter, going, staying = Planter(storage), set(), {}
    index = content.built(1)
    planter.plant(REPOSITORY, "keep-index", index)
    staying["keep-index"] = index.digest
    for number in range(TAGS):
        image = content.image(number - number % 10 if number % 10 == 1 else number)
        if number % 50 == 7:
            image = index.children[0]
        planter.plant(REPOSITORY, f"pr-{number}", image)
        going.add(f"pr-{number}")
        if number % 10 == 5:
            planter.plant(REPOSITORY, f"keep-{number}", image)
            staying[f"keep-{number}"] = image.digest
    return going, staying


async def done_up_to(process: object, number: int) -> None:
    while int(await said(process, "done")) < number:  # type: ignore[arg-type]
        pass


@pytest.mark.timeout(600)
def test_killed_again_and_again_each_tag_goes_once_and_the_others_stay(tmp_path: Path) -> None:
    async def story(registry: RegistryProcess) -> None:
        going, staying = planted(registry.storage)
        settings = environment(tmp_path / "data", registry.url, registry.url)
        process = await start(settings, "delete", f"two/{REPOSITORY}", "pr-*")
        job_id = await said(process, "job")
        for share in (0.25, 0.6):
            await done_up_to(process, int(TAGS * share))
            await kill(process)
            process = await start(settings)
        await said(process, "idle")
        assert await process.wait() == 0
        async with house(settings) as services:
            found = await bulk_delete.open_bulk(services, MAINTAINER, job_id)
            assert (found.job.state, found.job.error, found.problems) == (JobState.DONE, None, ())
            assert (found.outcome.deleted, found.outcome.tags) == (TAGS, TAGS)
            lines = []
            cursor = None
            while True:
                page = await open_audit(services, SYSTEM, AuditQuery(action="tag.delete", limit=1000, cursor=cursor))
                lines += page.items
                if (cursor := page.next) is None:
                    break
        assert Counter((line.target.rpartition(":")[2], line.outcome) for line in lines) == Counter(
            {(tag, "done"): 1 for tag in going}
        )
        assert set(Counter(_DELETED.findall(registry.log.read_text())).values()) == {1}
        async with client_of(registry.url) as client:
            left = {tag async for part in client.tags(REPOSITORY) for tag in part}
            assert left == set(staying)
            for tag, digest in staying.items():
                head = await client.head_manifest(REPOSITORY, tag)
                assert head is not None
                assert head.digest == digest
            for child in content.built(1).children:
                assert await client.head_manifest(REPOSITORY, child.digest) is not None

    with RegistryProcess(tmp_path / "registry", access_log=True) as registry:
        run(story(registry))
