"""Configured registries: what people said, how they answer, what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Row, bindparam, case, delete, exists, func, insert, select
from sqlalchemy import update as change

from kubedash.errors import NotFound
from kubedash.oci.reference import RepositoryName
from kubedash.records import Registry, RegistrySettings, RegistryStatus
from kubedash.storage import namespaces, sizes
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event_source
from kubedash.storage.tables import manifest, registry, repository, repository_manifest
from kubedash.storage.values import from_micros, to_micros

_COLUMNS: Final = (
    *(column for column in registry.c if column.name != "secrets"),
    (func.length(registry.c.secrets) > 0).label("has_password"),
)
_ALL: Final = select(*_COLUMNS).order_by(registry.c.name)
_BY_NAME: Final = select(*_COLUMNS).where(registry.c.name == bindparam("name"))
_BY_ID: Final = select(*_COLUMNS).where(registry.c.id == bindparam("id"))
_MAX_DETAIL: Final = 2000


async def add(session: WriteSession, settings: RegistrySettings, sealed: bytes, *, declared: bool = False) -> int:
    """Its id. `sealed` is empty where there are no secrets. Raises `Conflict` where the name is taken."""
    values = {**_values(settings), "secrets": sealed, "declared": int(declared)}
    return int(await session.scalar(insert(registry).values(**values).returning(registry.c.id)))


async def update(
    session: WriteSession, registry_id: int, settings: RegistrySettings, sealed: bytes | None = None
) -> None:
    """Replaces all settings; `sealed` None keeps the secrets. Raises `Conflict` where the name is taken."""
    values: dict[str, Any] = _values(settings)
    if sealed is not None:
        values["secrets"] = sealed
    await session.run(change(registry).where(registry.c.id == registry_id).values(**values))


async def mark_declared(session: WriteSession, names: Sequence[str]) -> None:
    """These come from the setting, and no others."""
    declared = case((registry.c.name.in_(names), 1), else_=0)
    await session.run(change(registry).where(registry.c.declared != declared).values(declared=declared))


async def remove(session: WriteSession, registry_id: int) -> None:
    """The registry and all that only it holds; manifests that another one links stay."""
    held = (
        select(repository_manifest.c.manifest_id)
        .join(repository, repository.c.id == repository_manifest.c.repository_id)
        .where(repository.c.registry_id == registry_id)
    )
    candidates = [row.manifest_id for row in await session.rows(held.distinct())]
    name = select(registry.c.name).where(registry.c.id == registry_id).scalar_subquery()
    await session.run(change(event_source).where(event_source.c.registry_id == registry_id).values(name=name))
    await session.run(delete(registry).where(registry.c.id == registry_id))
    linked = exists().where(repository_manifest.c.manifest_id == manifest.c.id)
    unlinked = delete(manifest).where(manifest.c.id == bindparam("gone"), ~linked)
    await session.many(unlinked, [{"gone": identifier} for identifier in candidates])


async def find(session: ReadSession, name: str) -> Registry | None:
    return _record(await session.first(_BY_NAME, {"name": name}))


async def by_id(session: ReadSession, registry_id: int) -> Registry | None:
    return _record(await session.first(_BY_ID, {"id": registry_id}))


async def list_all(session: ReadSession) -> tuple[Registry, ...]:
    """All of them by name."""
    return tuple(filter(None, map(_record, await session.rows(_ALL))))


async def sealed_secrets(session: ReadSession, registry_id: int) -> bytes:
    """Empty where there are none, and where the registry is gone."""
    return bytes(await session.scalar(select(registry.c.secrets).where(registry.c.id == registry_id)) or b"")


async def settings_of(session: ReadSession, registry_id: int) -> RegistrySettings:
    """What a person said. Raises `NotFound` where the registry is gone."""
    row = await session.first(_BY_ID, {"id": registry_id})
    if row is None:
        raise NotFound("The registry is gone.")
    return RegistrySettings(
        name=row.name,
        title=row.title,
        url=row.url,
        username=row.username,
        tls_verify=bool(row.tls_verify),
        ca_pem=row.ca_pem,
        client_certificate_pem=row.client_certificate_pem,
        proxy=row.proxy,
        pull_host=row.pull_host,
        repositories=_names(row.repositories),
        protected_tags=_words(row.protected_tags),
    )


async def record_status(
    session: WriteSession, registry_id: int, status: RegistryStatus, detail: str | None, at: datetime
) -> None:
    """How the last contact went; `status_since` moves only where the status changes."""
    moment = to_micros(at)
    since = case((registry.c.status == status.value, func.coalesce(registry.c.status_since, moment)), else_=moment)
    text = detail[:_MAX_DETAIL] if detail else None
    await session.run(
        change(registry)
        .where(registry.c.id == registry_id)
        .values(status=status.value, status_detail=text, status_since=since)
    )


async def record_synced(session: WriteSession, registry_id: int, at: datetime) -> None:
    """A complete, error-free listing ended."""
    await session.run(change(registry).where(registry.c.id == registry_id).values(last_synced=to_micros(at)))


async def recount(session: WriteSession, registry_id: int, size: int | None = None) -> None:
    """Counts repositories, tags and namespaces anew; `size` (see `distinct_size`) is kept where given."""
    await tally(session, registry_id, size)
    await namespaces.rebuild(session, registry_id)


async def tally(session: WriteSession, registry_id: int, size: int | None = None) -> None:
    """Counts repositories and tags anew, after a change of one repository."""
    present = (repository.c.registry_id == registry_id) & repository.c.gone_since.is_(None)
    known = case((repository.c.tag_count > 0, repository.c.tag_count), else_=0)
    row = await session.first(select(func.count().label("many"), func.sum(known).label("tags")).where(present))
    values: dict[str, Any] = {"repository_count": row.many if row else 0, "tag_count": int(row.tags or 0) if row else 0}
    if size is not None:
        values["size"] = size
    await session.run(change(registry).where(registry.c.id == registry_id).values(**values))


async def distinct_size(session: ReadSession, registry_id: int) -> int:
    """Bytes of all distinct blobs that its tags lead to. Seconds of work on a very large registry."""
    return await sizes.of_registry(session, registry_id)


def _values(settings: RegistrySettings) -> dict[str, Any]:
    return {
        "name": settings.name,
        "title": settings.title,
        "url": settings.url,
        "username": settings.username,
        "tls_verify": int(settings.tls_verify),
        "ca_pem": settings.ca_pem,
        "client_certificate_pem": settings.client_certificate_pem,
        "proxy": settings.proxy,
        "pull_host": settings.pull_host,
        "repositories": msgspec.json.encode(list(map(str, settings.repositories))).decode(),
        "protected_tags": msgspec.json.encode(settings.protected_tags).decode(),
    }


def _record(row: Row[Any] | None) -> Registry | None:
    if row is None:
        return None
    return Registry(
        id=row.id,
        name=row.name,
        title=row.title,
        url=row.url,
        username=row.username,
        has_password=bool(row.has_password),
        tls_verify=bool(row.tls_verify),
        ca_pem=row.ca_pem,
        client_certificate_pem=row.client_certificate_pem,
        proxy=row.proxy,
        pull_host=row.pull_host or urlsplit(row.url).netloc,
        repositories=_names(row.repositories),
        protected_tags=_words(row.protected_tags),
        status=RegistryStatus(row.status),
        status_detail=row.status_detail,
        status_since=from_micros(row.status_since),
        last_synced=from_micros(row.last_synced),
        repository_count=row.repository_count,
        tag_count=row.tag_count,
        size=row.size,
        declared=bool(row.declared),
    )


def _names(stored: str) -> tuple[RepositoryName, ...]:
    return tuple(map(RepositoryName, _words(stored)))


def _words(stored: str) -> tuple[str, ...]:
    return msgspec.json.decode(stored, type=tuple[str, ...])
