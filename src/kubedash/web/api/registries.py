"""Registries: list, add, show, change, remove, sync, doctor."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import Job, Page, Registry
from kubedash.web.api.bodies import (
    NewRegistry,
    RegistryChange,
    changed_secrets,
    changed_settings,
    secrets_from,
    settings_from,
)
from kubedash.web.api.lists import Cursor, Limit, Q, Sort
from kubedash.web.api.values import read_repository
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import registries, sync
from kubedash.workflows.registries import CheckReport

Test = Annotated[bool, QueryParameter(description="`false` saves without trying the connection first.")]
_KEYS: Final[Keys[Registry]] = {
    "name": lambda registry: registry.name,
    "title": lambda registry: registry.title.lower(),
    "status": lambda registry: registry.status,
    "last_synced": lambda registry: registry.last_synced,
    "repository_count": lambda registry: registry.repository_count,
    "tag_count": lambda registry: registry.tag_count,
    "size": lambda registry: registry.size,
}


@get("/registries", summary="List registries")
async def list_registries(
    services: GivenServices,
    actor: GivenActor,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Registry]:
    """All registries with their state. Sorts: name, title, status, last_synced, repository_count, tag_count, size."""
    found = await registries.list_registries(services, actor)
    query = ListQuery(q=q, sort=sort, limit=limit, cursor=cursor)
    return page_of(found, query, _KEYS, lambda registry: f"{registry.name} {registry.title} {registry.url}")


@post("/registries", summary="Add a registry")
async def add_registry(
    services: GivenServices, actor: GivenActor, data: JSONBody[NewRegistry], test: Test = True
) -> Registry:
    """Tries the connection first and refuses with 422 where it fails, unless `?test=false`. Needs an administrator."""
    return await registries.add_registry(services, actor, settings_from(data), secrets_from(data), test=test)


@get("/registries/{registry:str}", summary="Show a registry")
async def show_registry(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> Registry:
    """One registry by its name. Secrets are never shown."""
    return await registries.show_registry(services, actor, registry)


@patch("/registries/{registry:str}", summary="Change a registry")
async def change_registry(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    data: JSONBody[RegistryChange],
    test: Test = True,
) -> Registry:
    """Fields that are left out stay as they are, secrets too; null removes one. Tries the connection first."""
    before = await registries.settings_of(services, actor, registry)
    secrets = None
    if data.touches_secrets:
        secrets = changed_secrets(await registries.stored_secrets(services, actor, registry), data)
    settings = changed_settings(before, data)
    return await registries.edit_registry(services, actor, registry, settings, secrets, test=test)


@delete("/registries/{registry:str}", summary="Remove a registry")
async def remove_registry(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> None:
    """Forgets the registry and its index. The registry itself is not touched. Needs an administrator."""
    await registries.remove_registry(services, actor, registry)


@post("/registries/{registry:str}/sync", summary="Ask for a sync", status_code=202)
async def sync_registry(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    repository: Annotated[
        str | None, QueryParameter(description="Only this repository; otherwise all of them.")
    ] = None,
) -> Response[Job]:
    """Queues a crawl and answers its job; where one is waiting or running already, that one."""
    name = None if repository is None else read_repository(repository)
    job = await sync.request_sync(services, actor, registry, name)
    location = f"{services.settings.base_path}/api/v1/jobs/{job.id}"
    return Response(job, status_code=202, headers={"Location": location})


@get("/registries/{registry:str}/doctor", summary="Check a registry's connection")
async def check_registry(services: GivenServices, actor: GivenActor, registry: FromPath[str]) -> CheckReport:
    """Tries the connection step by step and says what each step showed. Needs an administrator."""
    return await registries.check_stored(services, actor, registry)
