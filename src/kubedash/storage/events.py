"""Reading registry events: pages of a timeline, what came after an event, one of them.

However the filters are combined, one index leads and a bounded number of its rows is
looked at. A page that ends early for that reason says where to go on, as any page does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, FromClause, Row, Select, bindparam, func, literal_column, or_, select

from kubedash.policy.events import Tally
from kubedash.records import Event, EventFilter, EventQuery, Page
from kubedash.records.events import UNATTRIBUTED
from kubedash.storage.database import ReadSession
from kubedash.storage.event_tables import event, event_source
from kubedash.storage.paging import Columns, Keyset, Ordering, Shape
from kubedash.storage.tables import registry
from kubedash.storage.values import from_micros, moment_of, to_micros

LOOKED_AT: Final = 3_000
"""Rows that a page with several filters looks at, at most."""
MAX_AFTER: Final = 1_000
NEWEST: Final = 2**63 - 1
"""Behind every id."""
_MAX_SOUGHT: Final = 600
_ORDERINGS: Final = {"at": Ordering(("occurred_at", "id"), (int, int))}
_SOURCES: Final = select(
    event_source.c.id, func.coalesce(registry.c.name, func.nullif(event_source.c.name, "")).label("name")
).join(registry, registry.c.id == event_source.c.registry_id, isouter=True)
_LEADING: Final = ("digest", "tag", "repository", "address", "actor", "action", "source_id")
"""The filter that leads, where there are several: the first of these that is given."""
_PLAIN: Final = ("digest", "tag", "repository", "address", "actor")
_WITH_REPOSITORY: Final = "tag"
QUIETLY: Final = "quiet"
"""Leads where nothing else does: it has an index of its own."""
_ROW: Final = tuple(event.c)
Sources = Mapping[int, str | None]


class Wanted(msgspec.Struct, frozen=True):
    """A filter as columns and values. `leading` have an index together; `other` are looked at row by row."""

    leading: tuple[str, ...]
    other: tuple[str, ...]
    values: dict[str, Any]
    timed: tuple[str, ...] = ()


async def sources(session: ReadSession) -> Sources:
    """Every source of events and its registry's name, the last one where it has gone; None: unattributed."""
    return {row.id: row.name for row in await session.rows(_SOURCES)}


def source_ids(found: Sources, name: str) -> list[int]:
    """The sources of a registry, or of everything that belongs to none."""
    wanted = None if name == UNATTRIBUTED else name
    return [identifier for identifier, registry_name in found.items() if registry_name == wanted]


def wanted_by(where: EventFilter, found: Sources) -> Wanted | None:
    """None: nothing can match."""
    values: dict[str, Any] = {name: _sought(getattr(where, name)) for name in _PLAIN if getattr(where, name)}
    if where.actions:
        values["action"] = where.actions[0] if len(where.actions) == 1 else sorted(set(where.actions))
    if where.registry is not None:
        identifiers = source_ids(found, where.registry)
        if not identifiers:
            return None
        values["source_id"] = identifiers[0] if len(identifiers) == 1 else sorted(identifiers)
    leading = _leading(values) or ((QUIETLY,) if where.quiet else ())
    times = {"since": where.since, "until": where.until}
    timed = {name: to_micros(moment) for name, moment in times.items() if moment is not None}
    names = (*values, QUIETLY) if where.quiet else tuple(values)
    return Wanted(leading, tuple(name for name in names if name not in leading), values | timed, tuple(timed))


def _sought(text: str) -> str:
    """What a person typed, without what no database takes."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()[:_MAX_SOUGHT]


def _leading(values: Mapping[str, Any]) -> tuple[str, ...]:
    """A tag leads within its repository alone; a list of values never does."""
    single = [name for name in _LEADING if name in values and not isinstance(values[name], list)]
    for name in single:
        if name != _WITH_REPOSITORY:
            return (name,)
        if "repository" in values:
            return ("repository", name)
    return ()


async def page(session: ReadSession, query: EventQuery) -> Page[Event]:
    """A page of a timeline, newest first unless the sort says otherwise. Raises `InvalidInput`.

    It may hold fewer items than the limit, or none, and still say where it goes on.
    """
    keyset = Keyset(query.sort, _ORDERINGS, query.limit, query.cursor)
    found = await sources(session)
    wanted = wanted_by(query.where, found)
    if wanted is None:
        return Page[Event](items=())
    rows = await _page_rows(session, wanted, keyset)
    if keyset.runs_into_start(rows):
        keyset.restart()
        rows = await _page_rows(session, wanted, keyset)
    cut = keyset.cut(rows)
    following = cut.next
    if following is None and wanted.other and not keyset.back:
        last = await session.first(_last_looked_at(keyset.shape, *form(wanted)), wanted.values | keyset.values)
        following = None if last is None else keyset.cursor_at(last, len(cut.rows))
    return Page(
        items=tuple(record(row, found) for row in cut.rows), next=following, previous=cut.previous, first=cut.first
    )


async def _page_rows(session: ReadSession, wanted: Wanted, keyset: Keyset) -> Sequence[Row[Any]]:
    return await session.rows(_page_statement(keyset.shape, *form(wanted)), wanted.values | keyset.values)


Form = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def form(wanted: Wanted) -> Form:
    """All of a filter but its values: filters of one form share their statements."""
    lists = tuple(name for name, value in wanted.values.items() if isinstance(value, list))
    return wanted.leading, wanted.other, wanted.timed, lists


@lru_cache(maxsize=512)
def _page_statement(
    shape: Shape, leading: tuple[str, ...], other: tuple[str, ...], timed: tuple[str, ...], lists: tuple[str, ...]
) -> Select[Any]:
    if not other:
        return shape.apply(led(select(*_ROW), leading, timed), event.c)
    looked_at = _looked_at(shape, leading, timed, select(*_ROW)).subquery("looked_at")
    return shape.ordered(select(looked_at).where(*conditions(looked_at, other, lists)), looked_at.c)


@lru_cache(maxsize=512)
def _last_looked_at(
    shape: Shape, leading: tuple[str, ...], other: tuple[str, ...], timed: tuple[str, ...], lists: tuple[str, ...]
) -> Select[Any]:
    """The key of the last row that was looked at, where the page ended for that."""
    keys = select(event.c.occurred_at, event.c.id)
    return _looked_at(shape, leading, timed, keys).offset(LOOKED_AT - 1).limit(1)


def _looked_at(shape: Shape, leading: tuple[str, ...], timed: tuple[str, ...], what: Select[Any]) -> Select[Any]:
    return shape.apply(led(what, leading, timed), event.c).limit(LOOKED_AT)


def led(what: Select[Any], leading: tuple[str, ...], timed: tuple[str, ...]) -> Select[Any]:
    """The rows that the leading filters and the times let through."""
    return what.where(*conditions(event, leading, ()), *between(timed))


def between(timed: tuple[str, ...], at: ColumnElement[int] = event.c.occurred_at) -> list[ColumnElement[bool]]:
    """`since` and `until`, where they are among the values."""
    limits = {"since": at >= bindparam("since"), "until": at < bindparam("until")}
    return [limits[name] for name in timed]


def conditions(source: FromClause, names: tuple[str, ...], lists: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """What the values of these names ask of a row."""
    return [_condition(source.c, name, name in lists) for name in names]


def _condition(columns: Columns, name: str, among: bool) -> ColumnElement[bool]:
    if name == QUIETLY:
        # Written as the index has it: with parameters no database would know it again.
        return or_(columns["own"] == literal_column("0"), columns["action"] != literal_column("'pull'"))
    column: ColumnElement[Any] = columns[name]
    return column.in_(bindparam(name, expanding=True)) if among else column == bindparam(name)


async def after(
    session: ReadSession, identifier: int, limit: int, where: EventFilter | None = None
) -> tuple[Event, ...]:
    """What arrived behind an event, in the order of arrival; at most `limit` arrivals are looked at."""
    return (await follow(session, identifier, limit, where))[0]


async def follow(
    session: ReadSession, identifier: int, limit: int, where: EventFilter | None, newest: int = NEWEST
) -> tuple[tuple[Event, ...], int]:
    """The same up to the id `newest`, and the id to go on behind: what the filter leaves out was looked at too."""
    found = await sources(session)
    wanted = wanted_by(where or EventFilter(), found)
    within = (event.c.id > identifier, event.c.id <= newest)
    rows = select(*_ROW).where(*within).order_by(event.c.id).limit(min(limit, MAX_AFTER))
    looked_at = rows.subquery("looked_at")
    reached = int(await session.scalar(select(func.max(looked_at.c.id))) or identifier)
    if wanted is None:
        return (), reached
    lists = tuple(name for name, value in wanted.values.items() if isinstance(value, list))
    matching = conditions(looked_at, (*wanted.leading, *wanted.other), lists)
    statement = select(looked_at).where(*matching, *between(wanted.timed, looked_at.c.occurred_at))
    ordered = statement.where(looked_at.c.id <= reached).order_by(looked_at.c.id)
    return tuple(record(row, found) for row in await session.rows(ordered, wanted.values)), reached


async def by_id(session: ReadSession, identifier: int) -> Event | None:
    row = await session.first(select(*_ROW).where(event.c.id == bindparam("id")), {"id": identifier})
    return None if row is None else record(row, await sources(session))


async def last_id(session: ReadSession) -> int:
    """The id of the newest arrival; 0 where none ever came."""
    return int(await session.scalar(select(func.max(event.c.id))) or 0)


async def last_received(session: ReadSession, name: str) -> Event | None:
    """The newest event of a registry."""
    found = await page(session, EventQuery(where=EventFilter(registry=name), limit=1))
    return found.items[0] if found.items else None


def record(row: Row[Any], found: Sources) -> Event:
    """A row of `event` as everybody sees it."""
    claimed = row.occurred_at if row.claimed_at is None else row.claimed_at
    return Event(
        id=row.id,
        event_id=row.event_id,
        registry=found.get(row.source_id),
        action=row.action,
        repository=row.repository,
        tag=row.tag,
        digest=row.digest,
        media_type=row.media_type,
        size=row.size,
        actor=row.actor,
        address=row.address,
        address_claimed=bool(row.address_claimed),
        user_agent=row.user_agent,
        method=row.method,
        at=moment_of(row.occurred_at),
        occurred_at=from_micros(claimed) if row.timed else None,
        received_at=moment_of(row.received_at),
        authenticated=bool(row.authenticated),
        own=bool(row.own),
        counted=row.tally != Tally.OTHER,
        from_repository=row.from_repository,
        host=row.host,
        instance=row.instance,
        sender=row.sender,
        format=row.format,
        strange=row.strange,
        pulled_as=row.pulled_as,
        raw=row.raw,
    )
