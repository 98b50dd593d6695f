"""The act itself: one tag or manifest goes, or everything is as before, and the answer says which.

Before anything is sent, what is about to happen is written down. Where the registry stops
answering half way, the line stays, and `settle_changes` makes it good when it answers again.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.policy.access import Actor
from kubedash.policy.deletion_words import disabled_remedy
from kubedash.policy.placeholder import Placeholder, make_placeholder
from kubedash.records import ChangeState, DeleteAbility, DeletionPlan, ManifestRecord, Strategy
from kubedash.registry.errors import Absent
from kubedash.storage import changes
from kubedash.workflows.abilities import try_deleting
from kubedash.workflows.changing import Place
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import explain

BUSY: Final = timedelta(minutes=3)
"""How long a change is left to whoever is at it."""
NOTHING_CHANGED: Final = "Nothing was changed."


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the act ended, as far as the registry showed."""

    state: ChangeState
    sentence: str
    detail: str | None = None
    hint: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody has to look again when the registry answers."""
        return self.state in (ChangeState.UNDO_PENDING, ChangeState.UNKNOWN)


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to do it."""

    services: Services
    actor: Actor
    place: Place
    plan: DeletionPlan
    digest: Digest
    record: ManifestRecord | None
    """The kept bytes of what goes."""
    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)


async def act(deed: Deed) -> Ending:
    """Does what the plan says. What the registry refuses or breaks off ends in the answer, never in an error."""
    tag = deed.plan.tag
    if deed.plan.strategy is Strategy.PLACEHOLDER and tag is not None and deed.record is not None:
        return await _by_placeholder(deed, tag, deed.record)
    await _write_down(deed, None)
    error = None
    try:
        await _send(deed)
    except Absent:
        # It went by itself, which is as good; how it looks now is asked next.
        error = None
    except RegistryError as failure:
        error = failure
    ending = await _judge(deed, error)
    await _close(deed, ending)
    return ending


async def _send(deed: Deed) -> None:
    plan, client, name = deed.plan, deed.place.client, deed.place.name
    if plan.strategy is Strategy.HARBOR and plan.tag is not None:
        await client.delete_harbor_tag(name, plan.tag)
    elif plan.strategy is Strategy.NATIVE and plan.tag is not None:
        await client.delete_manifest(name, plan.tag)
    else:
        await client.delete_manifest(name, deed.digest)


async def _judge(deed: Deed, error: RegistryError | None) -> Ending:
    """What is there now tells how it ended, whatever the answer was."""
    identifier = deed.plan.tag or deed.digest
    try:
        head = await deed.place.client.head_manifest(deed.place.name, identifier)
    except RegistryError as failure:
        return Ending(
            state=ChangeState.UNKNOWN,
            sentence="The registry stopped answering before it showed whether it is gone; it is asked until it does.",
            detail=explain(error or failure),
        )
    if head is None:
        return Ending(state=ChangeState.DONE, sentence=f"{identifier} is gone.")
    if error is not None:
        return Ending(
            state=ChangeState.FAILED,
            sentence=f"The registry did not delete it. {NOTHING_CHANGED}",
            detail=explain(error),
            hint=error.hint,
        )
    if head.digest != deed.digest:
        return _pushed_again(identifier, head.digest)
    return Ending(
        state=ChangeState.FAILED,
        sentence=f"The registry said that it deletes {identifier}, and still has it.",
        hint="Some registries finish later: look again in a minute.",
    )


def _pushed_again(identifier: str, digest: Digest) -> Ending:
    return Ending(
        state=ChangeState.DONE,
        sentence=f"{identifier} was deleted, and somebody has pushed it again since: it leads to {digest} now.",
    )


async def _by_placeholder(deed: Deed, tag: Tag, record: ManifestRecord) -> Ending:
    """Moves the tag to a manifest of its own and deletes that; on any doubt what was there is put back."""
    made = make_placeholder(tag, record.media_type, deed.services.clock(), deed.id)
    try:
        refusal = await _prepare(deed, tag, made)
    except RegistryError as error:
        return _unchanged("The registry did not take the placeholder.", error)
    if refusal is not None:
        return refusal
    await _write_down(deed, made.digest)
    ending = await _swap_and_delete(deed, tag, record, made)
    await _close(deed, ending)
    return ending


async def _prepare(deed: Deed, tag: Tag, made: Placeholder) -> Ending | None:
    """All that can be found out and sent before the tag is touched; why not to go on, if there is a reason."""
    client, name = deed.place.client, deed.place.name
    ability, detail = await try_deleting(client, name)
    if ability is not DeleteAbility.ENABLED:
        able = deed.plan.capabilities
        return Ending(
            state=ChangeState.FAILED,
            sentence=f"The registry does not delete here. {NOTHING_CHANGED}",
            detail=detail,
            hint=disabled_remedy(able) if able and ability is DeleteAbility.DISABLED else None,
        )
    await client.push_blob(name, made.layer)
    await client.push_blob(name, made.config)
    head = await client.head_manifest(name, tag)
    if head is None:
        return Ending(state=ChangeState.DONE, sentence=f"{tag} is gone: somebody else was faster.")
    if head.digest != deed.digest:
        return Ending(
            state=ChangeState.FAILED,
            sentence=f"Somebody moved {tag} to {head.digest} just now. {NOTHING_CHANGED}",
            hint="Plan it anew.",
        )
    return None


async def _swap_and_delete(deed: Deed, tag: Tag, record: ManifestRecord, made: Placeholder) -> Ending:
    client, name = deed.place.client, deed.place.name
    try:
        await client.put_manifest(name, tag, made.manifest, made.media_type)
        head = await client.head_manifest(name, tag)
        if head is not None and head.digest == made.digest:
            await client.delete_manifest(name, made.digest)
            head = await client.head_manifest(name, tag)
            if head is None:
                return Ending(state=ChangeState.DONE, sentence=f"{tag} is gone.")
            if head.digest not in (made.digest, deed.digest):
                return _pushed_again(tag, head.digest)
    except RegistryError as error:
        return await take_back(deed.place, tag, record, made.digest, error)
    return await take_back(deed.place, tag, record, made.digest, None)


async def take_back(
    place: Place, tag: Tag, record: ManifestRecord, placeholder: Digest, error: RegistryError | None
) -> Ending:
    """Looks what is under the tag, and puts the original back where it is the placeholder."""
    detail = explain(error) if error else None
    hint = error.hint if error else None
    try:
        head = await place.client.head_manifest(place.name, tag)
        if head is not None and head.digest == placeholder:
            await place.client.put_manifest(place.name, tag, record.raw, record.media_type)
            head = await place.client.head_manifest(place.name, tag)
    except RegistryError as failure:
        return Ending(
            state=ChangeState.UNDO_PENDING,
            sentence=(
                f"The registry stopped answering half way: {tag} may lead to an empty placeholder. What was there "
                "before is put back as soon as the registry answers."
            ),
            detail=detail or explain(failure),
            hint=hint,
        )
    if head is None:
        return Ending(state=ChangeState.DONE, sentence=f"{tag} is gone.", detail=detail)
    if head.digest == record.digest:
        await _sweep(place, placeholder)
        return Ending(
            state=ChangeState.UNDONE,
            sentence=f"The registry did not delete {tag}. Everything is as it was before.",
            detail=detail,
            hint=hint,
        )
    if head.digest == placeholder:
        return Ending(
            state=ChangeState.UNDO_PENDING,
            sentence=f"{tag} leads to an empty placeholder; what was there before is put back as soon as possible.",
            detail=detail,
            hint=hint,
        )
    await _sweep(place, placeholder)
    return Ending(
        state=ChangeState.UNDONE,
        sentence=f"Somebody pushed {tag} meanwhile, so it was left alone: it leads to {head.digest}.",
        detail=detail,
    )


async def _sweep(place: Place, placeholder: Digest) -> bool:
    """Takes the placeholder away that no tag leads to any more. It harms nobody where it has to stay."""
    try:
        await place.client.delete_manifest(place.name, placeholder)
    except RegistryError:
        return False
    return True


def _unchanged(sentence: str, error: RegistryError) -> Ending:
    return Ending(
        state=ChangeState.FAILED, sentence=f"{sentence} {NOTHING_CHANGED}", detail=explain(error), hint=error.hint
    )


async def _write_down(deed: Deed, placeholder: Digest | None) -> None:
    """So that a process that dies from here on leaves a trace to follow. A manifest without a tag leaves none."""
    if deed.plan.tag is None:
        return
    now = deed.services.clock()
    row = changes.Unfinished(
        id=deed.id,
        registry_id=deed.place.registry.id,
        repository_id=deed.place.repository.id,
        repository=deed.place.name,
        tag=deed.plan.tag,
        digest=deed.digest,
        placeholder=placeholder,
        actor=deed.actor.name,
        begun_at=now,
        problem=None,
    )
    async with deed.services.database.write() as session:
        await changes.begin(session, row, now + BUSY)


async def _close(deed: Deed, ending: Ending) -> None:
    async with deed.services.database.write() as session:
        if ending.is_open:
            await changes.postpone(session, deed.id, deed.services.clock(), ending.detail)
        else:
            await changes.end(session, deed.id)
