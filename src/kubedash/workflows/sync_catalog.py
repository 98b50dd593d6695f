"""The names of a registry: from its catalog, by hand, and from before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistryStatus
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import Absent, Denied, Unauthorized, Unsupported, status_of
from kubedash.storage import registries, repositories
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import explain

_REFUSALS: Final = (Absent, Denied, Unauthorized, Unsupported)
"""Many accounts may pull and not list; that says nothing about the repositories."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to crawl."""

    total: int
    healthy: bool
    """Whether this is all there is, as far as the registry lets anybody know."""
    problem: str | None
    status: RegistryStatus


async def list_names(services: Services, client: RegistryClient, registry_id: int) -> Names:
    """List the catalog and note which repositories came and went.

    Only a complete listing lets repositories go. Where the catalog is refused or
    fails, those named by hand and those known from before are crawled. Raises the
    registry's error where it cannot be reached at all.
    """
    async with services.database.read() as session:
        by_hand = (await registries.settings_of(session, registry_id)).repositories
    problem: RegistryError | None = None
    listed: set[RepositoryName] = set()
    try:
        async for page in client.repositories():
            listed.update(page)
    except RegistryError as error:
        await client.ping()
        problem = error
        listed.clear()
    names = listed.union(by_hand)
    async with services.database.write() as session:
        now = services.clock()
        await repositories.ensure(session, registry_id, tuple(names), now)
        if problem is None:
            await repositories.finish_listing(session, registry_id, names, now)
        await registries.recount(session, registry_id)
        registry = await registries.by_id(session, registry_id)
    return _judged(problem, (registry.repository_count or 0) if registry else 0)


def _judged(problem: RegistryError | None, total: int) -> Names:
    if problem is None:
        return Names(total=total, healthy=True, problem=None, status=RegistryStatus.OK)
    if isinstance(problem, _REFUSALS) and total:
        detail = (
            "The registry does not list its repositories to us; "
            f"those named by hand and those known from before are read. {explain(problem)}"
        )
        return Names(total=total, healthy=True, problem=detail, status=RegistryStatus.OK)
    return Names(total=total, healthy=False, problem=explain(problem), status=status_of(problem))


async def catalog_answers(client: RegistryClient) -> bool:
    """Whether the registry lists anything at all, so that an empty answer of it can be believed."""
    try:
        async for _ in client.repositories():
            return True
    except _REFUSALS:
        return True
    except RegistryError:
        return False
    return True


async def refusal_of(client: RegistryClient, name: RepositoryName) -> RegistryError | None:
    """Why the registry does not list this repository's tags; None where it does, even if there are none."""
    pages = aiter(client.tags(name))
    try:
        await anext(pages, None)
    except RegistryError as error:
        return error
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
    return None
