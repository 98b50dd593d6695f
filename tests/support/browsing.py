"""A small registry with one of each kind of content, and a site that has read it.

Some of it is hostile: labels that want to be markup, links or something else than they look.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.records import Job, JobState, Progress, Registry, RegistrySecrets, RegistrySettings
from kubedash.workflows import registries
from kubedash.workflows.services import Services
from tests.support.pages import ADMIN, HOSTILE, Site, open_site
from tests.support.schema1 import make_schema1

RTL: Final = "safe\u202egnp.exe"
LONG: Final = "team-with-a-long-name/division/department-of-things/subgroup/application-with-a-very-long-name"
SECRET: Final = "correct-horse-battery"
CHART: Final = {
    "name": "web",
    "version": "1.0.0+build.1",
    "appVersion": "7.2",
    "apiVersion": "v2",
    "description": HOSTILE,
    "home": "javascript:alert(1)",
    "sources": ["https://git.example.com/web"],
    "maintainers": [{"name": "Web team", "email": "web@example.com"}, None],
    "dependencies": [{"name": "cache", "version": "~1.4", "repository": "oci://registry.example.com/charts"}],
}
LABELS: Final = {
    "org.opencontainers.image.title": HOSTILE,
    "org.opencontainers.image.url": "javascript:alert(document.cookie)",
    "org.opencontainers.image.source": "https://git.example.com/shop/app",
    "org.opencontainers.image.description": RTL,
    "org.label-schema.version": "0.9",
    "long": "word " * 2000,
    HOSTILE: HOSTILE,
}


def fill(url: str) -> None:
    """One repository of each kind."""
    config = {
        "Env": ["PATH=/usr/bin", f"DB_PASSWORD={SECRET}", "QUERY=a=b=c"],
        "Cmd": ["serve", "--port", "80"],
        "ExposedPorts": {"80": {}},
        "Volumes": {"/data": {}},
        "User": "app",
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 5_000_000_000},
    }
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:aa in / "},
        {"created_by": f"ENV DB_PASSWORD={SECRET}", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c make install # buildkit"},
    ]
    layers = [push.make_layer({"base": "b"}), push.make_layer({"app": "a" * 5000})]
    app = push.make_image(config=config, labels=LABELS, history=history, layers=layers)
    for tag in ("1.10.0", "latest"):
        push.push(url, "shop/app", tag, app)
    push.push_image(url, "shop/app", "1.9.0", labels={"n": "9"})
    _push_signature(url, app)
    _push_multi(url)
    _push_artifacts(url)
    nothing = {"config": None, "rootfs": None, "history": None, "created": "0001-01-01T00:00:00Z"}
    push.push_image(url, "bare", "1", extra=nothing)
    push.push_image(url, LONG, "nightly-2026.11.23-with-a-long-suffix-that-goes-on-and-on-0123456789abcdef")
    gone = push.push_image(url, "emptied", "1", labels={"n": "gone"})
    push.delete_manifest(url, "emptied", gone.digest)
    raw, _, blobs = make_schema1("legacy", "1", env=(f"DB_PASSWORD={SECRET}",))
    for blob in blobs:
        push.push_blob(url, "legacy", blob)
    push.push_manifest(url, "legacy", "1", raw, "application/vnd.docker.distribution.manifest.v1+prettyjws")


def _push_signature(url: str, image: push.Sample) -> None:
    payload = ("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
    signature = push.make_artifact([payload], config=(push.OCI_CONFIG, b"{}"))
    push.push(url, "shop/app", f"{image.digest.replace(':', '-')}.sig", signature)


def _push_multi(url: str) -> None:
    amd, arm = (push.make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64"))
    statement = push.make_artifact([("application/vnd.in-toto+json", b"{}")], config=(push.OCI_CONFIG, b"{}"))
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.digest}
    unknown = {"os": "unknown", "architecture": "unknown"}
    push.push_index(url, "shop/multi", "2.0", [amd, arm, (statement, {"annotations": about, "platform": unknown})])


def _push_artifacts(url: str) -> None:
    chart = push.make_artifact(
        [("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"tgz")],
        config=("application/vnd.cncf.helm.config.v1+json", json.dumps(CHART).encode()),
    )
    push.push(url, "charts/web", "1.0.0_build.1", chart)
    files = push.make_artifact(
        [("text/csv", b"a,b", {"org.opencontainers.image.title": HOSTILE})],
        artifact_type="application/vnd.example.table.v1",
    )
    push.push(url, "files/table", "1", files)


@contextmanager
def filled_registry(folder: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(folder, schema1=True) as registry:
        fill(registry.url)
        yield registry


@contextmanager
def browsing_site(folder: Path, registry: RegistryProcess) -> Iterator[Site]:
    """A site whose index holds all of the registry, under the name `sample`."""
    with open_site(folder) as site:
        site.call(add_and_read, registry.url)
        yield site


async def add_and_read(services: Services, url: str, name: str = "sample") -> Registry:
    """Adds the registry and waits until it was read."""
    settings = RegistrySettings(name=name, title=name.title(), url=url)
    await registries.add_registry(services, ADMIN, settings, RegistrySecrets())
    await settle(services, name)
    return await registries.show_registry(services, ADMIN, name)


async def settle(services: Services, name: str) -> None:
    """Waits for the crawl of a registry that is under way, if there is one."""
    job = await services.jobs.sync_registry(name)
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        await asyncio.sleep(0.02)
        job = await services.jobs.find(job.id) or job


class IdleJobs:
    """Implements `workflows.services.Jobs` without doing anything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    async def sync_registry(self, registry: str) -> Job:
        return self._queued(registry, None)

    async def sync_repository(self, registry: str, repository: str, *, again: bool = False) -> Job:
        return self._queued(registry, repository)

    async def find(self, job_id: str) -> Job | None:
        return None

    def running_crawl(self, registry: str) -> Job | None:
        return None

    async def cancel(self, job_id: str) -> None:
        return None

    async def close(self) -> None:
        return None

    def _queued(self, registry: str, repository: str | None) -> Job:
        self.asked.append((registry, repository))
        return Job(id="idle", kind="sync", state=JobState.QUEUED, progress=Progress(done=3, total=9))
