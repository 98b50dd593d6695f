"""Does a copy, piece by piece: what has arrived is written down and never sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from kubedash.errors import Conflict, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName
from kubedash.oci.referrers import fallback_tag
from kubedash.policy import copying
from kubedash.policy.protection import PROTECTION_REMEDY, protection_refusal
from kubedash.records import ItemState, JobItem, JobState, Progress
from kubedash.records.copies import CopyOutcome
from kubedash.registry.client import FetchedManifest, RegistryClient
from kubedash.registry.errors import Absent
from kubedash.storage import audit, jobs, registries, repositories, tags
from kubedash.storage.database import WriteSession
from kubedash.storage.jobs import Order, Piece
from kubedash.workflows.changing import SEEN_BY_US, find_place, learn, sum_up, tell, turn
from kubedash.workflows.connections import client_of
from kubedash.workflows.copy import CopySpec, spec_of
from kubedash.workflows.copy_walk import Origin, look_up
from kubedash.workflows.services import Services
from kubedash.workflows.sync_tools import each_or_first
from kubedash.workflows.work import COPY, Report, plain, text_subclass

KIND: Final = COPY
BATCH: Final = 64
STREAMS: Final = 3
"""Blobs on their way at once."""
STEP_SECONDS: Final = 1.0
REPORT_SECONDS: Final = 0.25
LIST_TRIES: Final = 4
UPLOADED: Final = "uploaded"
MOUNTED: Final = "mounted"
THERE: Final = "was there"
_BYTES: Final = "bytes"


async def advance(services: Services, order: Order, report: Report) -> bool:
    """The next pieces; whether these were the last. The first step looks up what belongs to the image."""
    spec = spec_of(order.spec)
    source = await client_of(services, spec.source_registry_id)
    copier = _Copier(services, order, report, source, await client_of(services, spec.registry_id))
    async with services.database.read() as session:
        tally = await jobs.tally(session, order.id)
        waiting = await jobs.waiting(session, order.id, BATCH)
    if not tally:
        await copier.prepare()
        return False
    if waiting:
        await copier.bring(waiting, tally)
    return not waiting


async def conclude(session: WriteSession, order: Order, state: JobState, error: str | None, at: datetime) -> None:
    """One line of the audit trail and the result, however it ended."""
    spec = spec_of(order.spec)
    pieces = await jobs.pieces(session, order.id)
    blobs = [piece.item for piece in pieces if piece.spec.get("what") == "blob"]
    uploaded = [item for item in blobs if item.detail == UPLOADED]
    outcome = CopyOutcome(
        digest=spec.digest,
        old_digest=spec.old_digest,
        manifests=sum(piece.spec.get("what") == "manifest" for piece in pieces),
        blobs=len(blobs),
        uploaded=len(uploaded),
        mounted=sum(item.detail == MOUNTED for item in blobs),
        there=sum(item.detail == THERE for item in blobs),
        bytes_uploaded=sum(item.size or 0 for item in uploaded),
    )
    result = plain(outcome)
    if state is JobState.DONE:
        await jobs.keep_result(session, order.id, result)
    source = f"{spec.source_registry}/{spec.source_repository}"
    detail: dict[str, Any] = {"job": order.id, "from": source, "source": spec.source, **result}
    if error is not None:
        detail["error"] = error
    target = f"{spec.registry}/{spec.repository}:{spec.tag}"
    await audit.add(session, order.actor, "image.copy", target, at, outcome=state, detail=detail)


class _Copier:
    """One step of a copy."""

    def __init__(
        self, services: Services, order: Order, report: Report, source: RegistryClient, target: RegistryClient
    ) -> None:
        self._services = services
        self._order = order
        self._spec: CopySpec = spec_of(order.spec)
        self._report = report
        self._source = source
        self._origin = Origin(services, source, self._spec.source_repository)
        self._target = target
        self._sent: dict[Digest, int] = {}
        self._settled = 0
        self._total = 0
        self._doing = ""

    async def prepare(self) -> None:
        """Writes down everything that has to arrive, in its order."""
        spec = self._spec
        found = await look_up(self._origin, spec.digest, attachments=spec.attachments)
        arranged = copying.arrange(found.parts.values(), found.also, found.loose.values(), spec.tag)
        pieces = [
            Piece(
                item=JobItem(position=position, name=piece.name, digest=piece.digest, size=piece.size),
                spec=plain(piece),
            )
            for position, piece in enumerate(arranged)
        ]
        async with self._services.database.write() as session:
            await jobs.add_items(session, self._order.id, pieces)

    async def bring(self, waiting: Sequence[Piece], tally: dict[ItemState, tuple[int, int]]) -> None:
        """Blobs side by side, as long as a step may take; then the rest one after the other."""
        self._total = sum(size for _, size in tally.values())
        self._settled = self._total - tally.get(ItemState.WAITING, (0, 0))[1]
        clock = asyncio.get_running_loop().time
        ends = clock() + STEP_SECONDS
        blobs = [piece for piece in waiting if piece.spec["what"] == "blob"]

        async def bring_blob(piece: Piece) -> None:
            if clock() < ends:
                await self._bring_blob(piece)

        if blobs:
            await self._while_telling(each_or_first(blobs, bring_blob, STREAMS))
            return
        for piece in waiting:
            if clock() >= ends:
                break
            self._doing = piece.item.name
            await self._tell()
            await self._put(piece)

    async def _while_telling(self, work: Any) -> None:
        """Reports how far the bytes are while they go."""
        doing = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({doing}, timeout=REPORT_SECONDS))[0]:
                await self._tell()
            doing.result()
        finally:
            doing.cancel()
            await asyncio.wait({doing})

    async def _tell(self) -> None:
        done = self._settled + sum(self._sent.values())
        await self._report(Progress(done=min(done, self._total), total=self._total, doing=self._doing, unit=_BYTES))

    async def _settle(self, piece: Piece, how: str) -> None:
        async with self._services.database.write() as session:
            await jobs.settle(session, self._order.id, piece.item.position, ItemState.DONE, how)
        self._settled += piece.item.size or 0

    async def _bring_blob(self, piece: Piece) -> None:
        digest = Digest(piece.spec["digest"])
        self._doing = piece.item.name
        how = await self._transfer(digest)
        self._sent.pop(digest, None)
        await self._settle(piece, how)

    async def _transfer(self, digest: Digest) -> str:
        target = self._spec.repository
        if await self._target.has_blob(target, digest):
            return THERE
        session = ""
        if self._spec.mounts and target != self._spec.source_repository:
            mounted = await self._mount(digest)
            if mounted is None:
                return MOUNTED
            session = mounted

        def told(sent: int) -> None:
            self._sent[digest] = sent

        def source() -> Any:
            return self._source.open_blob(self._spec.source_repository, digest)

        await self._target.upload_blob(target, digest, source, told, session)
        return UPLOADED

    async def _mount(self, digest: Digest) -> str | None:
        """None where it is there now; else the upload that was begun instead, or nothing."""
        try:
            return await self._target.mount_blob(self._spec.repository, digest, self._spec.source_repository)
        except RegistryError as error:
            if error.temporary:
                raise
            # Whoever may not mount may still upload.
            return ""

    async def _put(self, piece: Piece) -> None:
        wanted = msgspec.convert(piece.spec, copying.Piece, dec_hook=text_subclass)
        fetched = await self._origin.manifest(wanted.digest)
        if wanted.what == "tag":
            await self._point(fetched)
        else:
            await self._put_manifest(wanted, fetched)
        await self._settle(piece, "put")

    async def _put_manifest(self, wanted: copying.Piece, fetched: FetchedManifest) -> None:
        target = self._spec.repository
        told = await self._target.put_manifest_told(target, wanted.identifier, fetched.raw, fetched.media_type)
        if wanted.subject is not None and told.subject is None:
            await self._list_referrer(target, wanted.subject, fetched.raw, fetched.media_type)

    async def _point(self, fetched: FetchedManifest) -> None:
        """The tag moves last, in this repository's turn, and is seen to lead where it should."""
        spec, services = self._spec, self._services
        async with services.database.write() as session:
            await repositories.ensure(session, spec.registry_id, (spec.repository,), services.clock())
        place = await find_place(services, spec.registry, spec.repository)
        async with turn(services, place.repository.id):
            await self._check_target()
            await self._target.put_manifest(spec.repository, spec.tag, fetched.raw, fetched.media_type)
            head = await self._target.head_manifest(spec.repository, spec.tag)
            if head is None or head.digest != spec.digest:
                found = head.digest if head else "nothing"
                raise Conflict(f"The registry took the tag {spec.tag}, and shows {found} under it.")
            await learn(services, place, (spec.digest,))
            async with services.database.write() as session:
                pairs = ((spec.tag, spec.digest),)
                name = self._order.actor.name
                await tags.observe(session, place.repository.id, pairs, services.clock(), SEEN_BY_US, name)
                await sum_up(session, place)
        tell(services, place)
        # What hangs on it is found by the next look at the repository.
        await services.jobs.sync_repository(spec.registry, spec.repository, again=True)

    async def _check_target(self) -> None:
        """Whether the tag is still what people agreed to replace. Raises `Conflict`."""
        spec = self._spec
        head = await self._target.head_manifest(spec.repository, spec.tag)
        now = head.digest if head else None
        if now in (spec.old_digest, spec.digest):
            await self._check_protection(now)
            return
        before = spec.old_digest or "not there"
        raise Conflict(
            f"{spec.repository}:{spec.tag} moved meanwhile: it was {before} and is {now or 'gone'} now. "
            "The tag was left as it is; the copied content stays under its digest.",
            hint="Look at the plan again.",
        )

    async def _check_protection(self, now: Digest | None) -> None:
        if now in (None, self._spec.digest):
            return
        async with self._services.database.read() as session:
            registry = await registries.by_id(session, self._spec.registry_id)
        refused = protection_refusal(self._spec.tag, registry.protected_tags if registry else (), "overwritten")
        if refused is not None:
            raise Conflict(refused, hint=PROTECTION_REMEDY)

    async def _list_referrer(self, repository: RepositoryName, subject: Digest, raw: bytes, media_type: str) -> None:
        """Adds it to the subject's referrers tag, where the registry keeps no list of its own.

        There is no locking between clients: what was written is read again, as somebody
        else may have written over it.
        """
        tag = fallback_tag(subject)
        for _ in range(LIST_TRIES):
            try:
                listing: bytes | None = (await self._target.get_manifest(repository, tag)).raw
            except Absent:
                listing = None
            try:
                wanted = copying.with_referrer(listing, raw, media_type)
            except (ValueError, msgspec.MsgspecError) as error:
                raise Conflict(
                    f"{repository}:{tag} is no list of attachments, so {subject.short} cannot get one.",
                    hint="Somebody's own image has that tag: copy without attachments, or move that image.",
                ) from error
            if wanted is None:
                return
            await self._target.put_manifest(repository, tag, wanted, MediaType.OCI_INDEX)
        raise Conflict(f"Somebody else writes {repository}:{tag} again and again.", hint="Let the copy go on later.")
