"""A copy and a bulk deletion by the engine on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from demo.push import push
from demo.registry_process import RegistryProcess
from kubedash.oci.reference import RepositoryName
from kubedash.records import JobState, Selection
from kubedash.workflows import bulk_delete, copy
from kubedash.workflows.bulk_delete import Shown
from tests.support.aio import run
from tests.support.databases import DatabaseAt
from tests.support.registries import client_of
from tests.sync import content
from tests.work.house import MAINTAINER, ended, request
from tests.work.processes import environment, house


def test_copied_and_deleted(open_registry: RegistryProcess, postgres_database: DatabaseAt, tmp_path: Path) -> None:
    url = open_registry.url
    for number in range(3):
        push(url, "postgres/app", f"pr-{number}", content.image(300 + number))
    settings = environment(tmp_path / "data", url, url) | {
        "KUBEDASH_DATABASE_URL": postgres_database.url,
        "KUBEDASH_SECRET_KEY": "k" * 40,
    }

    async def story() -> None:
        async with house(settings) as services:
            job = await copy.execute(services, MAINTAINER, request("one/postgres/app:pr-0", "two/postgres/copy:1"))
            job = await ended(services, job)
            assert (job.state, job.error) == (JobState.DONE, None)
            name, selection = RepositoryName("postgres/app"), Selection(patterns=("pr-*",), keep_newest=1)
            plan = await bulk_delete.plan(services, MAINTAINER, "one", name, selection)
            shown = Shown(expected=plan.expected)
            job = await ended(services, await bulk_delete.execute(services, MAINTAINER, "one", name, selection, shown))
            assert (job.state, job.error) == (JobState.DONE, None)
            assert (await bulk_delete.open_bulk(services, MAINTAINER, job.id)).outcome.deleted == 2
        async with client_of(url) as client:
            assert len([tag async for page in client.tags(name) for tag in page]) == 1
            assert await client.head_manifest(RepositoryName("postgres/copy"), "1") is not None

    run(story())
