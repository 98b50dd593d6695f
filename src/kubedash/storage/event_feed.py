"""Events in the order of their arrival, for those who work them off, and who does so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Row, bindparam, func, or_, select
from sqlalchemy import update as change
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.policy.events import Tally
from kubedash.policy.pulls import NOTHING_NAMED
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event, event_cursor, event_source
from kubedash.storage.pull_tables import event_instance, event_watch, event_worker
from kubedash.storage.statements import insert_new
from kubedash.storage.values import moment_of, to_micros

MAX_INSTANCES: Final = 50
"""Instances of a registry that are remembered: who heard of more of them only crawls once more."""
_COLUMNS: Final = (
    event.c.id,
    event.c.occurred_at,
    event.c.received_at,
    event.c.action,
    event.c.repository,
    event.c.tag,
    event.c.digest,
    event.c.media_type,
    event.c.method,
    event.c.actor,
    event.c.address,
    event.c.user_agent,
    event.c.instance,
    event.c.own,
    event.c.tally,
    event.c.pulled_as,
)
_ARRIVED: Final = (
    select(*_COLUMNS, event.c.source_id)
    .where(event.c.id > bindparam("behind"), event.c.id <= bindparam("upto"))
    .order_by(event.c.id)
    .limit(bindparam("limit"))
    .subquery("arrived")
)
_BEHIND: Final = (
    select(_ARRIVED, event_source.c.registry_id)
    .outerjoin(event_source, event_source.c.id == _ARRIVED.c.source_id)
    .order_by(_ARRIVED.c.id)
)


class Arrived(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is worked off of an event."""

    id: int
    registry_id: int | None
    action: str
    repository: str | None
    tag: str | None
    digest: str | None
    media_type: str | None
    method: str | None
    actor: str | None
    address: str | None
    user_agent: str | None
    instance: str | None
    own: bool
    is_pull: bool
    """One that counts, and no part of another."""
    pulled_as: str | None
    at: datetime
    received_at: datetime

    @property
    def pulled(self) -> str:
        """What a pull is of; empty where it does not say."""
        return self.tag or self.pulled_as or self.digest or NOTHING_NAMED


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Since when a registry tells us events, by our clock."""

    first_at: datetime
    last_at: datetime
    pulls_since: datetime | None
    crawled_at: datetime | None


async def behind(session: ReadSession, position: int, upto: int, limit: int) -> tuple[Arrived, ...]:
    """What arrived behind `position`, no further than `upto`, in the order of arrival."""
    rows = await session.rows(_BEHIND, {"behind": position, "upto": upto, "limit": limit})
    return tuple(map(_arrival, rows))


def _arrival(row: Row[Any]) -> Arrived:
    return Arrived(
        id=row.id,
        registry_id=row.registry_id,
        action=row.action,
        repository=row.repository,
        tag=row.tag,
        digest=row.digest,
        media_type=row.media_type,
        method=row.method,
        actor=row.actor,
        address=row.address,
        user_agent=row.user_agent,
        instance=row.instance,
        own=bool(row.own),
        is_pull=row.tally == Tally.PULL,
        pulled_as=row.pulled_as,
        at=moment_of(row.occurred_at),
        received_at=moment_of(row.received_at),
    )


async def is_at(session: WriteSession, name: str, position: int) -> bool:
    """Whether somebody has come exactly so far, now and until the end of the transaction."""
    await session.run(insert_new(session.dialect, event_cursor).values(name=name, position=0, moved_at=0))
    statement = select(event_cursor.c.position).where(event_cursor.c.name == name).with_for_update()
    return bool(await session.scalar(statement) == position)


async def take_turn(session: WriteSession, name: str, owner: str, now: datetime, lease: timedelta) -> bool:
    """Whether `owner` is the one who does the work of that name; for as long as the lease lasts."""
    moment = to_micros(now)
    await session.run(insert_new(session.dialect, event_worker).values(name=name, owner=owner, until=0))
    free = or_(event_worker.c.owner == owner, event_worker.c.until <= moment)
    until = moment + int(lease.total_seconds() * 1_000_000)
    statement = change(event_worker).where(event_worker.c.name == name, free)
    return await session.run(statement.values(owner=owner, until=until)) == 1


async def give_turn(session: WriteSession, name: str, owner: str) -> None:
    """Let somebody else do it at once."""
    mine = change(event_worker).where(event_worker.c.name == name, event_worker.c.owner == owner)
    await session.run(mine.values(until=0))


async def watch(session: ReadSession, registry_id: int) -> Watch | None:
    """None: the registry never told us anything."""
    row = await session.first(select(event_watch).where(event_watch.c.registry_id == registry_id))
    if row is None:
        return None
    return Watch(
        first_at=moment_of(row.first_at),
        last_at=moment_of(row.last_at),
        pulls_since=None if row.pulls_since is None else moment_of(row.pulls_since),
        crawled_at=None if row.crawled_at is None else moment_of(row.crawled_at),
    )


async def instances(session: ReadSession, registry_id: int) -> frozenset[str]:
    """The instances of a registry that told us something."""
    statement = select(event_instance.c.instance).where(event_instance.c.registry_id == registry_id)
    return frozenset(await session.scalars(statement))


async def note_watch(session: WriteSession, registry_id: int, arrivals: Iterable[Arrived]) -> None:
    """The registry told us these."""
    times = [arrival.received_at for arrival in arrivals]
    pulls = [arrival.received_at for arrival in arrivals if arrival.action == "pull"]
    statement = _insert(session, event_watch).values(
        registry_id=registry_id,
        first_at=to_micros(min(times)),
        last_at=to_micros(max(times)),
        pulls_since=to_micros(min(pulls)) if pulls else None,
    )
    changed = {
        "last_at": statement.excluded.last_at,
        "pulls_since": func.coalesce(event_watch.c.pulls_since, statement.excluded.pulls_since),
    }
    await session.run(statement.on_conflict_do_update(index_elements=["registry_id"], set_=changed))


async def note_instances(session: WriteSession, registry_id: int, named: Iterable[str], at: datetime) -> None:
    """These told us something; the ones heard of longest ago are forgotten."""
    rows = [{"registry_id": registry_id, "instance": name, "last_at": to_micros(at)} for name in sorted(set(named))]
    statement = _insert(session, event_instance)
    changed = {"last_at": statement.excluded.last_at}
    await session.many(
        statement.on_conflict_do_update(index_elements=["registry_id", "instance"], set_=changed),
        rows[:MAX_INSTANCES],
    )
    old = (
        select(event_instance.c.instance)
        .where(event_instance.c.registry_id == registry_id)
        .order_by(event_instance.c.last_at.desc(), event_instance.c.instance)
        .offset(MAX_INSTANCES)
    )
    for name in await session.scalars(old):
        await session.run(
            event_instance.delete().where(
                event_instance.c.registry_id == registry_id, event_instance.c.instance == name
            )
        )


async def note_crawl(session: WriteSession, registry_id: int, at: datetime) -> None:
    """A gap in its events asked for a crawl."""
    await session.run(
        change(event_watch).where(event_watch.c.registry_id == registry_id).values(crawled_at=to_micros(at))
    )


def _insert(session: WriteSession, table: Any) -> Any:
    return postgresql.insert(table) if session.dialect == "postgresql" else sqlite.insert(table)
