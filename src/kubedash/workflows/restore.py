"""Giving a tag back what it pointed to: a deleted tag, or a roll-back to an earlier digest.

The manifest's bytes are kept here. Its layers are not: the registry must still have them,
and where its garbage collection was faster, the answer names what is missing.
"""

from __future__ import annotations

from typing import Final

from kubedash.errors import Conflict, NotFound, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.retagging import RetagFacts, plan_retag
from kubedash.records import ChangeOutcome, ChangeState, ManifestRecord, RetagPlan
from kubedash.storage import manifests, tag_history, tags
from kubedash.workflows.changing import Place, find_place, learn, sum_up, turn
from kubedash.workflows.restore_attachments import put_attachments
from kubedash.workflows.retag import Pointing, note_refusal, point, require_unmoved
from kubedash.workflows.services import Services
from kubedash.workflows.settle_changes import settle_place
from kubedash.workflows.stock import Inventory, take_stock

ACTION: Final = "tag.restore"


async def plan(
    services: Services, actor: Actor, registry: str, reference: Reference, digest: Digest | None = None
) -> RetagPlan:
    """What restoring the tag of `reference` would do; `digest` None means what it pointed to last.

    Raises `NotFound` where the tag never pointed there as far as is known, and the registry's
    error where it cannot be asked. Where parts are gone the plan is refused and names them.
    """
    access.require(actor, Permission.TAGS_WRITE)
    place = await find_place(services, registry, reference.repository)
    await settle_place(services, place)
    planned, _, _ = await _plan(services, place, _tag_of(reference), digest)
    return planned


async def restore_tag(
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    digest: Digest | None = None,
    expected: str | None = None,
) -> ChangeOutcome:
    """Puts the tag back, if it still is what was shown (see `retag.execute`), and says how it ended."""
    access.require(actor, Permission.TAGS_WRITE)
    place = await find_place(services, registry, reference.repository)
    await settle_place(services, place)
    tag = _tag_of(reference)
    async with turn(services, place.repository.id) as renew:
        try:
            planned, record, inventory = await _plan(services, place, tag, digest)
            require_unmoved(tag, expected, planned.old_digest)
            if planned.refused is not None:
                raise Conflict(planned.refused, hint=planned.remedy)
            await renew()
            await _put_entries(services, place, inventory, record.digest)
        except (Conflict, RegistryError) as error:
            await note_refusal(services, actor, place, tag, error)
            raise
        pointing = Pointing(
            actor=actor, place=place, plan=planned, action=ACTION, raw=record.raw, media_type=record.media_type
        )
        outcome = await point(services, pointing)
        if outcome.state is not ChangeState.DONE:
            return outcome
        return await put_attachments(services, place, outcome)


def _tag_of(reference: Reference) -> Tag:
    if reference.tag is None:
        raise NotFound("A tag is restored by its name.", hint="Name the tag, and the digest that it shall lead to.")
    return reference.tag


async def _plan(
    services: Services, place: Place, tag: Tag, digest: Digest | None
) -> tuple[RetagPlan, ManifestRecord, Inventory]:
    head = await place.client.head_manifest(place.name, tag)
    old = head.digest if head else None
    wanted, record = await _kept(services, place, tag, digest, old)
    inventory = Inventory()
    if old is not None:
        # What the tag leads to now is kept first, so that this can be undone as well.
        await learn(services, place, {old})
    if wanted != old:
        await take_stock(services, place, record, inventory)
    async with services.database.read() as session:
        sharing = await tags.sharing(session, place.repository.id, old) if old else ()
    facts = RetagFacts(
        registry=place.registry.name,
        repository=place.name,
        tag=tag,
        source=tag,
        digest=wanted,
        old_digest=old,
        media_type=record.media_type,
        kind=record.kind,
        is_schema1=False,
        leaves_untagged=old is not None and set(sharing) <= {tag},
        protected_tags=place.registry.protected_tags,
        missing=tuple(sorted(inventory.missing)),
        children=tuple(entry.digest for entry in inventory.absent if entry.digest != wanted),
    )
    return plan_retag(facts, services.clock()), record, inventory


async def _kept(
    services: Services, place: Place, tag: Tag, digest: Digest | None, now: Digest | None
) -> tuple[Digest, ManifestRecord]:
    """The digest to go back to, and its bytes. Only what the tag is known to have pointed to."""
    async with services.database.read() as session:
        lines = await tag_history.of_tag(session, place.repository.id, tag)
        wanted = digest or next((line.digest for line in lines if line.digest != now), None)
        known = any(line.digest == wanted for line in lines)
        record = await manifests.kept(session, wanted) if wanted and known else None
    target = place.target(tag)
    if wanted is None or not known:
        raise NotFound(
            f"{target} is not known to have led {'there' if digest else 'anywhere else'}.",
            hint="Its history lists what it is known to have led to.",
        )
    if record is None:
        raise NotFound(f"The bytes of {wanted} are not kept here.", hint="Push the image again.")
    return wanted, record


async def _put_entries(services: Services, place: Place, inventory: Inventory, root: Digest) -> None:
    """What an index needs is there before the index itself."""
    put = []
    for entry in inventory.absent:
        if entry.digest != root:
            await place.client.put_manifest(place.name, entry.digest, entry.raw, entry.media_type)
            put.append(entry.digest)
    if put:
        async with services.database.write() as session:
            await manifests.link(session, place.repository.id, put)
            await sum_up(session, place)
