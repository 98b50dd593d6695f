"""What changes of registries need to remember: abilities, turns, and what was not finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, bindparam, delete, insert, or_, select
from sqlalchemy import update as change

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Capabilities, DeleteAbility
from kubedash.storage.change_tables import change_turn, registry_capability, unfinished_change
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.statements import insert_new, starts_with, upsert
from kubedash.storage.tables import repository
from kubedash.storage.values import moment_of, to_micros

MAX_TEXT: Final = 1000
MAX_UNFINISHED: Final = 100
_KEYS: Final = ("registry_id",)
_CHANGED: Final = ("delete_ability", "tag_delete", "product", "distribution_like", "detail", "probed_at")
_CAPABILITIES: Final = select(registry_capability).where(registry_capability.c.registry_id == bindparam("registry_id"))
_ALL_UNFINISHED: Final = (
    select(unfinished_change, repository.c.registry_id, repository.c.name.label("repository"))
    .join(repository, repository.c.id == unfinished_change.c.repository_id)
    .order_by(unfinished_change.c.begun_at, unfinished_change.c.id)
    .limit(MAX_UNFINISHED)
)
_UNFINISHED: Final = _ALL_UNFINISHED.where(unfinished_change.c.busy_until <= bindparam("now"))


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion that began, and nobody knows yet how it ended."""

    id: str
    registry_id: int
    repository_id: int
    repository: RepositoryName
    tag: Tag
    digest: Digest
    """What the tag pointed to before."""
    placeholder: Digest | None
    """What may be under the tag instead; None: it is deleted in one step."""
    actor: str
    begun_at: datetime
    problem: str | None


async def remember_capabilities(session: WriteSession, registry_id: int, found: Capabilities) -> None:
    """In place of what was known before."""
    row = {
        "registry_id": registry_id,
        "delete_ability": str(found.delete),
        "tag_delete": None if found.tag_delete is None else int(found.tag_delete),
        "product": found.product,
        "distribution_like": int(found.distribution_like),
        "detail": found.detail[:MAX_TEXT] if found.detail else None,
        "probed_at": to_micros(found.probed_at),
    }
    await session.many(upsert(session.dialect, registry_capability, _KEYS, _CHANGED), [row])


async def capabilities(session: ReadSession, registry_id: int) -> Capabilities | None:
    """What was found out last, however old it is."""
    row = await session.first(_CAPABILITIES, {"registry_id": registry_id})
    if row is None:
        return None
    return Capabilities(
        delete=DeleteAbility(row.delete_ability),
        tag_delete=None if row.tag_delete is None else bool(row.tag_delete),
        product=row.product,
        distribution_like=bool(row.distribution_like),
        detail=row.detail,
        probed_at=moment_of(row.probed_at),
    )


async def forget_capabilities(session: WriteSession, registry_id: int) -> None:
    await session.run(delete(registry_capability).where(registry_capability.c.registry_id == registry_id))


async def take_turn(session: WriteSession, repository_id: int, owner: str, now: datetime, seconds: float) -> bool:
    """Whether it is `owner`'s turn to change the repository now; False while another one's lasts."""
    until = to_micros(now) + int(seconds * 1_000_000)
    row = {"repository_id": repository_id, "owner": owner, "until": until}
    await session.many(insert_new(session.dialect, change_turn), [row])
    free = or_(change_turn.c.owner == owner, change_turn.c.until <= to_micros(now))
    statement = change(change_turn).where(change_turn.c.repository_id == repository_id, free)
    return await session.run(statement.values(owner=owner, until=until)) == 1


async def end_turn(session: WriteSession, repository_id: int, owner: str) -> None:
    """Nothing happens where somebody else has taken it meanwhile."""
    await session.run(
        delete(change_turn).where(change_turn.c.repository_id == repository_id, change_turn.c.owner == owner)
    )


async def begin(session: WriteSession, row: Unfinished, busy_until: datetime) -> None:
    """Written down before the placeholder goes to the registry."""
    await session.run(
        insert(unfinished_change).values(
            id=row.id,
            repository_id=row.repository_id,
            tag=row.tag,
            digest=row.digest,
            placeholder=row.placeholder or "",
            actor=row.actor[:MAX_TEXT],
            begun_at=to_micros(row.begun_at),
            busy_until=to_micros(busy_until),
            problem=row.problem,
        )
    )


async def postpone(session: WriteSession, identifier: str, busy_until: datetime, problem: str | None) -> None:
    """Not finished yet; nobody looks at it again before then."""
    statement = change(unfinished_change).where(unfinished_change.c.id == identifier)
    await session.run(
        statement.values(busy_until=to_micros(busy_until), problem=problem[:MAX_TEXT] if problem else None)
    )


async def claim(session: WriteSession, identifier: str, now: datetime, busy_until: datetime) -> bool:
    """Takes one that nobody is at; False where somebody was faster."""
    free = (unfinished_change.c.id == identifier) & (unfinished_change.c.busy_until <= to_micros(now))
    return await session.run(change(unfinished_change).where(free).values(busy_until=to_micros(busy_until))) == 1


async def end(session: WriteSession, identifier: str) -> None:
    """The tag is known to be gone, or back."""
    await session.run(delete(unfinished_change).where(unfinished_change.c.id == identifier))


async def unfinished(session: ReadSession, now: datetime) -> Sequence[Unfinished]:
    """What nobody is at, the oldest first."""
    return [_record(row) for row in await session.rows(_UNFINISHED, {"now": to_micros(now)})]


async def unfinished_of(session: ReadSession, prefix: str) -> Sequence[Unfinished]:
    """Those whose id begins so, whoever is at them: for a job that finds what it left itself."""
    return [
        _record(row) for row in await session.rows(_ALL_UNFINISHED.where(starts_with(unfinished_change.c.id, prefix)))
    ]


def _record(row: Row[Any]) -> Unfinished:
    return Unfinished(
        id=row.id,
        registry_id=row.registry_id,
        repository_id=row.repository_id,
        repository=RepositoryName(row.repository),
        tag=Tag(row.tag),
        digest=Digest(row.digest),
        placeholder=Digest(row.placeholder) if row.placeholder else None,
        actor=row.actor,
        begun_at=moment_of(row.begun_at),
        problem=row.problem,
    )
