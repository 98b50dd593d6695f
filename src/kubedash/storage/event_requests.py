"""Which requests were a pull: read for who decides it, and marked with what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, or_, select
from sqlalchemy import update as change

from kubedash.policy.events import Tally
from kubedash.policy.pulls import Request
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_tables import event
from kubedash.storage.values import moment_of

_PULL: Final = "pull"
# No index leads by any of these but the id, so no planner can be led astray.
_ASKED: Final = (
    select(
        event.c.id,
        event.c.action,
        event.c.occurred_at,
        event.c.source_id,
        event.c.repository,
        event.c.tag,
        event.c.digest,
        event.c.media_type,
        event.c.method,
        event.c.actor,
        event.c.address,
        event.c.user_agent,
        event.c.own,
    )
    .where(
        event.c.id > bindparam("behind"),
        event.c.id <= bindparam("upto"),
        or_(event.c.tally == int(Tally.PULL), event.c.method == "HEAD"),
    )
    .order_by(event.c.id)
)
_MARK: Final = (
    change(event)
    .where(event.c.id == bindparam("event"), event.c.occurred_at == bindparam("at"))
    .values(tally=bindparam("figure"), pulled_as=bindparam("target"))
)


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A request for a manifest, and the event that told of it."""

    id: int
    occurred_at: int
    request: Request


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What an event does not say by itself."""

    asked: Asked
    target: str | None
    """The tag that a pull by digest is of; None: the request is part of another pull."""


async def between(session: ReadSession, behind: int, upto: int) -> tuple[Asked, ...]:
    """What may be a pull or tells what one is of, in the order of arrival."""
    rows = await session.rows(_ASKED, {"behind": behind, "upto": upto})
    return tuple(map(_asked, (row for row in rows if row.action == _PULL)))


def _asked(row: Sequence[Any]) -> Asked:
    # At once: a name by name would cost more than all the rest, and they are many.
    event_id, _, at, source_id, repository, tag, digest, media_type, method, actor, address, agent, own = row
    request = Request(
        source_id, repository, tag, digest, media_type, method, actor, address, agent, bool(own), moment_of(at)
    )
    return Asked(event_id, at, request)


async def mark(session: WriteSession, verdicts: Iterable[Verdict]) -> None:
    """Keeps what was decided, beside the events; no index holds any of it."""
    rows = [
        {
            "event": verdict.asked.id,
            "at": verdict.asked.occurred_at,
            "figure": int(Tally.OTHER if verdict.target is None else Tally.PULL),
            "target": verdict.target,
        }
        for verdict in verdicts
    ]
    await session.many(_MARK, rows)
