"""Counting events once: by hour, day and eight days, in all, by repository and by actor.

Who counts goes on where the last one ended (`event_cursor`), so nothing is counted
twice and what is counted stays when the events have gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Executable,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
)
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
LATE: Final = "late"
"""Moves where events of an hour that was over were counted: who remembers such sums reads them again."""
WRITING_LOCK: Final = 0x6B64_6576
"""Shared by those who add events, held alone for a moment by who counts them: see `settled_id`."""
_SECOND: Final = 1_000_000
_ALONE: Final = text("SELECT pg_advisory_xact_lock(:key)")
_WHICH: Final = (event.c.id > bindparam("behind"), event.c.id <= bindparam("upto"))
_LATE_ONES: Final = (
    select(event.c.id)
    # Not the bare column: the id is the better way to so few, and a planner may take another index.
    .where(*_WHICH, event.c.occurred_at.op("+")(literal_column("0")) < bindparam("this_hour"))
    .limit(1)
)


async def settled_id(session: ReadSession) -> int:
    """The newest id, with none below it still to come; in a transaction of its own.

    PostgreSQL gives ids out before it commits, so one that is seen may overtake
    another. Whoever adds events holds the lock with others until its commit.
    """
    if session.dialect == "postgresql":
        await session.rows(_ALONE, {"key": WRITING_LOCK})
    return int(await session.scalar(select(func.max(event.c.id))) or 0)


async def position(session: ReadSession, name: str = CURSOR) -> tuple[int, datetime | None]:
    """How far somebody has come, and when that was."""
    row = await session.first(select(event_cursor).where(event_cursor.c.name == name))
    return (row.position, from_micros(row.moved_at)) if row else (0, None)


async def move(session: WriteSession, name: str, to: int, at: datetime) -> None:
    """Kept together with the work that it stands for."""
    statement = _insert(session.dialect, event_cursor).values(name=name, position=to, moved_at=to_micros(at))
    changed = {"position": statement.excluded.position, "moved_at": statement.excluded.moved_at}
    await session.run(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


async def add(session: WriteSession, behind: int, upto: int, at: datetime) -> None:
    """Counts the events with these ids; `event_feed.is_at` has seen to it that nobody else does."""
    for statement in _statements(session.dialect):
        await session.run(statement, {"behind": behind, "upto": upto})
    this_hour = to_micros(at.replace(minute=0, second=0, microsecond=0))
    if await session.scalar(_LATE_ONES, {"behind": behind, "upto": upto, "this_hour": this_hour}) is not None:
        await move(session, LATE, upto, at)
    await move(session, CURSOR, upto, at)


@lru_cache(maxsize=2)
def _statements(dialect: str) -> tuple[Executable, ...]:
    """The database counts by itself: no event passes through Python."""
    by_source, every_source = event.c.source_id, _constant(str(EVERY_SOURCE))
    by_tally, every_tally = event.c.tally, _constant(str(int(Tally.ALL)))
    found = [
        _adding(dialect, (IN_ALL, _constant("''"), by_source, by_tally), SPANS),
        _adding(dialect, (IN_ALL, _constant("''"), every_source, by_tally), SPANS),
    ]
    for dimension, name in ((BY_REPOSITORY, event.c.repository), (BY_ACTOR, event.c.actor)):
        wanted = and_(event.c.tally.in_(list(map(int, COUNTED))), name.is_not(None))
        found.append(_adding(dialect, (dimension, name, by_source, by_tally), SPANS, wanted))
        # Top lists of many days read nothing else.
        found.append(_adding(dialect, (dimension, name, by_source, every_tally), SPANS[1:], wanted))
    return tuple(found)


def _adding(
    dialect: str,
    counted: tuple[int, ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]],
    lengths: Sequence[int],
    wanted: ColumnElement[bool] | None = None,
) -> Executable:
    """The counts of a batch in one dimension and every span, added to what is there."""
    dimension, name, source_id, tally = counted
    spans = union_all(*(select(_constant(str(length)).label("span")) for length in lengths)).subquery("spans")
    second = event.c.occurred_at.op("/")(_constant(str(_SECOND)))
    start = second.op("/")(spans.c.span).op("*")(spans.c.span)
    keys: list[ColumnElement[Any]] = [name, source_id, spans.c.span, start, tally]
    batch = select(_constant(str(dimension)), *keys, func.count()).select_from(event.join(spans, true()))
    batch = batch.where(*_WHICH) if wanted is None else batch.where(*_WHICH, wanted)
    # A number in GROUP BY would be the place of a column.
    batch = batch.group_by(*(key for key in keys if not getattr(key, "is_literal", False)))
    names = [column.name for column in event_rollup.primary_key]
    statement = _insert(dialect, event_rollup)
    more = {"many": event_rollup.c.many + statement.excluded.many}
    adding: Executable = statement.from_select([*names, "many"], batch).on_conflict_do_update(
        index_elements=names, set_=more
    )
    return adding


def _constant(text_of_it: str) -> ColumnElement[Any]:
    return literal_column(text_of_it)


def _insert(dialect: str, table: Table) -> Any:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
