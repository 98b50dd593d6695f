"""Who did what, when and with which outcome; lines are added and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

import msgspec
from sqlalchemy import ColumnElement, Row, bindparam, insert, select

from kubedash.policy.access import Actor
from kubedash.records import AuditEntry, AuditQuery, Page, encode_json
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.paging import Keyset, Ordering
from kubedash.storage.statements import clean, glob_pattern, matches, starts_with
from kubedash.storage.tables import audit
from kubedash.storage.values import moment_of, to_micros

DONE: Final = "done"
_NEWEST_FIRST: Final = "-at"
_ORDERINGS: Final = {"at": Ordering(("at", "id"), (int, int))}
_LAST: Final = (
    select(audit)
    .where(
        audit.c.action == bindparam("action"),
        audit.c.target == bindparam("target"),
        audit.c.outcome == bindparam("outcome"),
    )
    .order_by(audit.c.at.desc(), audit.c.id.desc())
    .limit(1)
)
_OF_TARGET: Final = select(audit).where(audit.c.target == bindparam("target")).limit(1)
_FAMILY: Final = ".*"
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


async def last(session: ReadSession, action: str, target: str, outcome: str = DONE) -> AuditEntry | None:
    """The newest line of that action on that very target which ended so."""
    row = await session.first(_LAST, {"action": action, "target": _storable(target), "outcome": outcome})
    return _record(row) if row is not None else None


async def line_at(session: ReadSession, actions: Sequence[str], target: str, at: datetime) -> AuditEntry | None:
    """The line of one of these actions on that very target which was written for that very moment."""
    wanted = _OF_TARGET.where(audit.c.action.in_(actions), audit.c.at == to_micros(at)).order_by(audit.c.id.desc())
    row = await session.first(wanted, {"target": _storable(target)})
    return _record(row) if row is not None else None


async def next_line(session: ReadSession, entry: AuditEntry) -> AuditEntry | None:
    """The line that came next of the same action on the same target."""
    later = (audit.c.at > to_micros(entry.at)) | ((audit.c.at == to_micros(entry.at)) & (audit.c.id > entry.id))
    wanted = _OF_TARGET.where(audit.c.action == entry.action, later).order_by(audit.c.at, audit.c.id)
    row = await session.first(wanted, {"target": _storable(entry.target)})
    return _record(row) if row is not None else None


async def page(session: ReadSession, query: AuditQuery) -> Page[AuditEntry]:
    """Newest first. Raises `InvalidInput` for a cursor that is not ours."""
    keyset = Keyset(_NEWEST_FIRST, _ORDERINGS, query.limit, query.cursor)
    wanted = select(audit).where(*_conditions(session.dialect, query))
    rows = await session.rows(keyset.shape.apply(wanted, audit.c), keyset.values)
    if keyset.runs_into_start(rows):
        keyset.restart()
        rows = await session.rows(keyset.shape.apply(wanted, audit.c), keyset.values)
    cut = keyset.cut(rows)
    return Page(items=tuple(map(_record, cut.rows)), next=cut.next, previous=cut.previous, first=cut.first)


def _conditions(dialect: str, query: AuditQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.actor:
        found.append(audit.c.actor == clean(query.actor))
    if query.action:
        found.append(_action(clean(query.action)))
    if query.target:
        found.append(matches(dialect, audit.c.target, glob_pattern(clean(query.target))))
    if query.outcome:
        found.append(audit.c.outcome == clean(query.outcome))
    if query.since:
        found.append(audit.c.at >= to_micros(query.since))
    if query.until:
        found.append(audit.c.at < to_micros(query.until))
    return found


def _action(wanted: str) -> ColumnElement[bool]:
    """`tag.*` is a range of the index; anything else is the very action."""
    if wanted.endswith(_FAMILY) and len(wanted) > len(_FAMILY):
        return starts_with(audit.c.action, wanted.removesuffix("*"))
    found: ColumnElement[bool] = audit.c.action == wanted
    return found


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
