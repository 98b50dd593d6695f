"""Finds the registry and repository that an address names; shared by the workflows."""

from __future__ import annotations

from kubedash.errors import NotFound
from kubedash.oci.reference import RepositoryName
from kubedash.records import Registry, Repository
from kubedash.storage import registries, repositories
from kubedash.storage.database import ReadSession


async def registry_named(session: ReadSession, name: str) -> Registry:
    """Raises `NotFound`."""
    found = await registries.find(session, name)
    if found is None:
        raise NotFound(f"No registry is called {name[:80]!r} here.", hint="The overview lists those that are.")
    return found


async def repository_named(session: ReadSession, registry: Registry, name: RepositoryName) -> Repository:
    """Raises `NotFound`."""
    found = await repositories.find(session, registry.id, name)
    if found is None:
        raise NotFound(f"{registry.name} has no repository {name!r}.", hint="Look for it in the image list.")
    return found
