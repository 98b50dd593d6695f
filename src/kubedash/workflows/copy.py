"""Copy or promote an image, index, chart or artifact with its attachments to another place.

Planned against both registries as they are now, then run as a durable job
(`copy_run`): verbatim bytes, so digests and signatures stay what they are.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubedash.errors import Conflict, InvalidInput, NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy import access, copying
from kubedash.policy.access import Actor, Permission
from kubedash.policy.protection import PROTECTION_REMEDY, protection_refusal
from kubedash.records import Job, Record, Registry
from kubedash.records.copies import CopyJob, CopyOutcome, CopyPart, CopyPlan
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import Absent
from kubedash.storage import jobs
from kubedash.workflows.connections import client_of
from kubedash.workflows.copy_walk import Found, Origin, look_up
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services
from kubedash.workflows.sync_tools import each_or_first
from kubedash.workflows.work import COPY, new_order, plain, text_subclass

LOOK_WORKERS: Final = 8
MAX_BROKEN_SHOWN: Final = 3


class CopyRequest(Record, frozen=True, kw_only=True):
    """What to copy, and where to."""

    source_registry: str
    source: Reference
    registry: str
    repository: RepositoryName
    tag: Tag
    attachments: bool = True


class CopySpec(Record, frozen=True, kw_only=True):
    """What the job was asked for; the source is pinned to its digest."""

    source_registry_id: int
    source_registry: str
    source_repository: RepositoryName
    source: str
    digest: Digest
    registry_id: int
    registry: str
    repository: RepositoryName
    tag: Tag
    old_digest: Digest | None
    attachments: bool

    @property
    def mounts(self) -> bool:
        return self.source_registry_id == self.registry_id


async def plan(services: Services, actor: Actor, request: CopyRequest) -> CopyPlan:
    """What the copy would do; nothing is changed.

    Raises `NotFound` for an unknown registry, `Absent` where the source is not there,
    `InvalidInput` for a copy onto itself.
    """
    access.require(actor, Permission.TAGS_WRITE)
    return (await _plan(services, request))[0]


async def execute(
    services: Services,
    actor: Actor,
    request: CopyRequest,
    *,
    digest: Digest | None = None,
    expected: Digest | None = None,
) -> Job:
    """Plan anew and queue the copy.

    `digest` is what the source has to be still; `expected` is what the target's tag was
    seen to point to, and has to be given where it would be overwritten. Raises `Conflict`
    where either is something else now, with both digests, and where the plan refuses.
    """
    access.require(actor, Permission.TAGS_WRITE)
    found, spec = await _plan(services, request)
    if found.refused is not None:
        raise Conflict(found.refused, hint=found.remedy)
    if digest is not None and digest != found.digest:
        raise Conflict(
            f"{request.source} has moved: it was {digest} and is {found.digest} now. Nothing was copied.",
            hint="Look at the plan again.",
        )
    if found.overwrites and expected != found.old_digest:
        raise _unconfirmed(found, expected)
    key = f"{COPY} {spec.registry}/{spec.repository}:{spec.tag}"
    return await services.jobs.begin(new_order(actor, COPY, key, (spec.registry, spec.repository), plain(spec)))


async def open_copy(services: Services, actor: Actor, job_id: str) -> CopyJob:
    """A copy as it stands. Raises `NotFound`."""
    access.require(actor, Permission.JOBS_READ)
    job = await services.jobs.find(job_id) if job_id.isprintable() else None
    if job is None or job.kind != COPY:
        raise NotFound(f"No copy has the id {job_id[:80]!r}.", hint="Ended jobs are forgotten after some weeks.")
    async with services.database.read() as session:
        order = await jobs.order(session, job_id)
        result = await jobs.result(session, job_id)
    if order is None:
        raise NotFound(f"No copy has the id {job_id[:80]!r}.")
    spec = spec_of(order.spec)
    return CopyJob(
        job=job,
        source_registry=spec.source_registry,
        source_repository=spec.source_repository,
        source=spec.source,
        digest=spec.digest,
        registry=spec.registry,
        repository=spec.repository,
        tag=spec.tag,
        old_digest=spec.old_digest,
        outcome=None if result is None else msgspec.convert(result, CopyOutcome, dec_hook=text_subclass),
    )


def spec_of(kept: dict[str, Any]) -> CopySpec:
    """The specification of a copy's order."""
    return msgspec.convert(kept, CopySpec, dec_hook=text_subclass)


async def _plan(services: Services, request: CopyRequest) -> tuple[CopyPlan, CopySpec]:
    async with services.database.read() as session:
        source = await registry_named(session, request.source_registry)
        target = await registry_named(session, request.registry)
    same_place = source.id == target.id and request.source.repository == request.repository
    if same_place and request.source.tag == request.tag:
        raise InvalidInput("Source and target are the same tag.", fields={"target_tag": "choose another one"})
    source_client, target_client = await client_of(services, source.id), await client_of(services, target.id)
    found = await _look_up(Origin(services, source_client, request.source.repository), request)
    head = await target_client.head_manifest(request.repository, request.tag)
    pieces = copying.arrange(found.parts.values(), found.also, found.loose.values(), request.tag)
    blobs = [piece for piece in pieces if piece.what == "blob"]
    there = await _there(target_client, request.repository, blobs)
    old = head.digest if head else None
    refused, remedy = _refusal(found, target, request.tag, old)
    missing = [piece for piece in blobs if piece.digest not in there]
    plan = CopyPlan(
        source_registry=source.name,
        source_repository=request.source.repository,
        source=request.source.identifier,
        digest=found.root.digest,
        media_type=found.root.media_type,
        kind=found.root.kind,
        registry=target.name,
        repository=request.repository,
        tag=request.tag,
        old_digest=old,
        overwrites=old not in (None, found.root.digest),
        nothing_to_do=old == found.root.digest and not missing and len(found.parts) == 1,
        mounts=source.id == target.id,
        parts=tuple(map(_part, found.parts.values())),
        blobs=len(blobs),
        bytes_total=_bytes(blobs),
        blobs_there=len(there),
        bytes_to_move=0 if source.id == target.id else _bytes(missing),
        foreign_layers=sum(map(copying.foreign_layers, found.parts.values())),
        attachments=request.attachments,
        warnings=_warnings(found),
        refused=refused,
        remedy=remedy,
        planned_at=services.clock(),
    )
    spec = CopySpec(
        source_registry_id=source.id,
        source_registry=source.name,
        source_repository=request.source.repository,
        source=request.source.identifier,
        digest=plan.digest,
        registry_id=target.id,
        registry=target.name,
        repository=request.repository,
        tag=request.tag,
        old_digest=old,
        attachments=request.attachments,
    )
    return plan, spec


async def _look_up(origin: Origin, request: CopyRequest) -> Found:
    try:
        return await look_up(origin, request.source.identifier, attachments=request.attachments)
    except Absent as error:
        error.hint = f"{request.source_registry} has no {request.source} now. Look for it in the list of tags."
        raise


async def _there(client: RegistryClient, repository: RepositoryName, blobs: list[copying.Piece]) -> set[Digest]:
    """Those of the blobs that the target has already."""
    there: set[Digest] = set()

    async def look(piece: copying.Piece) -> None:
        if await client.blob_size(repository, piece.digest) is not None:
            there.add(piece.digest)

    await each_or_first(blobs, look, LOOK_WORKERS)
    return there


def _refusal(found: Found, target: Registry, tag: Tag, old: Digest | None) -> tuple[str | None, str | None]:
    """Why it cannot be done, and what to change."""
    if found.broken:
        named = ", ".join(digest.short for digest in found.broken[:MAX_BROKEN_SHOWN])
        return (
            f"The source is broken: it names {len(found.broken)} manifests that its registry no longer has ({named}).",
            "Push the missing parts again, or copy the parts that are there by their digests.",
        )
    reason = next(filter(None, map(copying.refusal, found.parts.values())), None)
    if reason is not None:
        return reason, None
    if old not in (None, found.root.digest):
        protected = protection_refusal(tag, target.protected_tags, "overwritten")
        return protected, None if protected is None else PROTECTION_REMEDY
    return None, None


def _warnings(found: Found) -> tuple[str, ...]:
    foreign = sum(map(copying.foreign_layers, found.parts.values()))
    if not foreign:
        return tuple(found.warnings)
    return (*found.warnings, f"{foreign} layers come from elsewhere by their address and are not copied.")


def _unconfirmed(found: CopyPlan, expected: Digest | None) -> Conflict:
    place = f"{found.registry}/{found.repository}:{found.tag}"
    if expected is None:
        return Conflict(
            f"{place} points to {found.old_digest} already, and would point to {found.digest}.",
            hint="Confirm by giving the old digest as `expected`.",
        )
    return Conflict(
        f"{place} has moved: it was {expected} and is {found.old_digest} now. Nothing was copied.",
        hint="Look at the plan again.",
    )


def _part(part: copying.Part) -> CopyPart:
    return CopyPart(
        digest=part.digest,
        media_type=part.media_type,
        kind=part.kind,
        role=part.role,
        size=len(part.raw) + sum(blob.size or 0 for blob in copying.blobs_of(part)),
        platform=part.platform,
        subject=part.subject,
        tag=part.tag,
    )


def _bytes(pieces: list[copying.Piece]) -> int:
    return sum(piece.size or 0 for piece in pieces)
