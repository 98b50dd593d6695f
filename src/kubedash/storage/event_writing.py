"""Adding events: a batch in one transaction, each event once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Executable,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
    true,
)
from sqlalchemy import update as change
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.oci.notifications import Notification
from kubedash.policy.events import is_believable, tally_of
from kubedash.records import encode_json
from kubedash.storage import event_rollups
from kubedash.storage.database import WriteSession
from kubedash.storage.event_tables import event, event_key, event_source
from kubedash.storage.statements import insert_new
from kubedash.storage.values import to_micros

REPEATED_WITHIN: Final = timedelta(minutes=5)
"""An event with neither id nor time that comes again so soon is the same one."""
_CONTENT: Final = "content:"
_OURS: Final = "id"
_DECIDED: Final = "pulled_as"
_COLUMNS: Final = tuple(column.name for column in event.c if column.name not in (_OURS, _DECIDED))
_NEWEST: Final = select(event.c.id).order_by(event.c.id.desc()).limit(1)
_TOGETHER: Final = text("SELECT pg_advisory_xact_lock_shared(:key)")
_KEY: Final = ("source_id", "event_id", "received_at")
Values = dict[str, Any]
Key = tuple[int, str]


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
    # Written out: this happens thousands of times a second.
    return {
        "occurred_at": to_micros(claimed) if claimed is not None and believed else received,
        "claimed_at": None if claimed is None or believed else to_micros(claimed),
        "received_at": received,
        "event_id": told.event_id,
        "action": told.action,
        "tally": int(tally_of(told.action, told.method, told.media_type, own=told.own)),
        "repository": told.repository,
        "tag": told.tag,
        "digest": told.digest,
        "media_type": told.media_type,
        "size": told.size,
        "actor": told.actor,
        "address": told.address,
        "user_agent": told.user_agent,
        "method": told.method,
        "from_repository": told.from_repository,
        "host": told.host,
        "instance": told.instance,
        "sender": arrival.sender,
        "format": told.format,
        "strange": told.strange,
        "raw": told.raw if told.strange else None,
        "authenticated": int(arrival.authenticated),
        "own": int(told.own),
        "address_claimed": int(told.address_claimed),
        "timed": int(claimed is not None),
    }


async def source_of(session: WriteSession, registry_id: int | None) -> int:
    """The source that a registry's events are filed under, made where there is none."""
    wanted: ColumnElement[bool]
    if registry_id is None:
        wanted = event_source.c.registry_id.is_(None) & (event_source.c.name == "")
    else:
        await session.many(insert_new(session.dialect, event_source), [{"registry_id": registry_id, "name": ""}])
        wanted = event_source.c.registry_id == registry_id
    return int(await session.scalar(select(event_source.c.id).where(wanted)))


async def add(session: WriteSession, rows: Sequence[Values]) -> int:
    """Adds what was not told before, by source and id; the newest id then."""
    if session.dialect == "postgresql":
        await session.rows(_TOGETHER, {"key": event_rollups.WRITING_LOCK})
    wanted = await _new(session, rows)
    if wanted:
        await _insert(session, wanted)
    return int(await session.scalar(_NEWEST) or 0)


async def _new(session: WriteSession, rows: Sequence[Values]) -> list[Values]:
    """In the order of arrival."""
    first: dict[Key, Values] = {}
    for row in rows:
        first.setdefault((row["source_id"], row["event_id"]), row)
    # In one order, so that two processes never wait for each other's keys.
    keys = [{name: first[key][name] for name in _KEY} for key in sorted(first)]
    added = await session.rows(_remember(session.dialect), {"rows": encode_json(keys).decode()})
    new = {(row.source_id, row.event_id) for row in added}
    if len(new) == len(first):
        return list(first.values())
    return [row for key, row in first.items() if key in new or await _happened_again(session, row)]


async def _happened_again(session: WriteSession, row: Values) -> bool:
    """What has neither id nor time of its own is the same only for some minutes."""
    if row["timed"] or not row["event_id"].startswith(_CONTENT):
        return False
    this = (event_key.c.source_id == row["source_id"]) & (event_key.c.event_id == row["event_id"])
    told = await session.scalar(select(event_key.c.received_at).where(this))
    if row["received_at"] - told <= REPEATED_WITHIN // timedelta(microseconds=1):
        return False
    await session.run(change(event_key).where(this).values(received_at=row["received_at"]))
    return True


async def _insert(session: WriteSession, rows: Sequence[Values]) -> None:
    if session.dialect == "sqlite":
        pick = itemgetter(*_COLUMNS)
        await session.together(_insert_rows, [pick(row) for row in rows])
        return
    # One value for all rows: the database takes them apart, not the driver one by one.
    await session.run(_insert_from_json(), {"rows": encode_json(rows).decode()})


@lru_cache(maxsize=2)
def _remember(dialect: str) -> Executable:
    """Adds the keys that are not there and answers them."""
    answer = (event_key.c.source_id, event_key.c.event_id)
    if dialect == "postgresql":
        adding = postgresql.insert(event_key).from_select(list(_KEY), _given(event_key, _KEY))
        return adding.on_conflict_do_nothing().returning(*answer)
    entry = func.json_each(bindparam("rows")).table_valued("value").c.value
    cells = (func.json_extract(entry, f"$.{name}") for name in _KEY)
    # SQLite wants a WHERE between such a SELECT and ON CONFLICT.
    given = select(*cells).where(true())
    return sqlite.insert(event_key).from_select(list(_KEY), given).on_conflict_do_nothing().returning(*answer)


def _insert_rows(many: int) -> ClauseElement:
    """For SQLite: the values of so many rows, column by column in the order of `_COLUMNS`."""
    rows: list[Values] = [{name: bindparam(f"{name}_{number}") for name in _COLUMNS} for number in range(many)]
    return sqlite.insert(event).values(rows).on_conflict_do_nothing()


@lru_cache(maxsize=1)
def _insert_from_json() -> Executable:
    return postgresql.insert(event).from_select(list(_COLUMNS), _given(event, _COLUMNS)).on_conflict_do_nothing()


def _given(table: Table, names: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """The rows that came as one value, on PostgreSQL."""
    payload = cast(bindparam("rows", type_=Text), postgresql.JSON)
    rows = func.json_to_recordset(payload).table_valued(*(column(name, table.c[name].type) for name in names))
    derived = rows.render_derived(with_types=True)
    return select(*(derived.c[name] for name in names))
