"""Durable work that people asked for: what was asked, how far it is, and each piece of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, and_, case, delete, func, insert, select, update

from kubedash.oci.digest import Digest
from kubedash.policy.access import Actor
from kubedash.records import ItemState, Job, JobItem, JobState, Progress, encode_json
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.job_tables import job, job_item
from kubedash.storage.statements import chunks
from kubedash.storage.values import from_micros, from_sortable_number, to_micros, to_sortable_number

MAX_TEXT: Final = 1000
MAX_ITEMS: Final = 1000
_OPEN: Final = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
_UNSETTLED: Final = (ItemState.WAITING, ItemState.DOING)
_AT_WORK: Final = (JobState.QUEUED, JobState.RUNNING)
_ACTOR: Final = msgspec.json.Decoder(Actor)
_WHAT: Final = tuple(column for column in job.c if column.name not in ("spec", "result"))
"""What a job is asked for all the time; the rest may be long."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a piece of durable work was asked to do."""

    id: str
    kind: str
    key: str
    """Two open orders with the same key would be in each other's way."""
    registry: str
    repository: str | None
    actor: Actor
    """In whose name it works."""
    spec: dict[str, Any]
    """Plain values; the kind knows their meaning."""
    run: int = 1
    """How often it was set to work."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """An item with what its job keeps of it."""

    item: JobItem
    spec: dict[str, Any] = {}


async def add(session: WriteSession, order: Order, at: datetime, *, inline: bool) -> None:
    """Take the order down. Raises `Conflict` where an open one has the same key."""
    values = {
        "id": order.id,
        "kind": order.kind,
        "key": order.key,
        "registry": order.registry,
        "repository": order.repository,
        "actor": encode_json(order.actor).decode(),
        "spec": encode_json(order.spec).decode(),
        "state": JobState.QUEUED,
        "run": order.run,
        "inline": int(inline),
        "done": 0,
        "total": -1,
        "created_at": to_micros(at),
        "seen_at": to_micros(at),
    }
    await session.run(insert(job).values(**values))


async def find(session: ReadSession, job_id: str) -> Job | None:
    row = await session.first(select(*_WHAT).where(job.c.id == job_id))
    return None if row is None else _record(row)


async def open_with_key(session: ReadSession, key: str) -> Job | None:
    """The job with that key that has not ended."""
    row = await session.first(select(*_WHAT).where(job.c.key == key, job.c.finished_at.is_(None)))
    return None if row is None else _record(row)


async def newest(session: ReadSession, registry: str | None, limit: int) -> tuple[Job, ...]:
    """The newest of them, of one registry or of all."""
    statement = select(*_WHAT).order_by(job.c.created_at.desc(), job.c.id).limit(limit)
    if registry is not None:
        statement = statement.where(job.c.registry == registry)
    return tuple(map(_record, await session.rows(statement)))


async def order(session: ReadSession, job_id: str) -> Order | None:
    """What was asked for."""
    row = await session.first(select(job).where(job.c.id == job_id))
    if row is None:
        return None
    return Order(
        id=row.id,
        kind=row.kind,
        key=row.key,
        registry=row.registry,
        repository=row.repository,
        actor=_ACTOR.decode(row.actor),
        spec=msgspec.json.decode(row.spec, type=dict[str, Any]),
        run=row.run,
    )


async def result(session: ReadSession, job_id: str) -> dict[str, Any] | None:
    """What came out of it, as its kind wrote it; None while it has not ended."""
    text = await session.scalar(select(job.c.result).where(job.c.id == job_id))
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])


async def touch(session: WriteSession, job_id: str, run: int, at: datetime) -> bool:
    """Whether this run should be at work; if so it is noted that it is."""
    mine = and_(job.c.id == job_id, job.c.run == run, job.c.state.in_(_AT_WORK))
    values = {"state": JobState.RUNNING, "seen_at": to_micros(at), "error": None}
    return bool(await session.run(update(job).where(mine).values(**values)))


async def end_silent(session: WriteSession, key: str, before: datetime, at: datetime, reason: str) -> bool:
    """Whether an open job with that key was lost with the process that did it, and counts as failed now."""
    lost = and_(job.c.key == key, job.c.inline == 1, job.c.state.in_(_AT_WORK), job.c.seen_at < to_micros(before))
    values = {"state": JobState.FAILED, "error": reason, "finished_at": to_micros(at), "doing": None}
    return bool(await session.run(update(job).where(lost).values(**values)))


async def run_at_work(session: ReadSession, job_id: str) -> int | None:
    """The number of the run that should be at work now; None where none should."""
    found = await session.scalar(select(job.c.run).where(job.c.id == job_id, job.c.state.in_(_AT_WORK)))
    return None if found is None else int(found)


async def forgotten(session: ReadSession, before: datetime) -> tuple[tuple[str, int], ...]:
    """Orders (and their run) that wait since then and that no process may have heard of."""
    rows = await session.rows(
        select(job.c.id, job.c.run).where(
            job.c.finished_at.is_(None),
            job.c.state == JobState.QUEUED,
            job.c.inline == 0,
            job.c.seen_at < to_micros(before),
        )
    )
    return tuple((row.id, row.run) for row in rows)


async def revive(session: WriteSession, before: datetime, at: datetime) -> tuple[tuple[str, int], ...]:
    """Jobs at which somebody should be, and nobody has been since then: id and the number of the run that goes on."""
    silent = and_(job.c.finished_at.is_(None), job.c.state == JobState.RUNNING, job.c.seen_at < to_micros(before))
    rows = await session.rows(select(job.c.id, job.c.run).where(silent, job.c.inline == 0))
    for row in rows:
        mine = and_(job.c.id == row.id, job.c.run == row.run)
        await session.run(update(job).where(mine).values(state=JobState.QUEUED, run=row.run + 1, seen_at=to_micros(at)))
    return tuple((row.id, row.run + 1) for row in rows)


async def report(session: WriteSession, job_id: str, progress: Progress, at: datetime) -> None:
    """How far it is. A job that should not be at work stays as it is."""
    values = {
        "state": JobState.RUNNING,
        "done": progress.done,
        "total": to_sortable_number(progress.total),
        "unit": progress.unit,
        "doing": None if progress.doing is None else progress.doing[:MAX_TEXT],
        "seen_at": to_micros(at),
    }
    await session.run(update(job).where(job.c.id == job_id, job.c.state.in_(_AT_WORK)).values(**values))


async def pause(session: WriteSession, job_id: str, at: datetime, reason: str | None = None) -> bool:
    """Whether it was at work and is paused now; `reason` is said where nobody asked for it."""
    values = {"state": JobState.PAUSED, "seen_at": to_micros(at), "doing": None, "error": reason}
    return bool(await session.run(update(job).where(job.c.id == job_id, job.c.state.in_(_AT_WORK)).values(**values)))


async def resume(session: WriteSession, job_id: str, at: datetime, *, inline: bool) -> int | None:
    """The number of the run that goes on with it; None where it was not paused."""
    values = {"state": JobState.QUEUED, "run": job.c.run + 1, "seen_at": to_micros(at), "inline": int(inline)}
    changed = await session.run(update(job).where(job.c.id == job_id, job.c.state == JobState.PAUSED).values(**values))
    return await run_at_work(session, job_id) if changed else None


async def end(session: WriteSession, job_id: str, state: JobState, at: datetime, error: str | None = None) -> bool:
    """Whether it ended now, and so for the first time; nothing changes otherwise."""
    values: dict[str, Any] = {
        "state": state,
        "error": error,
        "doing": None,
        "seen_at": to_micros(at),
        "finished_at": to_micros(at),
    }
    if state is JobState.DONE:
        values["done"] = case((job.c.total >= 0, job.c.total), else_=job.c.done)
    open_one = and_(job.c.id == job_id, job.c.state.in_(_OPEN))
    return bool(await session.run(update(job).where(open_one).values(**values)))


async def keep_result(session: WriteSession, job_id: str, result: dict[str, Any]) -> None:
    """What came out of it; its kind knows the meaning."""
    await session.run(update(job).where(job.c.id == job_id).values(result=encode_json(result).decode()))


async def forget(session: WriteSession, before: datetime) -> int:
    """Drops what ended before that. Returns how many."""
    return await session.run(delete(job).where(job.c.finished_at < to_micros(before)))


async def add_items(session: WriteSession, job_id: str, pieces: Sequence[Piece]) -> None:
    """The pieces of a job, in their order; those that were there before give way."""
    await session.run(delete(job_item).where(job_item.c.job_id == job_id))
    for chunk in chunks(pieces):
        await session.many(insert(job_item), [_item_row(job_id, piece) for piece in chunk])


async def waiting(session: ReadSession, job_id: str, limit: int) -> tuple[Piece, ...]:
    """The next pieces to be done, in their order."""
    statement = (
        select(job_item)
        .where(job_item.c.job_id == job_id, job_item.c.state.in_(_UNSETTLED))
        .order_by(job_item.c.position)
        .limit(limit)
    )
    return tuple(map(_piece, await session.rows(statement)))


async def pieces(session: ReadSession, job_id: str) -> tuple[Piece, ...]:
    """All pieces of a job, in their order."""
    statement = select(job_item).where(job_item.c.job_id == job_id).order_by(job_item.c.position)
    return tuple(map(_piece, await session.rows(statement)))


async def touch_item(session: WriteSession, job_id: str, position: int) -> None:
    """The piece is begun."""
    mine = and_(job_item.c.job_id == job_id, job_item.c.position == position, job_item.c.state == ItemState.WAITING)
    await session.run(update(job_item).where(mine).values(state=ItemState.DOING))


async def settle(
    session: WriteSession, job_id: str, position: int, state: ItemState, detail: str | None = None
) -> bool:
    """Whether the piece had not ended before, and has now."""
    wanted = and_(job_item.c.job_id == job_id, job_item.c.position == position, job_item.c.state.in_(_UNSETTLED))
    values = {"state": state, "detail": None if detail is None else detail[:MAX_TEXT]}
    return bool(await session.run(update(job_item).where(wanted).values(**values)))


async def items(
    session: ReadSession, job_id: str, state: ItemState | None = None, *, after: int = -1, limit: int = MAX_ITEMS
) -> tuple[JobItem, ...]:
    """The pieces behind the position `after`, in their order."""
    statement = (
        select(job_item)
        .where(job_item.c.job_id == job_id, job_item.c.position > after)
        .order_by(job_item.c.position)
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(job_item.c.state == state)
    return tuple(map(_item, await session.rows(statement)))


async def tally(session: ReadSession, job_id: str) -> dict[ItemState, tuple[int, int]]:
    """How many pieces stand how, and how many bytes that are."""
    size = func.sum(func.coalesce(func.nullif(job_item.c.size, -1), 0))
    statement = (
        select(job_item.c.state, func.count().label("number"), size.label("bytes"))
        .where(job_item.c.job_id == job_id)
        .group_by(job_item.c.state)
    )
    return {ItemState(row.state): (int(row.number), int(row.bytes)) for row in await session.rows(statement)}


def _item_row(job_id: str, piece: Piece) -> dict[str, Any]:
    found = piece.item
    return {
        "job_id": job_id,
        "position": found.position,
        "name": found.name,
        "digest": found.digest,
        "size": to_sortable_number(found.size),
        "state": found.state,
        "spec": encode_json(piece.spec).decode() if piece.spec else None,
        "detail": found.detail,
    }


def _piece(row: Row[Any]) -> Piece:
    return Piece(item=_item(row), spec=msgspec.json.decode(row.spec) if row.spec else {})


def _item(row: Row[Any]) -> JobItem:
    return JobItem(
        position=row.position,
        name=row.name,
        digest=Digest(row.digest) if row.digest else None,
        size=from_sortable_number(row.size),
        state=ItemState(row.state),
        detail=row.detail,
    )


def _record(row: Row[Any]) -> Job:
    started = row.state != JobState.QUEUED or row.run > 1
    progress = Progress(done=row.done, total=from_sortable_number(row.total), doing=row.doing, unit=row.unit)
    return Job(
        id=row.id,
        kind=row.kind,
        state=JobState(row.state),
        progress=progress if started else None,
        error=row.error,
        registry=row.registry,
        repository=row.repository,
        created_at=from_micros(row.created_at),
        finished_at=from_micros(row.finished_at),
        asked_by=_ACTOR.decode(row.actor).name,
        can_pause=True,
    )
