"""What each tag pointed to, since when, and who is known to have moved it. Lines stay when their tag goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, bindparam, exists, insert, select
from sqlalchemy import update as change

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.records import DeletedTag, TagHistoryEntry
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.tables import manifest, tag, tag_history
from kubedash.storage.values import from_micros, from_sortable_number, moment_of, to_micros

MAX_HISTORY: Final = 1000
_MINE: Final = (tag_history.c.repository_id == bindparam("repository_id"), tag_history.c.name == bindparam("name"))
_CLOSE: Final = (
    change(tag_history)
    .where(
        tag_history.c.repository_id == bindparam("of_repository"),
        tag_history.c.name == bindparam("of_name"),
        tag_history.c.until.is_(None),
    )
    .values(until=bindparam("at"), ended_by=bindparam("by"), ended_actor=bindparam("who"))
)
_CLAIM: Final = (
    change(tag_history)
    .where(
        tag_history.c.repository_id == bindparam("of_repository"),
        tag_history.c.name == bindparam("of_name"),
        tag_history.c.until >= bindparam("from_then"),
        tag_history.c.ended_actor.is_(None),
    )
    .values(ended_by=bindparam("by"), ended_actor=bindparam("who"))
)
_OF_TAG: Final = (
    select(tag_history, manifest.c.kind, manifest.c.media_type, manifest.c.size)
    .outerjoin(manifest, manifest.c.digest == tag_history.c.digest)
    .where(*_MINE)
    .order_by(tag_history.c.since.desc(), tag_history.c.id.desc())
    .limit(MAX_HISTORY)
)
_LATER: Final = tag_history.alias("later")
_DELETED: Final = (
    select(tag_history, manifest.c.kind, manifest.c.media_type, manifest.c.size)
    .outerjoin(manifest, manifest.c.digest == tag_history.c.digest)
    .where(
        tag_history.c.repository_id == bindparam("repository_id"),
        tag_history.c.until.is_not(None),
        tag_history.c.name.not_like("sha256-%"),
        ~exists().where(tag.c.repository_id == tag_history.c.repository_id, tag.c.name == tag_history.c.name),
        ~exists().where(
            _LATER.c.repository_id == tag_history.c.repository_id,
            _LATER.c.name == tag_history.c.name,
            _LATER.c.id > tag_history.c.id,
        ),
    )
    .order_by(tag_history.c.until.desc(), tag_history.c.name)
    .limit(MAX_HISTORY)
)
_POINTED: Final = select(exists().where(*_MINE, tag_history.c.digest == bindparam("digest")))


class Seen(msgspec.Struct, frozen=True):
    """Who saw it, when, and where that is known who did it."""

    at: int
    """Microseconds, as they are stored."""
    by: str
    """`crawl`, `page`, `event` or `us`."""
    actor: str | None = None


async def begin(session: WriteSession, repository_id: int, pointed: Sequence[tuple[str, str]], seen: Seen) -> None:
    """These tags point to these digests from now on."""
    rows = [
        {
            "repository_id": repository_id,
            "name": name,
            "digest": digest,
            "since": seen.at,
            "seen_by": seen.by,
            "actor": seen.actor,
        }
        for name, digest in pointed
    ]
    await session.many(insert(tag_history), rows)


async def close(session: WriteSession, repository_id: int, names: Sequence[str], seen: Seen) -> None:
    """These tags do not point any more to what they pointed to."""
    rows = [
        {"of_repository": repository_id, "of_name": name, "at": seen.at, "by": seen.by, "who": seen.actor}
        for name in names
    ]
    await session.many(_CLOSE, rows)


async def claim(
    session: WriteSession, repository_id: int, names: Sequence[str], since: datetime, by: str, actor: str
) -> None:
    """What ended since then was ended by `actor`: a crawl may have looked before it could be said who did it."""
    common = {"of_repository": repository_id, "from_then": to_micros(since), "by": by, "who": actor}
    await session.many(_CLAIM, [{**common, "of_name": name} for name in names])


async def of_tag(session: ReadSession, repository_id: int, name: Tag) -> tuple[TagHistoryEntry, ...]:
    """Newest first; no more than `MAX_HISTORY`."""
    rows = await session.rows(_OF_TAG, {"repository_id": repository_id, "name": name})
    return tuple(map(_record, rows))


async def deleted(session: ReadSession, repository_id: int) -> tuple[DeletedTag, ...]:
    """Tags that are not there any more, those of machines left out; gone last first, at most `MAX_HISTORY`."""
    rows = await session.rows(_DELETED, {"repository_id": repository_id})
    return tuple(DeletedTag(name=Tag(row.name), last=_record(row)) for row in rows)


async def has_pointed(session: ReadSession, repository_id: int, name: Tag, digest: Digest) -> bool:
    """Whether the tag is known to have pointed there once."""
    values = {"repository_id": repository_id, "name": name, "digest": digest}
    return bool(await session.scalar(_POINTED, values))


def _record(row: Row[Any]) -> TagHistoryEntry:
    return TagHistoryEntry(
        digest=Digest(row.digest),
        since=moment_of(row.since),
        until=from_micros(row.until),
        seen_by=row.seen_by,
        actor=row.actor,
        ended_by=row.ended_by,
        ended_actor=row.ended_actor,
        kind=row.kind,
        media_type=row.media_type or None,
        size=from_sortable_number(row.size),
        restorable=bool(row.media_type),
    )
