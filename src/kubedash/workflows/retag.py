"""Pointing a tag at a manifest that the repository has, as a new tag or a move: the bytes go verbatim."""

from __future__ import annotations

from typing import Final

import msgspec

from kubedash.errors import Conflict, KubedashError, Moved, NotFound, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import SCHEMA1_TYPES
from kubedash.oci.reference import Reference, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.retagging import ABSENT, RetagFacts, plan_retag
from kubedash.records import ChangeOutcome, ChangeState, RetagPlan
from kubedash.storage import audit, manifests, tags
from kubedash.workflows.changing import SEEN_BY_US, Place, find_place, learn, note, sum_up, tell, turn
from kubedash.workflows.services import Services
from kubedash.workflows.settle_changes import settle_place
from kubedash.workflows.sync_manifests import explain

__all__ = ["ABSENT", "execute", "plan"]
ADD: Final = "tag.add"
MOVE: Final = "tag.move"
REMEMBERS: Final = (
    "It said that it took the manifest. Where its garbage was collected while it ran, it goes on remembering what is "
    "gone: restart the registry, and try again."
)


class Pointing(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is about to be pointed somewhere."""

    actor: Actor
    place: Place
    plan: RetagPlan
    action: str
    raw: bytes
    media_type: str


async def plan(services: Services, actor: Actor, registry: str, source: Reference, tag: Tag) -> RetagPlan:
    """What pointing `tag` at `source` would do, asked of the registry now; nothing is done.

    Raises `NotFound` where there is no such source, and the registry's error where it
    cannot be asked. A plan that is refused says so in `refused`.
    """
    access.require(actor, Permission.TAGS_WRITE)
    place = await find_place(services, registry, source.repository)
    await settle_place(services, place)
    return await _plan(services, place, source, tag)


async def execute(
    services: Services, actor: Actor, registry: str, source: Reference, tag: Tag, expected: str | None = None
) -> ChangeOutcome:
    """Points `tag` at `source`, if the tag still is what was shown.

    `expected` is the digest it pointed to, or `ABSENT` where it was new; None takes
    whatever is there. Raises `Moved` where that is not so any more, `Conflict` where the
    plan is refused, and as `plan` does; nothing is done then.
    """
    access.require(actor, Permission.TAGS_WRITE)
    place = await find_place(services, registry, source.repository)
    await settle_place(services, place)
    async with turn(services, place.repository.id) as renew:
        try:
            planned = await _plan(services, place, source, tag)
            require_unmoved(tag, expected, planned.old_digest)
            if planned.refused is not None:
                raise Conflict(planned.refused, hint=planned.remedy)
            found = await place.client.get_manifest(place.name, planned.digest)
        except (Conflict, RegistryError) as error:
            await note_refusal(services, actor, place, tag, error)
            raise
        await renew()
        action = MOVE if planned.moves else ADD
        pointing = Pointing(
            actor=actor, place=place, plan=planned, action=action, raw=found.raw, media_type=found.media_type
        )
        return await point(services, pointing)


def require_unmoved(tag: Tag, expected: str | None, found: Digest | None) -> None:
    """Raises `Moved` where the tag is not what was shown."""
    if expected is None or expected == (found or ABSENT):
        return
    before = "did not exist" if expected == ABSENT else f"led to {expected}"
    now = "does not exist" if found is None else f"leads to {found}"
    raise Moved(
        f"{tag} moved meanwhile: it {before} when this was planned, and {now} now. Nothing was done.",
        hint="Look at what it is now, and plan it anew.",
    )


async def _plan(services: Services, place: Place, source: Reference, tag: Tag) -> RetagPlan:
    head = await place.client.head_manifest(place.name, source.identifier)
    if head is None:
        raise NotFound(
            f"{place.registry.name}/{place.name} has no {'manifest' if source.digest else 'tag'} {source.identifier}.",
            hint="It may have been deleted or moved.",
        )
    old = await place.client.head_manifest(place.name, tag)
    # What the tag leads to now is kept first, so that it can be rolled back to.
    await learn(services, place, {head.digest, *((old.digest,) if old else ())})
    async with services.database.read() as session:
        record = await manifests.kept(session, head.digest)
        sharing = await tags.sharing(session, place.repository.id, old.digest) if old else ()
    facts = RetagFacts(
        registry=place.registry.name,
        repository=place.name,
        tag=tag,
        source=source.identifier,
        digest=head.digest,
        old_digest=old.digest if old else None,
        media_type=head.media_type,
        kind=record.kind if record else None,
        is_schema1=head.media_type in SCHEMA1_TYPES,
        leaves_untagged=bool(old) and set(sharing) <= {tag},
        protected_tags=place.registry.protected_tags,
    )
    return plan_retag(facts, services.clock())


async def point(services: Services, pointing: Pointing) -> ChangeOutcome:
    """Puts the bytes under the tag, sees that they are there, and records it. What goes wrong ends in the answer."""
    place, planned = pointing.place, pointing.plan
    error: RegistryError | None = None
    if planned.old_digest is not None:
        await note(services, place, ((planned.tag, planned.old_digest),))
    if not planned.nothing_to_do:
        try:
            await place.client.put_manifest(place.name, planned.tag, pointing.raw, pointing.media_type)
        except RegistryError as failure:
            error = failure
    outcome = await _judge(services, pointing, error)
    async with services.database.write() as session:
        if outcome.state is ChangeState.DONE:
            await manifests.link(session, place.repository.id, (planned.digest,))
            await tags.observe(
                session,
                place.repository.id,
                ((planned.tag, planned.digest),),
                outcome.at,
                SEEN_BY_US,
                pointing.actor.name,
            )
            await sum_up(session, place)
        await audit.add(
            session,
            pointing.actor,
            pointing.action,
            place.target(planned.tag),
            outcome.at,
            outcome=str(outcome.state),
            detail=_audit_detail(planned, outcome),
        )
    tell(services, place)
    return outcome


def _audit_detail(planned: RetagPlan, outcome: ChangeOutcome) -> dict[str, object]:
    return {
        "plan": {"source": planned.source, "digest": planned.digest, "old_digest": planned.old_digest},
        "outcome": {
            "state": outcome.state,
            "sentence": outcome.sentence,
            "digest": outcome.digest,
            "answered": outcome.detail,
            "hint": outcome.hint,
        },
    }


async def _judge(services: Services, pointing: Pointing, error: RegistryError | None) -> ChangeOutcome:
    """What the tag leads to now tells how it ended."""
    place, planned = pointing.place, pointing.plan
    state, found, detail = ChangeState.DONE, planned.old_digest, explain(error) if error else None
    try:
        head = await place.client.head_manifest(place.name, planned.tag)
        found = head.digest if head else None
        state = ChangeState.DONE if found == planned.digest else ChangeState.FAILED
    except RegistryError as failure:
        state, detail = ChangeState.UNKNOWN, detail or explain(failure)
    done = state is ChangeState.DONE
    return ChangeOutcome(
        action=pointing.action,
        registry=place.registry.name,
        repository=place.name,
        tag=planned.tag,
        digest=found,
        old_digest=planned.old_digest,
        state=state,
        sentence=_sentence(planned, state, found),
        verified=(planned.tag,) if done else (),
        restorable=done and planned.moves,
        detail=None if done else detail,
        hint=_hint(state, found, error),
        at=services.clock(),
    )


def _hint(state: ChangeState, found: Digest | None, error: RegistryError | None) -> str | None:
    if state is ChangeState.DONE:
        return None
    if error is None and state is ChangeState.FAILED and found is None:
        return REMEMBERS
    return error.hint if error else None


def _sentence(planned: RetagPlan, state: ChangeState, found: Digest | None) -> str:
    if state is ChangeState.UNKNOWN:
        return f"The registry stopped answering before it showed where {planned.tag} leads; the next refresh shows it."
    if state is ChangeState.FAILED:
        where = f"leads to {found}" if found else "does not exist"
        return f"The registry did not take it: {planned.tag} {where}."
    if planned.nothing_to_do:
        return f"{planned.tag} leads to {planned.digest} already."
    before = f", and led to {planned.old_digest} before" if planned.old_digest else ""
    return f"{planned.tag} leads to {planned.digest} now{before}."


async def note_refusal(services: Services, who: Actor, place: Place, tag: Tag, error: KubedashError) -> None:
    """A line of the audit trail for what was asked and not done."""
    state = "moved" if isinstance(error, Moved) else "refused" if isinstance(error, Conflict) else "failed"
    detail = {"reason": error.message, "answered": error.answered}
    async with services.database.write() as session:
        await audit.add(session, who, MOVE, place.target(tag), services.clock(), outcome=state, detail=detail)
