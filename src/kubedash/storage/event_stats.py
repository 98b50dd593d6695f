"""Figures of events: series, top lists, hours of the day.

Where the filter allows it they come from the rollups, however many events there are.
Other filters (tag, digest, address, or several at once) are counted from the newest
events themselves, and the answer says how far back that reached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, Unpack

import msgspec
from msgspec.structs import replace
from sqlalchemy import Executable, Row, bindparam, func, literal_column, select

from kubedash.policy.events import COUNTED, Tally
from kubedash.records import EventCounts, EventFilter, EventPoint, EventStats, TopEntry
from kubedash.storage import event_rollups as rollups
from kubedash.storage.database import ReadSession
from kubedash.storage.event_tables import event, event_rollup
from kubedash.storage.events import Sources, Wanted, between, conditions, source_ids, sources, wanted_by
from kubedash.storage.values import moment_of

TOP: Final = 10
COUNTED_AT_ONCE: Final = 20_000
"""Events that are looked at where no rollup fits."""
LONGEST: Final = timedelta(days=3_700)
MOST_HOURLY_POINTS: Final = timedelta(days=8)
_SECOND: Final = 1_000_000
_BY_HOURS_UP_TO: Final = timedelta(days=2)
_FIELDS: Final = {tally: tally.name.lower() for tally in (*COUNTED, Tally.OTHER)}


class Stretch(msgspec.Struct, frozen=True):
    """Whole hours or days, as seconds since 1970."""

    since: int
    until: int
    grain: int
    """Figures begin and end at multiples of this."""
    step: int
    """Seconds of a point."""

    @classmethod
    def of(cls, since: datetime, until: datetime) -> Stretch:
        since = max(since, until - LONGEST)
        grain = rollups.HOUR if until - since <= _BY_HOURS_UP_TO else rollups.DAY
        step = rollups.HOUR if until - since <= MOST_HOURLY_POINTS else rollups.DAY
        first, last = int(since.timestamp()) // grain * grain, -(-int(until.timestamp()) // grain) * grain
        return cls(first, max(last, first + grain), grain, step)

    def pieces(self) -> tuple[tuple[int, int, int], ...]:
        """Span, first and end of the fewest rollups that cover it."""
        if self.grain == rollups.HOUR:
            return ((rollups.HOUR, self.since, self.until),)
        long = rollups.EIGHT_DAYS
        first, last = -(-self.since // long) * long, self.until // long * long
        if first >= last:
            return ((rollups.DAY, self.since, self.until),)
        pieces = ((rollups.DAY, self.since, first), (long, first, last), (rollups.DAY, last, self.until))
        return tuple(piece for piece in pieces if piece[1] < piece[2])


async def stats(session: ReadSession, where: EventFilter, now: datetime) -> EventStats:
    """The figures of what the filter lets through; the last 30 days where it names no time."""
    until = where.until or now
    stretch = Stretch.of(where.since or until - timedelta(days=30), until)
    found = await sources(session)
    _, as_of = await rollups.position(session)
    subject = _subject(where)
    if subject is None:
        return await _counted(session, where, found, stretch, as_of)
    identifiers = None if where.registry is None else source_ids(found, where.registry)
    return await _rolled_up(session, Rolled(*subject, identifiers, _tallies(where), stretch), found, as_of)


def _subject(where: EventFilter) -> tuple[int, str] | None:
    """The dimension and name of the rollups that answer; None where none do."""
    if where.tag or where.digest or where.address or (where.repository and where.actor):
        return None
    if any(action not in _FIELDS.values() for action in where.actions):
        return None
    if where.repository:
        return rollups.BY_REPOSITORY, where.repository
    return (rollups.BY_ACTOR, where.actor) if where.actor else (rollups.IN_ALL, "")


def _tallies(where: EventFilter) -> tuple[int, ...]:
    return tuple(int(tally) for tally, field in _FIELDS.items() if not where.actions or field in where.actions)


class Rolled(msgspec.Struct, frozen=True):
    """What to read of the rollups."""

    dimension: int
    name: str
    source_ids: list[int] | None
    """None: every source."""
    tallies: tuple[int, ...]
    stretch: Stretch


async def _rolled_up(session: ReadSession, wanted: Rolled, found: Sources, as_of: datetime | None) -> EventStats:
    figures = _Figures(wanted.stretch)
    for row in await _series(session, wanted, found):
        figures.add(row.start, row.tally, int(row.many))
    top: dict[int, tuple[TopEntry, ...]] = {}
    if wanted.dimension == rollups.IN_ALL:
        for dimension in (rollups.BY_REPOSITORY, rollups.BY_ACTOR):
            top[dimension] = await _top(session, wanted, dimension, found)
    return _assembled(
        wanted.stretch,
        figures.points,
        by_hour=tuple(figures.by_hour),
        top_repositories=top.get(rollups.BY_REPOSITORY, ()),
        top_actors=top.get(rollups.BY_ACTOR, ()),
        as_of=as_of,
    )


async def _series(session: ReadSession, wanted: Rolled, found: Sources) -> Sequence[Row[Any]]:
    identifiers = wanted.source_ids
    if identifiers is None:
        identifiers = [rollups.EVERY_SOURCE] if wanted.dimension == rollups.IN_ALL else sorted(found)
    rollup = event_rollup.c
    statement = (
        select(rollup.start, rollup.tally, func.sum(rollup.many).label("many"))
        .where(
            rollup.dimension == bindparam("dimension"),
            rollup.name == bindparam("name"),
            rollup.source_id.in_(bindparam("sources", expanding=True)),
            rollup.span == rollups.HOUR,
            rollup.start >= bindparam("first"),
            rollup.start < bindparam("end"),
            rollup.tally.in_(bindparam("tallies", expanding=True)),
        )
        .group_by(rollup.start, rollup.tally)
    )
    values = {"dimension": wanted.dimension, "name": wanted.name, "sources": identifiers}
    limits = {"first": wanted.stretch.since, "end": wanted.stretch.until, "tallies": list(wanted.tallies)}
    return await session.rows(statement, values | limits)


async def _top(session: ReadSession, wanted: Rolled, dimension: int, found: Sources) -> tuple[TopEntry, ...]:
    """The names that were counted most; each piece of the stretch is summed by itself."""
    single = [tally for tally in wanted.tallies if tally in COUNTED]
    sums: dict[tuple[str, str | None], int] = defaultdict(int)
    for piece in wanted.stretch.pieces():
        summed = len(single) == len(COUNTED) and piece[0] != rollups.HOUR
        tallies = [int(Tally.ALL)] if summed else single
        values = _top_values(wanted, (dimension, *piece), tallies)
        for row in await session.rows(_top_statement(wanted), values):
            sums[row.name, found.get(row.source_id) if dimension == rollups.BY_REPOSITORY else None] += int(row.many)
    return _ranked(sums)


def _top_statement(wanted: Rolled) -> Any:
    rollup = event_rollup.c
    statement = select(rollup.name, rollup.source_id, func.sum(rollup.many).label("many")).where(
        rollup.dimension == bindparam("dimension"),
        rollup.span == bindparam("span"),
        rollup.start >= bindparam("first"),
        rollup.start < bindparam("end"),
        rollup.tally.in_(bindparam("tallies", expanding=True)),
    )
    if wanted.source_ids is not None:
        statement = statement.where(rollup.source_id.in_(bindparam("sources", expanding=True)))
    return statement.group_by(rollup.name, rollup.source_id)


def _top_values(wanted: Rolled, piece: tuple[int, int, int, int], tallies: list[int]) -> dict[str, Any]:
    values = dict(zip(("dimension", "span", "first", "end"), piece, strict=True))
    return {**values, "tallies": tallies, "sources": wanted.source_ids or []}


async def _counted(
    session: ReadSession, where: EventFilter, found: Sources, stretch: Stretch, as_of: datetime | None
) -> EventStats:
    """From the newest events themselves."""
    limits = {"since": moment_of(stretch.since * _SECOND), "until": moment_of(stretch.until * _SECOND)}
    wanted = wanted_by(replace(where, **limits), found)
    if wanted is None:
        return _assembled(stretch, {}, by_hour=(0,) * 24, as_of=as_of)
    rows, (reached,) = await session.each(*_newest(wanted), values=wanted.values)
    figures = _Figures(stretch)
    repositories: dict[tuple[str, str | None], int] = defaultdict(int)
    actors: dict[tuple[str, str | None], int] = defaultdict(int)
    for row in rows:
        figures.add(row.hour * rollups.HOUR, row.tally, row.many)
        if row.tally in COUNTED and row.repository:
            repositories[row.repository, found.get(row.source_id)] += row.many
        if row.tally in COUNTED and row.actor:
            actors[row.actor, None] += row.many
    return _assembled(
        stretch,
        figures.points,
        by_hour=tuple(figures.by_hour),
        top_repositories=_ranked(repositories),
        top_actors=_ranked(actors),
        complete_since=moment_of(reached.oldest) if reached.many >= COUNTED_AT_ONCE else None,
        as_of=as_of,
    )


def _newest(wanted: Wanted) -> tuple[Executable, Executable]:
    """Sums of the newest events that match, and how many were looked at back to when."""
    columns = ("occurred_at", "tally", "source_id", "repository", "actor", *wanted.other)
    looked_at = (
        select(*(event.c[name] for name in dict.fromkeys(columns)))
        .where(*(event.c[name] == bindparam(name) for name in wanted.leading), *between(wanted.timed))
        .order_by(event.c.occurred_at.desc(), event.c.id.desc())
        .limit(COUNTED_AT_ONCE)
        .subquery("looked_at")
    )
    lists = tuple(name for name, value in wanted.values.items() if isinstance(value, list))
    hour = looked_at.c.occurred_at.op("/")(literal_column(str(_SECOND * rollups.HOUR)))
    keys = (hour.label("hour"), looked_at.c.tally, looked_at.c.source_id, looked_at.c.repository, looked_at.c.actor)
    sums = select(*keys, func.count().label("many"))
    reach = select(func.count().label("many"), func.min(looked_at.c.occurred_at).label("oldest"))
    return sums.where(*conditions(looked_at, wanted.other, lists)).group_by(*keys), reach


class _Figures:
    """Sums by point and by hour of the day."""

    def __init__(self, stretch: Stretch) -> None:
        self._step = stretch.step
        self.points: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.by_hour = [0] * 24

    def add(self, second: int, tally: int, many: int) -> None:
        self.points[second // self._step * self._step][tally] += many
        if tally in COUNTED:
            self.by_hour[second // rollups.HOUR % 24] += many


def _ranked(sums: Mapping[tuple[str, str | None], int]) -> tuple[TopEntry, ...]:
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))[:TOP]
    return tuple(TopEntry(name=name, registry=registry, count=many) for (name, registry), many in ranked)


class _Rest(TypedDict, total=False):
    by_hour: tuple[int, ...]
    top_repositories: tuple[TopEntry, ...]
    top_actors: tuple[TopEntry, ...]
    complete_since: datetime | None
    as_of: datetime | None


def _assembled(stretch: Stretch, points: Mapping[int, Mapping[int, int]], **rest: Unpack[_Rest]) -> EventStats:
    sums: dict[int, int] = defaultdict(int)
    for counts in points.values():
        for tally, many in counts.items():
            sums[tally] += many
    starts = range(stretch.since, stretch.until, stretch.step)
    return EventStats(
        since=moment_of(stretch.since * _SECOND),
        until=moment_of(stretch.until * _SECOND),
        step=stretch.step,
        totals=_counts(sums),
        points=tuple(
            EventPoint(at=moment_of(start * _SECOND), counts=_counts(points.get(start, {}))) for start in starts
        ),
        top_repositories=rest.get("top_repositories", ()),
        top_actors=rest.get("top_actors", ()),
        by_hour=rest.get("by_hour", ()),
        complete_since=rest.get("complete_since"),
        as_of=rest.get("as_of"),
    )


def _counts(sums: Mapping[int, int]) -> EventCounts:
    return EventCounts(**{field: sums.get(tally, 0) for tally, field in _FIELDS.items()})
