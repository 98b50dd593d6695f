"""Deletions that broke off: when the registry answers again, the tag is seen to be gone, or put back as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from kubedash.errors import KubedashError, NotFound, RegistryError, Unavailable
from kubedash.policy.access import Actor
from kubedash.records import ChangeState, Role
from kubedash.storage import audit, changes, manifests, registries, repositories, tags
from kubedash.storage.changes import Unfinished
from kubedash.workflows.changing import SEEN_BY_US, Place, sum_up, tell
from kubedash.workflows.connections import client_of
from kubedash.workflows.deletion_acts import BUSY, Ending, take_back
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import explain

ACTION: Final = "tag.delete"
SHORTEST_PAUSE: Final = timedelta(seconds=3)
LONGEST_PAUSE: Final = timedelta(minutes=5)


async def settle_all(services: Services) -> int:
    """Looks after everything that nobody is at. Answers how many are settled now. For the schedule."""
    async with services.database.read() as session:
        waiting = await changes.unfinished(session, services.clock())
    return await _settle(services, waiting)


async def settle_place(services: Services, place: Place) -> int:
    """The same for one repository, before anything else is done to it."""
    async with services.database.read() as session:
        waiting = await changes.unfinished(session, services.clock())
    return await _settle(services, [row for row in waiting if row.repository_id == place.repository.id])


async def settle_left(services: Services, place: Place, prefix: str) -> frozenset[str]:
    """What a job began before its process died, at once: nobody else is at it. Ids of those that are gone.

    A tag that is as before is not recorded, as the job tries it again. Raises `Unavailable`
    where the registry does not show how one ended.
    """
    async with services.database.read() as session:
        left = await changes.unfinished_of(session, prefix)
    gone = set()
    for row in left:
        ending = await _look(services, place, row)
        if ending.is_open:
            raise Unavailable(f"It is not known yet what became of {row.tag}.", answered=ending.detail)
        if ending.state is ChangeState.DONE:
            await _record(services, place, row, ending)
            gone.add(row.id)
            continue
        async with services.database.write() as session:
            await changes.end(session, row.id)
    return frozenset(gone)


async def _settle(services: Services, waiting: Sequence[Unfinished]) -> int:
    settled = 0
    for row in waiting:
        now = services.clock()
        async with services.database.write() as session:
            ours = await changes.claim(session, row.id, now, now + BUSY)
        if ours:
            settled += await _settle_one(services, row)
    return settled


async def _settle_one(services: Services, row: Unfinished) -> bool:
    place: Place | None = None
    try:
        place = await _place_of(services, row)
        ending = await _look(services, place, row)
    except KubedashError as error:
        ending = Ending(state=ChangeState.UNDO_PENDING, sentence="", detail=error.message)
    if place is None or ending.is_open:
        async with services.database.write() as session:
            await changes.postpone(session, row.id, _next_look(row, services.clock()), ending.detail)
        return False
    await _record(services, place, row, ending)
    tell(services, place)
    return True


async def _place_of(services: Services, row: Unfinished) -> Place:
    async with services.database.read() as session:
        registry = await registries.by_id(session, row.registry_id)
        repository = await repositories.by_id(session, row.repository_id)
    if registry is None or repository is None:
        raise NotFound("The registry or repository is not known here any more.")
    return Place(registry=registry, repository=repository, client=await client_of(services, registry.id))


async def _look(services: Services, place: Place, row: Unfinished) -> Ending:
    async with services.database.read() as session:
        record = await manifests.kept(session, row.digest)
    if row.placeholder is not None and record is not None:
        return await take_back(place, row.tag, record, row.placeholder, None)
    try:
        head = await place.client.head_manifest(place.name, row.tag)
    except RegistryError as error:
        return Ending(state=ChangeState.UNKNOWN, sentence="", detail=explain(error))
    if head is None:
        return Ending(state=ChangeState.DONE, sentence=f"{row.tag} is gone.")
    return Ending(state=ChangeState.UNDONE, sentence=f"{row.tag} is there as before: it leads to {head.digest}.")


def _next_look(row: Unfinished, now: datetime) -> datetime:
    """Each pause is about as long as it takes already."""
    return now + min(max(now - row.begun_at, SHORTEST_PAUSE), LONGEST_PAUSE)


async def _record(services: Services, place: Place, row: Unfinished, ending: Ending) -> None:
    """In the name of whoever began it."""
    actor = Actor(name=row.actor, role=Role.ADMIN, via="system")
    now, gone = services.clock(), ending.state is ChangeState.DONE
    detail = {
        "settled": True,
        "begun_at": row.begun_at,
        "outcome": {"state": ending.state, "sentence": ending.sentence, "old_digest": row.digest},
    }
    async with services.database.write() as session:
        await changes.end(session, row.id)
        if gone:
            await tags.forget(session, place.repository.id, [row.tag], now, SEEN_BY_US, row.actor)
            await sum_up(session, place)
        await audit.add(session, actor, ACTION, place.target(row.tag), now, outcome=str(ending.state), detail=detail)
