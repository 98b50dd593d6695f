"""A copy of a large image survives the death of its process: what had arrived is not sent again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from demo.push import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, digest_of, encode
from demo.registry_process import RegistryProcess
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import AuditQuery, JobState
from kubedash.workflows import copy, work
from kubedash.workflows.audit import open_audit
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.scripted import scripted
from tests.work.house import MAINTAINER, ended, request
from tests.work.processes import environment, house, kill, said, start

LAYERS = 10
LAYER_BYTES = 20 * 1000 * 1000
SMALL_BYTES = 20 * 1000
MOST_MORE_KIB = 40 * 1024
"""Far less than the image, and than three layers at once."""
ZEROS = bytes(256 * 1024)
_PUT = re.compile(r'"PUT /v2/large/copy/blobs/uploads/[^ ]*[?&]digest=sha256%3A([0-9a-f]{64})[^"]*" 201 ')


class Large:
    """A registry with one image of ten layers that exist nowhere: a number and zeros, made when asked for.

    Lets `free` layers through, and the others when `opened` is set.
    """

    def __init__(self, *, free: int, size: int = SMALL_BYTES) -> None:
        self.size = size
        self.layers = {f"sha256:{self._sum(number)}": number for number in range(LAYERS)}
        self.config = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
        self.manifest = encode(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": digest_of(self.config), "size": len(self.config)},
                "layers": [{"mediaType": OCI_LAYER, "digest": layer, "size": self.size} for layer in self.layers],
            }
        )
        self.free = free
        self.opened = asyncio.Event()
        self.waiting = asyncio.Event()
        self.asked: Counter[str] = Counter()

    def _sum(self, number: int) -> str:
        found = hashlib.sha256(number.to_bytes(8, "big"))
        for begin in range(8, self.size, len(ZEROS)):
            found.update(ZEROS[: self.size - begin])
        return found.hexdigest()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if "/manifests/" in request.path:
            if name not in ("1", digest_of(self.manifest)):
                return web.Response(status=404)
            headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest_of(self.manifest)}
            return web.Response(body=self.manifest, headers=headers)
        if name == digest_of(self.config):
            return web.Response(body=self.config)
        if name in self.layers:
            return await self._layer(request, name)
        return web.json_response({}) if request.path == "/v2/" else web.Response(status=404)

    async def _layer(self, request: web.Request, digest: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(self.size)})
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(self.size)})
        self.asked[digest] += 1
        if self.asked.total() > self.free:
            self.waiting.set()
            await self.opened.wait()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            await answer.write(self.layers[digest].to_bytes(8, "big"))
            for begin in range(8, self.size, len(ZEROS)):
                await answer.write(ZEROS[: self.size - begin])
        return answer


def arrived(registry: RegistryProcess) -> Counter[str]:
    """How often each blob came in whole, by the registry's own log."""
    return Counter(_PUT.findall(registry.log.read_text()))


@pytest.mark.timeout(300)
def test_killed_in_the_middle_it_goes_on_and_sends_nothing_twice(tmp_path: Path) -> None:
    async def story(registry: RegistryProcess) -> None:
        large = Large(free=4, size=LAYER_BYTES)
        async with scripted(large) as source:
            settings = environment(tmp_path / "data", source.url, registry.url)
            first = await start(settings, "copy", "one/large/app:1", "two/large/copy:1")
            job_id = await said(first, "job")
            await large.waiting.wait()
            while len(arrived(registry)) < 4:
                await asyncio.sleep(0.02)
            await kill(first)
            there = arrived(registry)
            large.opened.set()
            second = await start(settings)
            before = int(await said(second, "memory"))
            after = int(await said(second, "memory"))
            assert await second.wait() == 0
            async with house(settings) as services:
                done = await copy.open_copy(services, MAINTAINER, job_id)
                assert (done.job.state, done.job.error) == (JobState.DONE, None)
                lines = (await open_audit(services, SYSTEM, AuditQuery())).items
                assert [line.outcome for line in lines if line.action == "image.copy"] == ["done"]
        assert 4 <= len(there) < LAYERS
        whole = {digest.partition(":")[2] for digest in (*large.layers, digest_of(large.config))}
        assert arrived(registry) == Counter(dict.fromkeys(whole, 1))
        assert after < before + MOST_MORE_KIB
        async with client_of(registry.url) as client:
            assert (await client.get_manifest(RepositoryName("large/copy"), "1")).raw == large.manifest

    with RegistryProcess(tmp_path / "registry", access_log=True) as registry:
        run(story(registry))


def test_paused_it_waits_and_resumed_it_ends(tmp_path: Path) -> None:
    async def story(registry: RegistryProcess) -> None:
        large = Large(free=2)
        async with scripted(large) as source:
            settings = environment(tmp_path / "data", source.url, registry.url)
            async with house(settings) as services:
                job = await copy.execute(services, MAINTAINER, request("one/large/app:1", "two/large/copy:1"))
                await large.waiting.wait()
                assert (await work.pause(services, MAINTAINER, job.id)).state is JobState.PAUSED
                large.opened.set()
            async with house(settings) as services:
                kept = await services.jobs.find(job.id)
                assert kept is not None
                assert kept.state is JobState.PAUSED
                resumed = await ended(services, await work.resume(services, MAINTAINER, job.id))
                assert (resumed.state, resumed.error) == (JobState.DONE, None)
                assert resumed.progress is not None
                assert (resumed.progress.done, resumed.progress.unit) == (resumed.progress.total, "bytes")
        assert set(arrived(registry).values()) == {1}

    with RegistryProcess(tmp_path / "registry", access_log=True) as registry:
        run(story(registry))


def test_cancelled_it_leaves_no_tag_and_a_down_registry_is_a_pause(tmp_path: Path) -> None:
    async def story(registry: RegistryProcess) -> None:
        large = Large(free=0)
        async with scripted(large) as source:
            settings = environment(tmp_path / "data", source.url, registry.url)
            async with house(settings) as services:
                job = await copy.execute(services, MAINTAINER, request("one/large/app:1", "two/large/copy:1"))
                await large.waiting.wait()
                await services.jobs.cancel(job.id)
                cancelled = await ended(services, job)
                assert cancelled.state is JobState.CANCELLED
                lines = (await open_audit(services, SYSTEM, AuditQuery())).items
                assert [line.outcome for line in lines if line.action == "image.copy"] == ["cancelled"]
                async with client_of(registry.url) as client:
                    assert await client.head_manifest(RepositoryName("large/copy"), "1") is None
                again = await copy.execute(services, MAINTAINER, request("one/large/app:1", "two/large/copy:1"))
                registry.kill()
                large.opened.set()
                paused = await ended(services, again)
                assert paused.state is JobState.PAUSED
                assert paused.error
                registry.restart()
                done = await ended(services, await work.resume(services, MAINTAINER, again.id))
                assert (done.state, done.error) == (JobState.DONE, None)

    with RegistryProcess(tmp_path / "registry", access_log=True) as registry:
        run(story(registry))
