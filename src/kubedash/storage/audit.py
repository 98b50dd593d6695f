"""Who did what, when and with which outcome; lines are added and never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

import msgspec
from sqlalchemy import Row, insert, select

from kubedash.policy.access import Actor
from kubedash.records import AuditEntry, Page, encode_json
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.paging import Keyset, Ordering
from kubedash.storage.tables import audit
from kubedash.storage.values import moment_of, to_micros

DONE: Final = "done"
_NEWEST_FIRST: Final = "-id"
_ORDERINGS: Final = {"id": Ordering(("id",), (int,))}
_MAX_TEXT: Final = 1000


class Outcome(TypedDict, total=False):
    """What else a line says: `outcome` (else `done`) and `detail`."""

    outcome: str
    detail: dict[str, Any]


async def add(
    session: WriteSession, actor: Actor, action: str, target: str, at: datetime, **more: Unpack[Outcome]
) -> None:
    """One line, kept together with what it speaks of or not at all."""
    values = {
        "at": to_micros(at),
        "actor": _storable(actor.name),
        "via": actor.via,
        "address": actor.address,
        "action": action,
        "target": _storable(target),
        "outcome": more.get("outcome", DONE),
        "detail": encode_json(more.get("detail", {})).decode(),
    }
    await session.run(insert(audit).values(**values))


async def page(session: ReadSession, limit: int, cursor: str | None = None) -> Page[AuditEntry]:
    """Newest first. Raises `InvalidInput` for a cursor that is not ours."""
    keyset = Keyset(_NEWEST_FIRST, _ORDERINGS, limit, cursor)
    rows = await session.rows(keyset.shape.apply(select(audit), audit.c), keyset.values)
    if keyset.runs_into_start(rows):
        keyset.restart()
        rows = await session.rows(keyset.shape.apply(select(audit), audit.c), keyset.values)
    cut = keyset.cut(rows)
    return Page(items=tuple(map(_record, cut.rows)), next=cut.next, previous=cut.previous, first=cut.first)


def _storable(text: str) -> str:
    """A name that somebody typed at the sign-in may hold anything."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:_MAX_TEXT]


def _record(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=moment_of(row.at),
        actor=row.actor,
        via=row.via,
        address=row.address,
        action=row.action,
        target=row.target,
        outcome=row.outcome,
        detail=msgspec.json.decode(row.detail, type=dict[str, Any]),
    )
