"""A registry and a repository in the store, to build upon."""

from __future__ import annotations

from collections.abc import Iterable

from kubedash.artifacts.summary import ManifestSummary
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import RegistrySettings
from kubedash.storage import manifests, registries, repositories, tags
from kubedash.storage.database import WriteSession
from tests.support.summaries import NOW


def settings(name: str = "demo") -> RegistrySettings:
    return RegistrySettings(name=name, title=name.title(), url="http://127.0.0.1:5000")


async def add_repository(session: WriteSession, name: str = "library/app", registry: str = "demo") -> tuple[int, int]:
    """The ids of the registry and of the repository; the registry is made where it is new."""
    found = await registries.find(session, registry)
    registry_id = found.id if found else await registries.add(session, settings(registry), b"")
    ids = await repositories.ensure(session, registry_id, [RepositoryName(name)], NOW)
    return registry_id, ids[RepositoryName(name)]


async def put(session: WriteSession, repository_id: int, tagged: Iterable[tuple[str, ManifestSummary]]) -> None:
    """As a crawl does: keep the manifests, then say which tag points where, then add up."""
    pairs = list(tagged)
    await manifests.add(session, repository_id, [summary for _, summary in pairs], NOW)
    await tags.observe(session, repository_id, [(Tag(name), summary.digest) for name, summary in pairs], NOW, "crawl")
    await manifests.refresh_sizes(session, repository_id)
    await repositories.recount(session, repository_id)


def digest(number: int) -> Digest:
    """A digest of something that is not kept."""
    return Digest.of(b"%d" % number)
