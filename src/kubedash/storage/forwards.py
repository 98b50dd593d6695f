"""Who wants which events, and what waits to be sent to them, in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, bindparam, case, delete, func, insert, select
from sqlalchemy import update as change

from kubedash.policy.forwarding import MAX_WAITING, host_of
from kubedash.records import Forward, ForwardKind, ForwardSettings
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event
from kubedash.storage.forward_tables import forward, forward_delivery
from kubedash.storage.statements import insert_new
from kubedash.storage.tables import registry
from kubedash.storage.values import from_micros, moment_of, to_micros

_MAX_PROBLEM: Final = 500
_WAITING: Final = (
    select(func.count()).where(forward_delivery.c.forward_id == forward.c.id).scalar_subquery().label("waiting")
)
_FORWARDS: Final = select(forward, registry.c.name.label("registry"), _WAITING).outerjoin(
    registry, registry.c.id == forward.c.registry_id
)
_ALL: Final = _FORWARDS.order_by(forward.c.name)
_ENABLED: Final = _ALL.where(forward.c.enabled == 1)
_BY_NAME: Final = _FORWARDS.where(forward.c.name == bindparam("name"))
_FIRST: Final = (
    select(forward_delivery)
    .where(forward_delivery.c.forward_id == bindparam("forward_id"))
    .order_by(forward_delivery.c.id)
    .limit(bindparam("limit"))
)


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """An event that is to be sent."""

    id: int
    event_id: int
    text: str
    created_at: datetime
    tries: int


class Wish(msgspec.Struct, frozen=True):
    """Somebody who wants events, as the one who works on it needs it."""

    forward: Forward
    after_event: int
    """Events up to this one are older than the wish."""


async def add(
    session: WriteSession, settings: ForwardSettings, registry_id: int | None, sealed: bytes, at: datetime
) -> None:
    """From the next event on. Raises `Conflict` where the name is taken."""
    await session.run(
        insert(forward).values(
            name=settings.name,
            kind=settings.kind.value,
            host=host_of(settings.url),
            sealed=sealed,
            registry_id=registry_id,
            actions=msgspec.json.encode(settings.actions).decode(),
            pattern=settings.pattern,
            enabled=1,
            created_at=to_micros(at),
            after_event=select(func.coalesce(func.max(event.c.id), 0)).scalar_subquery(),
            sent=0,
            dropped=0,
            failures=0,
            next_at=0,
        )
    )


async def remove(session: WriteSession, forward_id: int) -> None:
    """What waits for it goes with it."""
    await session.run(delete(forward).where(forward.c.id == forward_id))


async def set_enabled(session: WriteSession, forward_id: int, enabled: bool) -> None:
    """What happens while it is off is not passed on later; what waits already waits on."""
    newest = select(func.coalesce(func.max(event.c.id), 0)).scalar_subquery()
    after = case((forward.c.enabled == 0, newest), else_=forward.c.after_event)
    values: dict[str, Any] = {"enabled": int(enabled), "failures": 0, "next_at": 0, "problem": None}
    if enabled:
        values["after_event"] = after
    await session.run(change(forward).where(forward.c.id == forward_id).values(**values))


async def list_all(session: ReadSession) -> tuple[Forward, ...]:
    """All by name."""
    return tuple(_record(row) for row in await session.rows(_ALL))


async def find(session: ReadSession, name: str) -> Forward | None:
    row = await session.first(_BY_NAME, {"name": name})
    return None if row is None else _record(row)


async def sealed(session: ReadSession, forward_id: int) -> bytes:
    """Address and secret; empty where it has gone."""
    return bytes(await session.scalar(select(forward.c.sealed).where(forward.c.id == forward_id)) or b"")


async def wishes(session: ReadSession) -> tuple[Wish, ...]:
    """Of those that are on."""
    return tuple(Wish(_record(row), row.after_event) for row in await session.rows(_ENABLED))


async def enqueue(session: WriteSession, rows: Sequence[tuple[int, int, str]], at: datetime) -> None:
    """Forward, event and text of each; one that waits already is left alone."""
    values = [
        {"forward_id": of, "event_id": event_id, "body": text, "created_at": to_micros(at), "tries": 0}
        for of, event_id, text in rows
    ]
    await session.many(insert_new(session.dialect, forward_delivery), values)


async def drop_beyond(session: WriteSession, forward_id: int) -> int:
    """Gives the oldest up where too many wait; how many."""
    last: Select[Any] = (
        select(forward_delivery.c.id)
        .where(forward_delivery.c.forward_id == forward_id)
        .order_by(forward_delivery.c.id.desc())
        .offset(MAX_WAITING)
        .limit(1)
    )
    border = await session.scalar(last)
    if border is None:
        return 0
    too_many = (forward_delivery.c.forward_id == forward_id) & (forward_delivery.c.id <= border)
    dropped = await session.run(delete(forward_delivery).where(too_many))
    await session.run(change(forward).where(forward.c.id == forward_id).values(dropped=forward.c.dropped + dropped))
    return dropped


async def first(session: ReadSession, forward_id: int, limit: int) -> tuple[Waiting, ...]:
    """What is to be sent next, in the order of arrival."""
    rows = await session.rows(_FIRST, {"forward_id": forward_id, "limit": limit})
    return tuple(Waiting(row.id, row.event_id, row.body, moment_of(row.created_at), row.tries) for row in rows)


async def record_sent(session: WriteSession, forward_id: int, ids: Sequence[int], at: datetime) -> None:
    """These arrived."""
    many = await session.run(delete(forward_delivery).where(forward_delivery.c.id.in_(ids)))
    values = {"sent": forward.c.sent + many, "last_sent_at": to_micros(at), "failures": 0, "next_at": 0}
    await session.run(change(forward).where(forward.c.id == forward_id).values(problem=None, **values))


async def record_dropped(session: WriteSession, forward_id: int, ids: Sequence[int], problem: str) -> None:
    """These are given up."""
    many = await session.run(delete(forward_delivery).where(forward_delivery.c.id.in_(ids)))
    values: dict[str, Any] = {"dropped": forward.c.dropped + many, "problem": problem[:_MAX_PROBLEM]}
    await session.run(change(forward).where(forward.c.id == forward_id).values(**values))


async def record_failure(
    session: WriteSession, forward_id: int, ids: Sequence[int], problem: str, next_at: datetime
) -> None:
    """Nothing arrived; it is tried again at `next_at`."""
    tried = change(forward_delivery).where(forward_delivery.c.id.in_(ids))
    await session.run(tried.values(tries=forward_delivery.c.tries + 1))
    values = {"failures": forward.c.failures + 1, "next_at": to_micros(next_at), "problem": problem[:_MAX_PROBLEM]}
    await session.run(change(forward).where(forward.c.id == forward_id).values(**values))


def _record(row: Row[Any]) -> Forward:
    return Forward(
        id=row.id,
        name=row.name,
        kind=ForwardKind(row.kind),
        host=row.host,
        registry=row.registry,
        actions=msgspec.json.decode(row.actions, type=tuple[str, ...]),
        pattern=row.pattern,
        enabled=bool(row.enabled),
        created_at=moment_of(row.created_at),
        waiting=row.waiting,
        sent=row.sent,
        dropped=row.dropped,
        last_sent_at=from_micros(row.last_sent_at),
        failures=row.failures,
        next_at=from_micros(row.next_at),
        problem=row.problem,
    )
