"""Does a bulk deletion: tag after tag, each as `delete_tag` does it, with a line of the audit trail each.

A process that dies leaves the piece in hand marked as begun, and what it did to the registry
written down. Whoever goes on looks at that first: what is gone is not deleted again, and what
was half done is put right before anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from kubedash.errors import Conflict, NotFound, RegistryError, Unavailable
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import AuditQuery, ChangeOutcome, ChangeState, ItemState, JobState, Progress
from kubedash.storage import audit, jobs, tags
from kubedash.storage.database import WriteSession
from kubedash.storage.jobs import Order, Piece
from kubedash.workflows.bulk_delete import BulkSpec, look_around, outcome_of, spec_of
from kubedash.workflows.changing import SEEN_BY_US, Place, find_place, sum_up, tell, turn
from kubedash.workflows.delete_tag import TAG_ACTION, Errand, execute_in_turn
from kubedash.workflows.services import Services
from kubedash.workflows.settle_changes import settle_left
from kubedash.workflows.sync_manifests import explain
from kubedash.workflows.work import DELETE_TAGS, Report, plain

KIND: Final = DELETE_TAGS
ACTION: Final = "tags.delete"
STEP_SECONDS: Final = 2.0
"""So old may the look at the other tags become, or twice what the look itself took."""
BATCH: Final = 200
TAGS: Final = "tags"
_OPEN: Final = (ChangeState.UNDO_PENDING, ChangeState.UNKNOWN)


class LostTurn(Exception):
    """The step took so long that somebody else has the repository's turn: the next step waits for it."""


async def advance(services: Services, order: Order, report: Report) -> bool:
    """The next tags; whether these were the last."""
    spec = spec_of(order)
    place = await find_place(services, spec.registry, spec.repository)
    try:
        async with turn(services, place.repository.id, order.id) as renew:
            step = _Step(services, order, spec, place, renew)
            await _some(step, report)
            return not await step.waiting()
    except LostTurn:
        return False


async def _some(step: _Step, report: Report) -> None:
    """As many as the look at the others may serve."""
    clock = asyncio.get_running_loop().time
    await step.look_after()
    began = clock()
    await step.look()
    ends = clock() + max(STEP_SECONDS, 2 * (clock() - began))
    for piece in await step.waiting():
        await report(await step.progress(piece.item.name))
        await step.delete(piece)
        if clock() >= ends or not await step.should_go_on():
            break
    await report(await step.progress(None))


async def conclude(session: WriteSession, order: Order, state: JobState, error: str | None, at: datetime) -> None:
    """One line for the whole, beside those of the tags."""
    spec = spec_of(order)
    outcome = plain(outcome_of(await jobs.tally(session, order.id)))
    await jobs.keep_result(session, order.id, outcome)
    detail: dict[str, Any] = {"job": order.id, "selection": plain(spec.selection), "outcome": outcome}
    if error is not None:
        detail["error"] = error
    target = f"{spec.registry}/{spec.repository}"
    await audit.add(session, order.actor, ACTION, target, at, outcome=state, detail=detail)


class _Step:
    """Some tags of one job, in the repository's turn."""

    def __init__(
        self, services: Services, order: Order, spec: BulkSpec, place: Place, renew: Callable[[], Awaitable[None]]
    ) -> None:
        self._services = services
        self._order = order
        self._place = place
        self._renew = renew
        self._choices = DeletionChoices(take_orphans=spec.take_orphans)
        self._around: dict[Tag, Digest] = {}

    async def look_after(self) -> None:
        """What this job left when its process died. Raises `Unavailable` where it cannot be told yet."""
        gone = await settle_left(self._services, self._place, f"{self._order.id}.")
        for piece in await self.waiting():
            if self._id(piece) in gone:
                await self._settle(piece, ItemState.DONE, "It went as the process was broken off.")

    async def look(self) -> None:
        """Where every tag of the repository leads, for the deletions of this step."""
        self._around = await look_around(self._services, self._place)

    async def waiting(self) -> tuple[Piece, ...]:
        async with self._services.database.read() as session:
            return await jobs.waiting(session, self._order.id, BATCH)

    async def should_go_on(self) -> bool:
        """False where somebody paused or cancelled the job."""
        async with self._services.database.read() as session:
            return await jobs.run_at_work(session, self._order.id) == self._order.run

    async def progress(self, doing: str | None) -> Progress:
        async with self._services.database.read() as session:
            outcome = outcome_of(await jobs.tally(session, self._order.id))
        return Progress(done=outcome.tags - outcome.waiting, total=outcome.tags, doing=doing, unit=TAGS)

    async def delete(self, piece: Piece) -> None:
        """Raises what may pass, so that the job pauses; anything else is the end of this piece alone."""
        tag, digest = Tag(piece.item.name), piece.item.digest
        if tag not in self._around:
            await self._is_gone(piece)
            return
        async with self._services.database.write() as session:
            await jobs.touch_item(session, self._order.id, piece.item.position)
        errand = Errand(
            reference=Reference(self._place.name, tag=tag),
            expected=digest,
            choices=self._choices,
            around=self._around,
            id=self._id(piece),
        )
        try:
            outcome = await execute_in_turn(self._services, self._order.actor, self._place, errand, self._go_on)
        except NotFound:
            await self._is_gone(piece)
        except Conflict as error:
            await self._settle(piece, ItemState.FAILED, error.message)
        except RegistryError as error:
            if error.temporary:
                raise
            await self._settle(piece, ItemState.FAILED, explain(error))
        else:
            await self._ended(piece, outcome)
        self._around.pop(tag, None)

    async def _go_on(self) -> None:
        """Raises `LostTurn`, which is no fault of the tag in hand."""
        try:
            await self._renew()
        except Conflict as error:
            raise LostTurn from error

    async def _ended(self, piece: Piece, outcome: ChangeOutcome) -> None:
        if outcome.state in _OPEN:
            raise Unavailable(outcome.sentence, answered=outcome.detail)
        done = outcome.state is ChangeState.DONE
        reason = " ".join(filter(None, (outcome.sentence, None if done else outcome.detail)))
        await self._settle(piece, ItemState.DONE if done else ItemState.FAILED, reason)

    async def _is_gone(self, piece: Piece) -> None:
        """It was begun by us, and the process died before it was written down; or somebody else was faster."""
        self._around.pop(Tag(piece.item.name), None)
        if piece.item.state is not ItemState.DOING:
            await self._settle(piece, ItemState.SKIPPED, "It was gone already.")
            return
        await self._record_late(piece)
        await self._settle(piece, ItemState.DONE, "It went as the process was broken off.")

    async def _record_late(self, piece: Piece) -> None:
        """The line of the audit trail that is missing, and the index."""
        services, place, name = self._services, self._place, self._order.actor.name
        target, now = place.target(piece.item.name), services.clock()
        async with services.database.write() as session:
            job = await jobs.find(session, self._order.id)
            since = job.created_at if job else None
            lines = await audit.page(session, AuditQuery(action=TAG_ACTION, target=target, since=since, limit=1000))
            await tags.forget(session, place.repository.id, [Tag(piece.item.name)], now, SEEN_BY_US, name)
            await sum_up(session, place)
            if not any(line.target == target and line.outcome == ChangeState.DONE for line in lines.items):
                detail = {"settled": True, "outcome": {"state": ChangeState.DONE, "old_digest": piece.item.digest}}
                await audit.add(
                    session, self._order.actor, TAG_ACTION, target, now, outcome=ChangeState.DONE, detail=detail
                )
        tell(services, place)

    async def _settle(self, piece: Piece, state: ItemState, detail: str) -> None:
        async with self._services.database.write() as session:
            await jobs.settle(session, self._order.id, piece.item.position, state, detail)

    def _id(self, piece: Piece) -> str:
        return f"{self._order.id}.{piece.item.position}"
