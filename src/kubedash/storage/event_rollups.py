"""Counting events once: by hour, day and eight days, in all, by repository and by actor.

Who counts goes on where the last one ended (`event_cursor`), so nothing is counted
twice and what is counted stays when the events have gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.policy.events import COUNTED, Tally
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event, event_cursor, event_rollup
from kubedash.storage.values import from_micros, to_micros

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
EIGHT_DAYS: Final = 8 * DAY
SPANS: Final = (HOUR, DAY, EIGHT_DAYS)
IN_ALL: Final = 0
BY_REPOSITORY: Final = 1
BY_ACTOR: Final = 2
EVERY_SOURCE: Final = 0
CURSOR: Final = "rollup"
WRITING_LOCK: Final = 0x6B64_6576
"""Shared by those who add events, held alone for a moment by who counts them: see `settled_id`."""
_SECOND: Final = 1_000_000
_ALONE: Final = text("SELECT pg_advisory_xact_lock(:key)")
_BATCH: Final = (
    select(event.c.occurred_at, event.c.tally, event.c.source_id, event.c.repository, event.c.actor)
    .where(event.c.id > bindparam("behind"), event.c.id <= bindparam("upto"))
    .order_by(event.c.id)
)
Key = tuple[int, str, int, int, int, int]


async def settled_id(session: WriteSession) -> int:
    """The newest id, with none below it still to come; in a transaction of its own.

    PostgreSQL gives ids out before it commits, so one that is seen may overtake
    another. Whoever adds events holds the lock with others until its commit.
    """
    if session.dialect == "postgresql":
        await session.run(_ALONE, {"key": WRITING_LOCK})
    return int(await session.scalar(select(func.max(event.c.id))) or 0)


async def position(session: ReadSession, name: str = CURSOR) -> tuple[int, datetime | None]:
    """How far somebody has come, and when that was."""
    row = await session.first(select(event_cursor).where(event_cursor.c.name == name))
    return (row.position, from_micros(row.moved_at)) if row else (0, None)


async def move(session: WriteSession, name: str, to: int, at: datetime) -> None:
    """Kept together with the work that it stands for."""
    statement = _insert(session, event_cursor).values(name=name, position=to, moved_at=to_micros(at))
    changed = {"position": statement.excluded.position, "moved_at": statement.excluded.moved_at}
    await session.run(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


async def count_up_to(session: WriteSession, last: int, at: datetime, most: int) -> int:
    """Counts the next events, no more than `most` ids of them and none behind `last`; where it came to."""
    await session.run(
        _insert(session, event_cursor).values(name=CURSOR, position=0, moved_at=0).on_conflict_do_nothing()
    )
    # Held until the end: two that count would count twice.
    row = await session.first(select(event_cursor).where(event_cursor.c.name == CURSOR).with_for_update())
    behind = row.position if row else 0
    upto = min(last, behind + most)
    if upto > behind:
        found = await session.rows(_BATCH, {"behind": behind, "upto": upto})
        await _add(session, _counts(found))
    await move(session, CURSOR, max(upto, behind), at)
    return max(upto, behind)


def _counts(rows: Iterable[Row[Any]]) -> Counter[Key]:
    grouped = Counter(
        (row.occurred_at // _SECOND // HOUR * HOUR, row.tally, row.source_id, row.repository or "", row.actor or "")
        for row in rows
    )
    found: Counter[Key] = Counter()
    for (hour, tally, source_id, repository, actor), many in grouped.items():
        for span in SPANS:
            start = hour // span * span
            for source in (source_id, EVERY_SOURCE):
                found[IN_ALL, "", source, span, start, tally] += many
            if tally not in COUNTED:
                continue
            for dimension, name in ((BY_REPOSITORY, repository), (BY_ACTOR, actor)):
                if name:
                    found[dimension, name, source_id, span, start, tally] += many
                    if span != HOUR:  # Top lists of many days read nothing else.
                        found[dimension, name, source_id, span, start, Tally.ALL] += many
    return found


async def _add(session: WriteSession, counts: Counter[Key]) -> None:
    statement = _insert(session, event_rollup)
    more = {"many": event_rollup.c.many + statement.excluded.many}
    keys = [column.name for column in event_rollup.primary_key]
    adding = statement.on_conflict_do_update(index_elements=keys, set_=more)
    # In one order, so that two processes never wait for each other's rows.
    rows: Sequence[dict[str, Any]] = [
        dict(zip(keys, key, strict=True)) | {"many": many} for key, many in sorted(counts.items())
    ]
    await session.many(adding, rows)


def _insert(session: WriteSession, table: Any) -> Any:
    return postgresql.insert(table) if session.dialect == "postgresql" else sqlite.insert(table)
