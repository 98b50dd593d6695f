"""Adding events: a batch in one transaction, each event once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Executable, Text, bindparam, cast, column, func, select, text
from sqlalchemy import update as change
from sqlalchemy.dialects import postgresql

from kubedash.oci.notifications import Notification
from kubedash.policy.events import is_believable, tally_of
from kubedash.records import encode_json
from kubedash.storage import event_rollups
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event, event_source, event_untimed
from kubedash.storage.statements import insert_new
from kubedash.storage.values import to_micros

REPEATED_WITHIN: Final = timedelta(minutes=5)
"""An event with neither id nor time that comes again so soon is the same one."""
_CONTENT: Final = "content:"
_OURS: Final = "id"
_COLUMNS: Final = tuple(column.name for column in event.c if column.name != _OURS)
_PLAIN: Final = (
    "event_id",
    "action",
    "repository",
    "tag",
    "digest",
    "media_type",
    "size",
    "actor",
    "address",
    "user_agent",
    "method",
    "from_repository",
    "host",
    "instance",
    "format",
    "strange",
)
_TOGETHER: Final = text("SELECT pg_advisory_xact_lock_shared(:key)")
Values = dict[str, Any]


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it reached us."""

    notification: Notification
    registry_id: int | None
    authenticated: bool
    sender: str | None
    received_at: datetime


def row_of(arrival: Arrival) -> Values:
    """All columns but the source."""
    told = arrival.notification
    received = to_micros(arrival.received_at)
    claimed = told.occurred_at
    believed = claimed is not None and is_believable(claimed, arrival.received_at)
    row: Values = {name: getattr(told, name) for name in _PLAIN}
    row["occurred_at"] = to_micros(claimed) if claimed is not None and believed else received
    row["claimed_at"] = None if claimed is None or believed else to_micros(claimed)
    row["received_at"] = received
    row["tally"] = int(tally_of(told.action, told.method, told.media_type, own=told.own))
    row["raw"] = told.raw if told.strange else None
    row["sender"] = arrival.sender
    row["authenticated"] = int(arrival.authenticated)
    row["own"] = int(told.own)
    row["address_claimed"] = int(told.address_claimed)
    row["timed"] = int(claimed is not None)
    return row


async def source_of(session: WriteSession, registry_id: int | None) -> int:
    """The source that a registry's events are filed under, made where there is none."""
    wanted: ColumnElement[bool]
    if registry_id is None:
        wanted = event_source.c.registry_id.is_(None) & (event_source.c.name == "")
    else:
        await session.many(insert_new(session.dialect, event_source), [{"registry_id": registry_id, "name": ""}])
        wanted = event_source.c.registry_id == registry_id
    return int(await session.scalar(select(event_source.c.id).where(wanted)))


async def add(session: WriteSession, rows: Sequence[Values]) -> tuple[int, int]:
    """Adds what is not there yet; the newest id before and after.

    Repeats are told by source, time and id; where the registry's time is not the one
    we sort by, by source and id alone.
    """
    if session.dialect == "postgresql":
        await session.rows(_TOGETHER, {"key": event_rollups.WRITING_LOCK})
    wanted = await _without_repeats(session, rows)
    before = await _newest(session)
    if wanted:
        await _insert(session, wanted)
    return before, await _newest(session)


async def _newest(session: ReadSession) -> int:
    return int(await session.scalar(_NEWEST) or 0)


_NEWEST: Final = select(event.c.id).order_by(event.c.id.desc()).limit(1)


async def _without_repeats(session: WriteSession, rows: Sequence[Values]) -> list[Values]:
    return [row for row in rows if (row["timed"] and row["claimed_at"] is None) or await _is_first(session, row)]


async def _is_first(session: WriteSession, row: Values) -> bool:
    key = {"source_id": row["source_id"], "event_id": row["event_id"]}
    this = (event_untimed.c.source_id == key["source_id"]) & (event_untimed.c.event_id == key["event_id"])
    received = row["received_at"]
    known = await session.scalar(select(event_untimed.c.received_at).where(this))
    if known is None:
        await session.run(insert_new(session.dialect, event_untimed), key | {"received_at": received})
        return True
    again = row["event_id"].startswith(_CONTENT) and received - known > REPEATED_WITHIN // timedelta(microseconds=1)
    if again:
        await session.run(change(event_untimed).where(this).values(received_at=received))
    return bool(again)


async def _insert(session: WriteSession, rows: Sequence[Values]) -> None:
    if session.dialect == "sqlite":
        await session.many(insert_new("sqlite", event), rows)
        return
    # One value for all rows: the database takes them apart, not the driver one by one.
    await session.run(_insert_from_json(), {"rows": encode_json(rows).decode()})


@lru_cache(maxsize=1)
def _insert_from_json() -> Executable:
    columns = [event.c[name] for name in _COLUMNS]
    payload = cast(bindparam("rows", type_=Text), postgresql.JSON)
    rows = func.json_to_recordset(payload).table_valued(*(column(each.name, each.type) for each in columns))
    derived = rows.render_derived(with_types=True)
    given = select(*(derived.c[name] for name in _COLUMNS))
    return postgresql.insert(event).from_select(list(_COLUMNS), given).on_conflict_do_nothing()
