"""Deleting one tag, or one manifest by its digest: plan, show, plan again against the registry, act, verify, record.

Nothing but what the plan names goes. Whoever executes says which digest was shown to them;
where the tag has moved since, nothing is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from kubedash.errors import Conflict, KubedashError, Moved, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.deletion import PLAIN, DeletionChoices, plan_deletion
from kubedash.policy.deletion_words import INDEX_CHILD
from kubedash.records import ChangeOutcome, ChangeState, DeletionPlan, Orphan, Strategy
from kubedash.storage import audit, manifests, referrers, tag_history, tags
from kubedash.workflows.abilities import forget_abilities
from kubedash.workflows.changing import SEEN_BY_US, Place, find_place, note, sum_up, tell, turn
from kubedash.workflows.deletion_acts import Deed, Ending, act
from kubedash.workflows.deletion_checks import Spared, check_listing, check_siblings, remove_orphans
from kubedash.workflows.deletion_survey import Around, Surveyed, survey
from kubedash.workflows.services import Services
from kubedash.workflows.settle_changes import settle_place
from kubedash.workflows.sync_manifests import explain

TAG_ACTION: Final = "tag.delete"
MANIFEST_ACTION: Final = "manifest.delete"
MAX_NAMED: Final = 200
"""Names of one kind that an audit line repeats."""
__all__ = ["DeletionChoices", "Errand", "execute", "execute_in_turn", "plan"]


async def plan(
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    choices: DeletionChoices = PLAIN,
) -> DeletionPlan:
    """What deleting would do, asked of the registry now; nothing is done.

    A reference by tag means the tag alone; one by digest means the manifest with all of its
    tags. Raises `NotFound` where it is not there, and the registry's error where it cannot be
    asked. A plan that is refused says so in `refused`.
    """
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)
    place = await find_place(services, registry, reference.repository)
    await settle_place(services, place)
    surveyed = await survey(services, place, reference, choices)
    return plan_deletion(surveyed.facts, choices, services.clock())


async def execute(
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    expected: Digest | None = None,
    choices: DeletionChoices = PLAIN,
) -> ChangeOutcome:
    """Deletes it, if it still is what was shown (`expected`; None: whatever is there), and says how it ended.

    What the registry refuses or breaks off is in the outcome's `state`, not raised. Raises
    `Moved` where `expected` is not there any more, `Conflict` where the plan is refused,
    `NotFound` where it is gone, and the registry's error where it cannot even be asked; nothing
    is done then.
    """
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)
    place = await find_place(services, registry, reference.repository)
    await settle_place(services, place)
    async with turn(services, place.repository.id) as renew:
        return await execute_in_turn(
            services, actor, place, Errand(reference=reference, expected=expected, choices=choices), renew
        )


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One deletion, for whoever has the repository's turn already."""

    reference: Reference
    expected: Digest | None = None
    choices: DeletionChoices = PLAIN
    around: Around | None = None
    """Every tag of the repository and where it led moments ago; None: ask."""
    id: str | None = None
    """Under which it is written down until it is known how it ended."""


async def execute_in_turn(
    services: Services, actor: Actor, place: Place, errand: Errand, renew: Callable[[], Awaitable[None]]
) -> ChangeOutcome:
    """As `execute`, in a turn that was taken already; `renew` makes it last longer."""
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)
    reference, choices = errand.reference, errand.choices
    try:
        surveyed = await survey(services, place, reference, choices, errand.around)
        planned = plan_deletion(surveyed.facts, choices, services.clock())
        _require_unmoved(reference, errand.expected, surveyed.facts.digest)
        if planned.refused is not None:
            raise Conflict(planned.refused, hint=planned.remedy)
    except (Conflict, RegistryError) as error:
        # A job asks again when the registry answers; that is one attempt, not two.
        if errand.id is None or not getattr(error, "temporary", False):
            await _note_refusal(services, actor, place, reference, error)
        raise
    await renew()
    async with services.database.read() as session:
        record = await manifests.kept(session, surveyed.facts.digest)
        known = await tags.sharing(session, place.repository.id, surveyed.facts.digest)
    # A tag that no crawl has seen yet must have a history to be restored from.
    unseen = sorted({*planned.removes, *planned.spares} - set(known))
    if unseen:
        await note(services, place, [(tag, surveyed.facts.digest) for tag in unseen])
    deed = Deed(
        services=services,
        actor=actor,
        place=place,
        plan=planned,
        digest=surveyed.facts.digest,
        record=record,
        id=errand.id or uuid.uuid4().hex,
    )
    return await _carry_out(deed, surveyed)


def _require_unmoved(reference: Reference, expected: Digest | None, found: Digest) -> None:
    if expected is not None and expected != found:
        raise Moved(
            f"{reference} moved meanwhile: it led to {expected} when this was planned, and leads to {found} now. "
            "Nothing was done.",
            hint="Look at what it is now, and plan it anew.",
        )


async def _carry_out(deed: Deed, surveyed: Surveyed) -> ChangeOutcome:
    services, place, planned, digest, record = deed.services, deed.place, deed.plan, deed.digest, deed.record
    ending = await act(deed)
    if ending.state is not ChangeState.DONE:
        if planned.strategy is Strategy.NATIVE and ending.state is ChangeState.FAILED:
            await forget_abilities(services, place.registry)
        return await _conclude(deed, ending, Spared(), ())
    spared = await check_siblings(place, planned.spares, digest, record)
    if planned.strategy is Strategy.DIGEST:
        spared = await _after_digest(deed, surveyed.listing, spared)
    went: tuple[Orphan, ...] = ()
    left: tuple[Orphan, ...] = ()
    if planned.take_orphans:
        went, left, problem = await remove_orphans(place, planned.orphans, planned.capabilities)
        spared = _with_problem(spared, problem)
    await _forget(deed, went)
    return await _conclude(deed, ending, spared, left)


async def _after_digest(deed: Deed, listing: frozenset[Tag], spared: Spared) -> Spared:
    """Tags that somebody pushed, deleted or moved at the same moment."""
    try:
        seen = await check_listing(deed.place, listing, deed.plan.removes, deed.record)
    except RegistryError as error:
        return _with_problem(spared, explain(error))
    repaired = (*spared.repaired, *seen.repaired)
    return _with_problem(msgspec.structs.replace(spared, repaired=repaired), seen.problem)


def _with_problem(spared: Spared, problem: str | None) -> Spared:
    found = "; ".join(filter(None, (spared.problem, problem)))
    return msgspec.structs.replace(spared, problem=found or None)


async def _forget(deed: Deed, orphans: tuple[Orphan, ...]) -> None:
    """The index shows at once what the registry has now; bytes and history stay."""
    services, place, planned = deed.services, deed.place, deed.plan
    now, repository_id = services.clock(), place.repository.id
    gone = {orphan.digest for orphan in orphans}
    if planned.strategy is Strategy.DIGEST:
        gone.add(deed.digest)
    machine = [orphan.tag for orphan in orphans if orphan.tag is not None]
    async with services.database.write() as session:
        names: list[Tag] = [*planned.removes, *machine]
        await tags.forget(session, repository_id, names, now, SEEN_BY_US, deed.actor.name)
        await tag_history.claim(session, repository_id, names, planned.planned_at, SEEN_BY_US, deed.actor.name)
        await manifests.unlink(session, repository_id, gone)
        await referrers.forget(session, repository_id, gone)
        await sum_up(session, place)


async def _conclude(deed: Deed, ending: Ending, spared: Spared, left: tuple[Orphan, ...]) -> ChangeOutcome:
    planned, place = deed.plan, deed.place
    done = ending.state is ChangeState.DONE
    taken = [orphan for orphan in planned.orphans if orphan not in left] if done and planned.take_orphans else []
    outcome = ChangeOutcome(
        action=TAG_ACTION if planned.tag else MANIFEST_ACTION,
        registry=place.registry.name,
        repository=place.name,
        tag=planned.tag,
        digest=None if done else deed.digest,
        old_digest=deed.digest,
        state=ending.state,
        sentence=_sentence(planned, ending, spared),
        strategy=planned.strategy,
        removed=planned.removes if done else (),
        verified=spared.verified,
        repaired=spared.repaired,
        orphans_removed=tuple(orphan.digest for orphan in taken),
        orphans_left=tuple(orphan.digest for orphan in left),
        restorable=done and deed.record is not None,
        detail=ending.detail or spared.problem,
        hint=ending.hint,
        at=deed.services.clock(),
    )
    await _record(deed, outcome)
    tell(deed.services, place)
    return outcome


def _sentence(planned: DeletionPlan, ending: Ending, spared: Spared) -> str:
    parts = [ending.sentence]
    if spared.verified:
        many = len(spared.verified)
        told = (
            "1 other tag of the digest still resolves to it."
            if many == 1
            else f"{many} other tags of the digest still resolve to it."
        )
        parts.append(told)
    if spared.repaired:
        parts.append(f"The registry had dropped {', '.join(spared.repaired)}; put back.")
    if spared.problem:
        parts.append(f"Not all could be seen to: {spared.problem}.")
    return " ".join(parts)


async def _record(deed: Deed, outcome: ChangeOutcome) -> None:
    target = deed.place.target(deed.plan.tag or deed.digest)
    taken = [orphan for orphan in deed.plan.orphans if orphan.digest in set(outcome.orphans_removed)]
    detail = {"plan": _plan_detail(deed.plan), "outcome": _outcome_detail(outcome, taken)}
    async with deed.services.database.write() as session:
        await audit.add(
            session, deed.actor, outcome.action, target, outcome.at, outcome=str(outcome.state), detail=detail
        )


def _plan_detail(planned: DeletionPlan) -> dict[str, object]:
    """What an audit line keeps of a plan: enough to see what was decided, and on what."""
    attached = [orphan for orphan in planned.orphans if orphan.attached_by != INDEX_CHILD]
    return {
        "strategy": planned.strategy,
        "digest": planned.digest,
        "removes": planned.removes[:MAX_NAMED],
        "spares": planned.spares[:MAX_NAMED],
        "parents": planned.parents[:MAX_NAMED],
        "orphans": [orphan.digest for orphan in attached[:MAX_NAMED]],
        "take_orphans": planned.take_orphans,
        "bytes_freed": planned.bytes_freed,
    }


def _outcome_detail(outcome: ChangeOutcome, taken: list[Orphan]) -> dict[str, object]:
    return {
        "state": outcome.state,
        "sentence": outcome.sentence,
        "old_digest": outcome.old_digest,
        "verified": outcome.verified[:MAX_NAMED],
        "repaired": outcome.repaired,
        "taken": [(orphan.digest, orphan.tag) for orphan in taken[:MAX_NAMED]],
        "orphans_left": outcome.orphans_left[:MAX_NAMED],
        "answered": outcome.detail,
        "hint": outcome.hint,
    }


async def _note_refusal(
    services: Services, actor: Actor, place: Place, reference: Reference, error: KubedashError
) -> None:
    action = TAG_ACTION if reference.tag else MANIFEST_ACTION
    state = "moved" if isinstance(error, Moved) else "refused" if isinstance(error, Conflict) else "failed"
    async with services.database.write() as session:
        await audit.add(
            session,
            actor,
            action,
            place.target(reference.identifier),
            services.clock(),
            outcome=state,
            detail={"reason": error.message, "answered": error.answered},
        )
