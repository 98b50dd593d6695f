"""The secrets that registries send with their events; only their hashes are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event_secret
from kubedash.storage.statements import upsert
from kubedash.storage.values import from_micros, to_micros

_CREATED: Final = select(event_secret.c.created_at).where(event_secret.c.registry_id == bindparam("registry_id"))


async def put(session: WriteSession, registry_id: int, digest: bytes, at: datetime) -> None:
    """The one secret of a registry; the one before stops working."""
    statement = upsert(session.dialect, event_secret, ("registry_id",), ("digest", "created_at"))
    await session.many(statement, [{"registry_id": registry_id, "digest": digest, "created_at": to_micros(at)}])


async def remove(session: WriteSession, registry_id: int) -> bool:
    """Whether there was one."""
    return await session.run(delete(event_secret).where(event_secret.c.registry_id == registry_id)) > 0


async def created_at(session: ReadSession, registry_id: int) -> datetime | None:
    """When the secret in force was made; None: there is none."""
    return from_micros(await session.scalar(_CREATED, {"registry_id": registry_id}))


async def digests(session: ReadSession) -> Mapping[int, bytes]:
    """Of every registry that has a secret."""
    return {row.registry_id: bytes(row.digest) for row in await session.rows(select(event_secret))}
