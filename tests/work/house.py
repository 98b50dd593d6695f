"""Two registries in an open house, and short words for what people ask of it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.access import Actor
from kubedash.records import CopyJob, Job, JobState, RegistrySettings, Role
from kubedash.storage import registries
from kubedash.workflows import copy, sync
from kubedash.workflows.copy import CopyRequest
from kubedash.workflows.services import Services
from tests.support.services import open_house

MAINTAINER = Actor(name="mia", role=Role.MAINTAINER, via="session", user_id=2, address="192.0.2.7")
VIEWER = Actor(name="vic", role=Role.VIEWER, via="session", user_id=3)


@asynccontextmanager
async def two_registries(
    folder: Path, source: str, target: str, *protected: str, **environ: str
) -> AsyncIterator[Services]:
    """`one` and `two`; `protected` are patterns of the second. Nothing is crawled by itself."""
    async with open_house(folder, KUBEDASH_SYNC_INTERVAL="0", **environ) as services:
        async with services.database.write() as session:
            await registries.add(session, RegistrySettings(name="one", title="One", url=source), b"")
            two = RegistrySettings(name="two", title="Two", url=target, protected_tags=protected)
            await registries.add(session, two, b"")
        yield services


def request(source: str, target: str, *, attachments: bool = True) -> CopyRequest:
    """`one/name:tag` to `two/name:tag`."""
    from_registry, _, reference = source.partition("/")
    to_registry, _, place = target.partition("/")
    repository, _, tag = place.rpartition(":")
    return CopyRequest(
        source_registry=from_registry,
        source=Reference.parse(reference),
        registry=to_registry,
        repository=RepositoryName.parse(repository),
        tag=Tag.parse(tag),
        attachments=attachments,
    )


async def ended(services: Services, job: Job) -> Job:
    """The job when there is no more to come of it."""
    while job.state in ("queued", "running"):
        await asyncio.sleep(0.02)
        job = await sync.job(services, MAINTAINER, job.id)
    return job


async def copied(services: Services, source: str, to: str, expected: Digest | None = None) -> CopyJob:
    """The copy when it is done."""
    job = await ended(services, await copy.execute(services, MAINTAINER, request(source, to), expected=expected))
    assert (job.state, job.error) == (JobState.DONE, None)
    return await copy.open_copy(services, VIEWER, job.id)


def skopeo_pulls(url: str, reference: str, folder: Path) -> None:
    """skopeo takes all of it, blobs included, and checks every digest on the way."""
    source = f"docker://{url.partition('://')[2]}/{reference}"
    words = ["skopeo", "copy", "--all", "--quiet", "--src-tls-verify=false", source, f"dir:{folder}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
