"""Figures of events: series, top lists, hours of the day.

Where the filter allows it they come from the rollups, however many events there are.
Other filters (tag, digest, address, or several at once) are counted from the newest
events themselves, and the answer says how far back that reached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import nsmallest
from time import monotonic
from typing import Any, Final, TypedDict, Unpack

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Executable, bindparam, func, literal, literal_column, select, union_all

from kubedash.policy.events import COUNTED, Tally
from kubedash.records import EventCounts, EventFilter, EventPoint, EventStats, TopEntry
from kubedash.storage import event_rollups as rollups
from kubedash.storage.database import ReadSession
from kubedash.storage.event_tables import event, event_rollup
from kubedash.storage.events import QUIETLY, Sources, conditions, form, led, source_ids, sources, wanted_by
from kubedash.storage.values import moment_of

TOP: Final = 10
COUNTED_AT_ONCE: Final = 5_000
"""Events that are looked at where no rollup fits."""
MOST_KEPT: Final = 32
MOST_NAMES: Final = 200_000
"""Of all sums together: some dozen MiB."""
KEPT_SECONDS: Final = 60.0
LONGEST: Final = timedelta(days=3_700)
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""No event is filed before it."""
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
MOST_HOURLY_POINTS: Final = timedelta(days=8)
_SECOND: Final = 1_000_000
_NO_LIMIT: Final = 2**62
"""Keeps SQLite from walking the whole key for having the names in order."""
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

    def parted(self, now: datetime) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...]]:
        """The pieces that are over, and those that still go on: today, or this hour."""
        edge = int(now.timestamp()) // self.grain * self.grain
        if edge <= self.since:
            return (), self.pieces()
        over = msgspec.structs.replace(self, until=min(edge, self.until)).pieces()
        return over, ((self.grain, edge, self.until),) if edge < self.until else ()

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


class PastSums:
    """Sums of hours and days that are over: they are many names, and every page with a top list asks for them.

    They hold until events of such an hour come late, and for a minute then: a registry whose
    clock is slow sends nothing else.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, int, Mapping[tuple[str, int], int]]] = {}
        self._names = 0

    def get(self, key: Hashable, late: int) -> Mapping[tuple[str, int], int] | None:
        """`late`: how far events that came late are counted (`event_rollups.LATE`)."""
        until, known, sums = self._kept.get(key, (0.0, 0, {}))
        return sums if until and (known == late or monotonic() < until) else None

    def keep(self, key: Hashable, late: int, sums: Mapping[tuple[str, int], int]) -> None:
        self._names += len(sums)
        if len(self._kept) >= MOST_KEPT or self._names > MOST_NAMES:
            self._kept.clear()
            self._names = len(sums)
        if len(sums) <= MOST_NAMES:
            self._kept[key] = (monotonic() + KEPT_SECONDS, late, sums)


async def stats(session: ReadSession, where: EventFilter, now: datetime, past: PastSums | None = None) -> EventStats:
    """The figures of what the filter lets through; the last 30 days where it names no time.

    With `past` the sums of what is over are taken from there, where they are.
    """
    until = _countable(where.until or now)
    stretch = Stretch.of(_countable(where.since or until - timedelta(days=30)), until)
    found = await sources(session)
    _, as_of = await rollups.position(session)
    subject = _subject(where)
    if subject is None:
        return await _counted(session, where, found, stretch, as_of)
    identifiers = None if where.registry is None else source_ids(found, where.registry)
    late, _ = await rollups.position(session, rollups.LATE)
    wanted = Rolled(*subject, identifiers, _tallies(where), stretch, now, past or PastSums(), late)
    return await _rolled_up(session, wanted, found, as_of)


def _countable(moment: datetime) -> datetime:
    """Figures end at whole days and go years back: at the ends of the calendar there is no room for that."""
    return min(max(moment, EARLIEST), LATEST)


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
    now: datetime
    past: PastSums
    late: int
    """How far events that came late are counted."""


async def _rolled_up(session: ReadSession, wanted: Rolled, found: Sources, as_of: datetime | None) -> EventStats:
    points, hours = await session.each(*_series(wanted.stretch.step), values=_series_values(wanted, found))
    series: dict[int, dict[int, int]] = defaultdict(dict)
    for row in points:
        series[row.start][row.tally] = int(row.many)
    by_hour = [0] * 24
    for row in hours:
        by_hour[row.hour] = int(row.many)
    top: dict[int, tuple[TopEntry, ...]] = {}
    if wanted.dimension == rollups.IN_ALL:
        for dimension in (rollups.BY_REPOSITORY, rollups.BY_ACTOR):
            top[dimension] = await _top(session, wanted, dimension, found)
    return _assembled(
        wanted.stretch,
        series,
        by_hour=tuple(by_hour),
        top_repositories=top.get(rollups.BY_REPOSITORY, ()),
        top_actors=top.get(rollups.BY_ACTOR, ()),
        as_of=as_of,
    )


@lru_cache(maxsize=4)
def _series(step: int) -> tuple[Executable, Executable]:
    """Sums by point and figure, and by hour of the day."""
    rollup = event_rollup.c
    many = func.sum(rollup.many).label("many")
    # Not the bare column: the key is the better way, and SQLite would take the other index.
    tally = rollup.tally.op("+")(literal_column("0"))
    rows = (
        rollup.dimension == bindparam("dimension"),
        rollup.name == bindparam("name"),
        rollup.source_id.in_(bindparam("sources", expanding=True)),
        rollup.span == rollups.HOUR,
        rollup.start >= bindparam("first"),
        rollup.start < bindparam("end"),
    )
    start = _divided(rollup.start, step).op("*")(literal_column(str(step)))
    hour = _divided(rollup.start, rollups.HOUR).op("%")(literal_column("24"))
    wanted = tally.in_(bindparam("tallies", expanding=True))
    counted = tally.in_(bindparam("counted", expanding=True))
    return (
        select(start.label("start"), rollup.tally, many).where(*rows, wanted).group_by(start, rollup.tally),
        select(hour.label("hour"), many).where(*rows, counted).group_by(hour),
    )


def _series_values(wanted: Rolled, found: Sources) -> dict[str, Any]:
    identifiers = wanted.source_ids
    if identifiers is None:
        identifiers = [rollups.EVERY_SOURCE] if wanted.dimension == rollups.IN_ALL else sorted(found)
    return {
        "dimension": wanted.dimension,
        "name": wanted.name,
        "sources": identifiers,
        "first": wanted.stretch.since,
        "end": wanted.stretch.until,
        "tallies": list(wanted.tallies),
        "counted": [tally for tally in wanted.tallies if tally in COUNTED],
    }


def _divided(column: ColumnElement[int], by: int) -> ColumnElement[int]:
    """Whole numbers on both databases."""
    return column.op("/")(literal_column(str(by)))


async def _top(session: ReadSession, wanted: Rolled, dimension: int, found: Sources) -> tuple[TopEntry, ...]:
    """The names that were counted most: what is over from memory where it is there, what goes on from the store."""
    over, going_on = wanted.stretch.parted(wanted.now)
    key = (dimension, tuple(wanted.source_ids or ()), wanted.source_ids is None, wanted.tallies, over)
    sums = wanted.past.get(key, wanted.late)
    if sums is None:
        sums = await _sums(session, wanted, dimension, over)
        wanted.past.keep(key, wanted.late, sums)
    total = dict(sums)
    for name, many in (await _sums(session, wanted, dimension, going_on)).items():
        total[name] = total.get(name, 0) + many
    ranked = nsmallest(TOP, total.items(), key=lambda item: (-item[1], item[0]))
    return tuple(TopEntry(name=name, registry=found.get(source), count=many) for (name, source), many in ranked)


async def _sums(
    session: ReadSession, wanted: Rolled, dimension: int, pieces: Sequence[tuple[int, int, int]]
) -> dict[tuple[str, int], int]:
    """By name and source; of actors every source is one."""
    if not pieces:
        return {}
    single = [tally for tally in wanted.tallies if tally in COUNTED]
    values: dict[str, Any] = {"dimension": dimension, "sources": wanted.source_ids or []}
    for number, (span, first, end) in enumerate(pieces):
        summed = len(single) == len(COUNTED) and span != rollups.HOUR
        values[f"tallies_{number}"] = [int(Tally.ALL)] if summed else single
        values |= {f"span_{number}": span, f"first_{number}": first, f"end_{number}": end}
    statement = _top_statement(len(pieces), wanted.source_ids is not None, dimension == rollups.BY_REPOSITORY)
    return {(row.name, row.source_id): int(row.many) for row in await session.rows(statement, values)}


@lru_cache(maxsize=16)
def _top_statement(pieces: int, of_sources: bool, by_source: bool) -> Executable:
    """Each piece of the stretch from its own rollups, all of them summed."""
    rollup = event_rollup.c
    parts = []
    for number in range(pieces):
        part = select(rollup.name, rollup.source_id, rollup.many).where(
            rollup.dimension == bindparam("dimension"),
            rollup.span == bindparam(f"span_{number}"),
            rollup.start >= bindparam(f"first_{number}"),
            rollup.start < bindparam(f"end_{number}"),
            rollup.tally.in_(bindparam(f"tallies_{number}", expanding=True)),
        )
        if of_sources:
            part = part.where(rollup.source_id.in_(bindparam("sources", expanding=True)))
        parts.append(part)
    rows = (union_all(*parts) if pieces > 1 else parts[0].limit(_NO_LIMIT)).subquery("rows")
    many = func.sum(rows.c.many).label("many")
    keys = (rows.c.name, rows.c.source_id) if by_source else (rows.c.name,)
    source = rows.c.source_id if by_source else literal(rollups.EVERY_SOURCE)
    return select(rows.c.name, source.label("source_id"), many).group_by(*keys)


async def _counted(
    session: ReadSession, where: EventFilter, found: Sources, stretch: Stretch, as_of: datetime | None
) -> EventStats:
    """From the newest events themselves."""
    limits = {"since": moment_of(stretch.since * _SECOND), "until": moment_of(stretch.until * _SECOND)}
    wanted = wanted_by(replace(where, **limits), found)
    if wanted is None:
        return _assembled(stretch, {}, by_hour=(0,) * 24, as_of=as_of)
    rows, (reached,) = await session.each(*_newest(*form(wanted)), values=wanted.values)
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


@lru_cache(maxsize=128)
def _newest(
    leading: tuple[str, ...], other: tuple[str, ...], timed: tuple[str, ...], lists: tuple[str, ...]
) -> tuple[Executable, Executable]:
    """Sums of the newest events that match, and how many were looked at back to when."""
    columns = ("occurred_at", "tally", "source_id", "repository", "actor", "own", "action", *other)
    rows = (
        led(select(*(event.c[name] for name in dict.fromkeys(columns) if name != QUIETLY)), leading, timed)
        .order_by(event.c.occurred_at.desc(), event.c.id.desc())
        .limit(COUNTED_AT_ONCE)
    )
    # By itself: an index answers this one alone.
    times = rows.with_only_columns(event.c.occurred_at).subquery("times")
    looked_at = rows.subquery("looked_at")
    hour = _divided(looked_at.c.occurred_at, _SECOND * rollups.HOUR)
    keys = (hour.label("hour"), looked_at.c.tally, looked_at.c.source_id, looked_at.c.repository, looked_at.c.actor)
    sums = select(*keys, func.count().label("many"))
    reach = select(func.count().label("many"), func.min(times.c.occurred_at).label("oldest"))
    return sums.where(*conditions(looked_at, other, lists)).group_by(*keys), reach


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
