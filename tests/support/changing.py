"""A site on which images may be changed, and what the registry itself says afterwards."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from demo.push import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from kubedash.oci.reference import RepositoryName
from kubedash.records import JobState, RegistrySecrets, RegistrySettings, Role
from kubedash.workflows import people, registries, sync
from kubedash.workflows.services import Services
from tests.support.pages import ADMIN, HtmlPage, Site, open_site

EVE: Final = "a password of the viewer"
_ACCEPT: Final = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))


@contextmanager
def changing_site(folder: Path, url: str, **environ: str) -> Iterator[Site]:
    """With the registry as `sample`; `eve` may look. Deleting is on unless `environ` says otherwise."""
    with open_site(folder, **{"DELETE_IMAGES": "true", **environ}) as site:
        site.call(add, "sample", url)
        site.call(people.add_user, ADMIN, "eve", Role.VIEWER, EVE)
        yield site


async def add(services: Services, name: str, url: str, protected: tuple[str, ...] = ()) -> None:
    settings = RegistrySettings(name=name, title=name.title(), url=url, protected_tags=protected)
    await registries.add_registry(services, ADMIN, settings, RegistrySecrets())


async def crawl(services: Services, repository: str, registry: str = "sample") -> None:
    """Reads one repository anew and waits for it."""
    job = await sync.request_sync(services, ADMIN, registry, RepositoryName(repository))
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        await asyncio.sleep(0.02)
        job = await services.jobs.find(job.id) or job


def digest_at(url: str, repository: str, identifier: str, auth: tuple[str, str] | None = None) -> str | None:
    """Where it leads in the registry itself; None where there is no such thing."""
    try:
        with urllib.request.urlopen(
            _asked(f"{url}/v2/{repository}/manifests/{identifier}", auth), timeout=20
        ) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None


def tags_at(url: str, repository: str, auth: tuple[str, str] | None = None) -> list[str]:
    with urllib.request.urlopen(_asked(f"{url}/v2/{repository}/tags/list", auth), timeout=20) as answer:
        return sorted(json.load(answer)["tags"] or [])


def _asked(address: str, auth: tuple[str, str] | None) -> urllib.request.Request:
    headers = {"Accept": _ACCEPT}
    if auth:
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"
    return urllib.request.Request(address, headers=headers)


def hidden(page: HtmlPage, action: str) -> dict[str, str]:
    """What the form that goes to `action` sends by itself, its token left out."""
    form = page.find("form", action=action)
    fields = [field for field in form.iter("input") if field.get("type") == "hidden"]
    return {field.get("name", ""): field.get("value", "") for field in fields if field.get("name") != "_csrf_token"}
