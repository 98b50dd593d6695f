"""How a change of a tag or manifest ended, read from the audit trail: its page can be opened again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from kubedash.errors import NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import AuditEntry, ChangeOutcome, ChangeState, Record
from kubedash.storage import audit, manifests, repositories, tags
from kubedash.storage.database import ReadSession
from kubedash.workflows import delete_tag, restore, retag
from kubedash.workflows.changing import target_of
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services
from kubedash.workflows.work import text_subclass

_DELETING: Final = (delete_tag.TAG_ACTION, delete_tag.MANIFEST_ACTION)
_POINTING: Final = (retag.ADD, retag.MOVE, restore.ACTION)


class ChangeResult(Record, frozen=True, kw_only=True):
    """A change as it ended, and what is there now."""

    outcome: ChangeOutcome
    now: Digest | None
    """What the tag leads to as far as is known here; None where it is not there, and for a manifest."""


class _Plan(msgspec.Struct, frozen=True):
    """As much of a recorded plan as its result repeats."""

    digest: Digest | None = None
    old_digest: Digest | None = None
    removes: tuple[Tag, ...] = ()


class _Ending(msgspec.Struct, frozen=True):
    state: ChangeState
    sentence: str
    digest: Digest | None = None
    old_digest: Digest | None = None
    verified: tuple[Tag, ...] = ()
    repaired: tuple[Tag, ...] = ()
    taken: tuple[tuple[Digest, Tag | None], ...] = ()
    orphans_left: tuple[Digest, ...] = ()
    answered: str | None = None
    hint: str | None = None


class _Detail(msgspec.Struct, frozen=True):
    outcome: _Ending
    plan: _Plan = _Plan()


async def open_deletion_result(
    services: Services, actor: Actor, registry: str, reference: Reference, at: datetime
) -> ChangeResult:
    """How the deletion of that moment ended. Raises `NotFound` where none is recorded."""
    access.require(actor, Permission.TAGS_DELETE)
    return await _open(services, registry, reference, _DELETING, at)


async def open_pointing_result(
    services: Services, actor: Actor, registry: str, reference: Reference, at: datetime
) -> ChangeResult:
    """How adding, moving or restoring the tag at that moment ended. Raises `NotFound` where nothing is recorded."""
    access.require(actor, Permission.TAGS_WRITE)
    return await _open(services, registry, reference, _POINTING, at)


async def _open(
    services: Services, registry: str, reference: Reference, actions: tuple[str, ...], at: datetime
) -> ChangeResult:
    target = target_of(registry, reference.repository, reference.identifier)
    async with services.database.read() as session:
        owner = await registry_named(session, registry)
        entry = await audit.line_at(session, actions, target, at)
        detail = _detail_of(entry) if entry else None
        if entry is None or detail is None:
            raise NotFound(
                f"No such change of {target} is recorded for that moment.", hint="The history of the tag may show it."
            )
        entry, detail = await _as_settled(session, entry, detail)
        now = await _now(session, owner.id, reference)
        before = _before(detail)
        kept = await manifests.kept(session, before) if before else None
    outcome = _outcome(entry, detail, registry, reference)
    may_return = outcome.state is ChangeState.DONE and reference.tag is not None and now is None and kept is not None
    return ChangeResult(outcome=msgspec.structs.replace(outcome, restorable=may_return), now=now)


def _detail_of(entry: AuditEntry) -> _Detail | None:
    """None for a line that tells of no outcome: it was refused."""
    try:
        return msgspec.convert(entry.detail, _Detail, dec_hook=text_subclass)
    except msgspec.ValidationError:
        return None


async def _as_settled(session: ReadSession, entry: AuditEntry, detail: _Detail) -> tuple[AuditEntry, _Detail]:
    """What broke off half way is looked after until it is known how it ended: that is told then."""
    if detail.outcome.state in (ChangeState.UNDO_PENDING, ChangeState.UNKNOWN):
        later = await audit.next_line(session, entry)
        settled = _detail_of(later) if later and later.detail.get("settled") else None
        if later and settled:
            return later, msgspec.structs.replace(settled, plan=detail.plan)
    return entry, detail


async def _now(session: ReadSession, registry_id: int, reference: Reference) -> Digest | None:
    found = await repositories.find(session, registry_id, reference.repository)
    row = await tags.find(session, found.id, reference.tag) if found and reference.tag else None
    return row.digest if row else None


def _before(detail: _Detail) -> Digest | None:
    """What the tag led to."""
    return detail.outcome.old_digest or detail.plan.old_digest


def _outcome(entry: AuditEntry, detail: _Detail, registry: str, reference: Reference) -> ChangeOutcome:
    told, done = detail.outcome, detail.outcome.state is ChangeState.DONE
    deleted = entry.action in _DELETING
    return ChangeOutcome(
        action=entry.action,
        registry=registry,
        repository=RepositoryName(reference.repository),
        tag=reference.tag,
        digest=told.old_digest if deleted and not done else told.digest,
        old_digest=_before(detail),
        state=told.state,
        sentence=told.sentence,
        removed=detail.plan.removes if done else (),
        verified=told.verified,
        repaired=told.repaired,
        orphans_removed=tuple(digest for digest, _ in told.taken),
        orphans_left=told.orphans_left,
        detail=told.answered,
        hint=told.hint,
        at=entry.at,
    )
