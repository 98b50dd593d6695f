"""A process that died in the middle of a deletion: the next one that runs jobs makes it good by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from demo.push import push, push_image
from demo.registry_process import RegistryProcess
from kubedash.jobs import schedule
from kubedash.oci.reference import RepositoryName
from kubedash.records import AuditQuery
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows.audit import open_audit
from tests.changes.bench import bench_at
from tests.changes.faults import Fault, bridge_to
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.services import ADMIN

PATIENCE_SECONDS = 60


def test_the_schedule_puts_back_what_a_dead_process_left(
    open_registry: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubedash.workflows.deletion_acts.BUSY", timedelta(0))
    monkeypatch.setattr(schedule, "BEAT_SECONDS", 0.05)
    name = "settle/app"
    image = push_image(open_registry.url, name, "1.0", labels={"n": "settle"})
    push(open_registry.url, name, "latest", image)

    async def check() -> None:
        async with bridge_to(open_registry) as bridge:
            async with bench_at(tmp_path, bridge.url, name) as bench:
                await bench.crawl()
                bridge.arm(Fault.WE_DIE, when=f"PUT /v2/{name}/manifests/1.0")
                work = asyncio.ensure_future(bench.delete("1.0"))
                await bridge.silent.wait()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                bridge.arm(None)
                assert await bench.digest("1.0") not in (None, image.digest), "the placeholder is not under the tag"
            settings = load({"KUBEDASH_DATA_DIR": str(tmp_path), "KUBEDASH_SYNC_INTERVAL": "0"})
            services = await open_services(settings)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not (lines := (await open_audit(services, ADMIN, AuditQuery(action="tag.delete"))).items):
                        await asyncio.sleep(0.05)
            finally:
                await close_services(services)
            assert [(line.outcome, line.actor) for line in lines] == [("undone", "admin")]
            async with client_of(open_registry.url) as client:
                for tag in ("1.0", "latest"):
                    head = await client.head_manifest(RepositoryName(name), tag)
                    assert head is not None
                    assert head.digest == image.digest

    run(check())
