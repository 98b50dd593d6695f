"""Letting old events go: whole weeks on PostgreSQL, small batches elsewhere. Figures stay.

Nothing goes that somebody who works events off has not come past.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, func, select, text, tuple_

from kubedash.policy.events import AHEAD
from kubedash.storage import event_rollups
from kubedash.storage.database import Database, ReadSession
from kubedash.storage.event_tables import event, event_cursor, event_key
from kubedash.storage.values import to_micros

BATCH: Final = 2_000
"""Rows that go in one transaction: others write in between."""
WEEK: Final = timedelta(days=7) // timedelta(microseconds=1)
_PREFIX: Final = "event_part_"
_PARTITIONS: Final = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass"
)
_ALONE: Final = text("SELECT pg_advisory_xact_lock(:key)")
_PARTITION_LOCK: Final = 0x6B64_7072
_OLD: Final = (
    select(event.c.id)
    .where(event.c.occurred_at < bindparam("before"), event.c.id <= bindparam("upto"))
    .order_by(event.c.occurred_at)
    .limit(BATCH)
)
_OLD_KEYS: Final = (
    select(event_key.c.source_id, event_key.c.event_id)
    .where(event_key.c.received_at < bindparam("before"))
    .order_by(event_key.c.received_at)
    .limit(BATCH)
)
_FORGET_KEYS: Final = delete(event_key).where(tuple_(event_key.c.source_id, event_key.c.event_id).in_(_OLD_KEYS))


def weeks_around(received: datetime) -> tuple[int, int]:
    """The week of this moment and the last that an event received now may belong to."""
    return to_micros(received) // WEEK, to_micros(received + AHEAD) // WEEK


async def prepare_week(database: Database, week: int) -> None:
    """PostgreSQL's partition for a week, before its first event comes; nothing to do elsewhere.

    Where events of that week lie among the others already, they and those that follow
    stay there.
    """
    if database.dialect != "postgresql":
        return
    async with database.write() as session:
        await session.run(_ALONE, {"key": _PARTITION_LOCK})
        if f"{_PREFIX}{week}" in await session.scalars(_PARTITIONS):
            return
        start = week * WEEK
        other = select(event.c.id).where(event.c.occurred_at >= start, event.c.occurred_at < start + WEEK).limit(1)
        if await session.scalar(other) is None:
            bounds = f"FOR VALUES FROM ({int(start)}) TO ({int(start + WEEK)})"
            await session.run(text(f"CREATE TABLE {_PREFIX}{int(week)} PARTITION OF event {bounds}"))


async def forget_before(database: Database, moment: datetime) -> int:
    """Removes the events that happened before a moment; how many, not counting whole weeks."""
    before = to_micros(moment)
    async with database.read() as session:
        upto = await _worked_off(session)
    if database.dialect == "postgresql":
        await _drop_weeks(database, before, upto)
    gone = 0
    while removed := await _remove_batch(database, before, upto):
        gone += removed
    return gone


async def forget_keys_before(database: Database, moment: datetime) -> None:
    """What was told before a moment may be told anew: nobody still sends it again."""
    values = {"before": to_micros(moment)}
    removed = BATCH
    while removed == BATCH:
        async with database.write() as session:
            removed = await session.run(_FORGET_KEYS, values)


async def _worked_off(session: ReadSession) -> int:
    """Everybody has come past this id; 0 where nobody has come anywhere."""
    at_work = event_cursor.c.name != event_rollups.LATE
    return int(await session.scalar(select(func.min(event_cursor.c.position)).where(at_work)) or 0)


async def _drop_weeks(database: Database, before: int, upto: int) -> None:
    async with database.read() as session:
        names = await session.scalars(_PARTITIONS)
    weeks = sorted(int(name.removeprefix(_PREFIX)) for name in names if name.removeprefix(_PREFIX).isdigit())
    for week in weeks:
        start, end = week * WEEK, (week + 1) * WEEK
        if end > before:
            continue
        async with database.write() as session:
            await session.run(_ALONE, {"key": _PARTITION_LOCK})
            waiting = select(event.c.id).where(
                event.c.occurred_at >= start, event.c.occurred_at < end, event.c.id > upto
            )
            if await session.scalar(waiting.limit(1)) is None:
                await session.run(text(f"DROP TABLE IF EXISTS {_PREFIX}{int(week)}"))


async def _remove_batch(database: Database, before: int, upto: int) -> int:
    async with database.write() as session:
        values = {"before": before, "upto": upto}
        return await session.run(delete(event).where(event.c.id.in_(_OLD)), values)
