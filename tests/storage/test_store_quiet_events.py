"""Timelines without what KubeDash itself only read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from kubedash.records import EventFilter, EventQuery
from kubedash.storage import event_writing, events
from kubedash.storage.database import Database, ReadSession
from tests.support.databases import DatabaseAt
from tests.support.events import row
from tests.support.summaries import NOW

OURS = "kubedash/1.0"


async def _fill(store: Database) -> None:
    async with store.write() as session:
        source = await event_writing.source_of(session, None)
        own = [row(source, n, NOW + timedelta(seconds=n), action="pull", useragent=OURS) for n in range(100, 130)]
        other = [
            row(source, 1, NOW, action="pull"),
            row(source, 2, NOW, action="push", useragent=OURS),
            row(source, 3, NOW, action="delete", useragent=OURS, repository="shop/api"),
        ]
        await event_writing.add(session, [*other, *own])


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (EventFilter(quiet=True), {"event-1", "event-2", "event-3"}),
        (EventFilter(quiet=True, repository="shop/api"), {"event-3"}),
        (EventFilter(quiet=True, actor="ci", actions=("pull", "push")), {"event-1", "event-2"}),
        (EventFilter(quiet=True, since=NOW + timedelta(seconds=50)), set()),
    ],
)
def test_what_we_read_is_left_out_and_what_we_changed_stays(
    database: DatabaseAt, where: EventFilter, shown: set[str]
) -> None:
    async def body(store: Database) -> None:
        await _fill(store)
        async with store.read() as session:
            found = await events.page(session, EventQuery(where=where))
            followed = await events.after(session, 0, 1000, where)
        assert {event.event_id for event in found.items} == shown
        assert {event.event_id for event in followed} == shown

    database.run(body)


def test_the_timeline_has_an_index_of_its_own(sqlite_database: DatabaseAt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl's thousand looks are not walked through: what a page asks is answered by the index alone."""
    asked: list[Any] = []
    real = ReadSession.rows

    async def listening(self: ReadSession, statement: Any, values: Any = None) -> Any:
        asked.append(statement)
        return await real(self, statement, values)

    async def body(store: Database) -> None:
        await _fill(store)
        monkeypatch.setattr(ReadSession, "rows", listening)
        async with store.read() as session:
            await events.page(session, EventQuery(where=EventFilter(quiet=True)))
            written = str(asked[-1].compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
            plan = " ".join(str(found) for found in await session.rows(text(f"EXPLAIN QUERY PLAN {written}")))
        assert "ix_event_by_quiet" in plan
        assert "TEMP B-TREE" not in plan

    sqlite_database.run(body)
