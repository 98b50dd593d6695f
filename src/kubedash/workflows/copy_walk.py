"""Looks up at the source everything that belongs to an image: what it names, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kubedash.oci.digest import Digest
from kubedash.oci.manifest import Descriptor, ImageIndex
from kubedash.oci.media_types import INDEX_TYPES
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.oci.referrers import fallback_tag
from kubedash.policy import copying
from kubedash.policy.copying import MAX_DEPTH, MAX_PARTS, Part
from kubedash.records.copies import CopyRole
from kubedash.registry.client import FetchedManifest, RegistryClient
from kubedash.registry.errors import Absent, TooLarge
from kubedash.storage import manifests
from kubedash.workflows.services import Services
from kubedash.workflows.sync_attachments import MAX_REFERRERS
from kubedash.workflows.sync_tools import each_or_first

WORKERS: Final = 8
COSIGN_SUFFIXES: Final = (".sig", ".att", ".sbom")


class Found(msgspec.Struct):
    """What belongs to the image; the root is the first part."""

    parts: dict[Digest, Part] = {}
    also: list[Part] = []
    """The same manifests again, under another machine's tag."""
    loose: dict[Digest, Descriptor] = {}
    """Entries of an index that are blobs."""
    broken: list[Digest] = []
    """Named by an index, and the source does not have them."""
    warnings: list[str] = []

    @property
    def root(self) -> Part:
        return next(iter(self.parts.values()))


class Origin:
    """The repository that is copied from. What the index keeps of it is not fetched again: HEAD costs no pull."""

    def __init__(self, services: Services, client: RegistryClient, repository: RepositoryName) -> None:
        self.client = client
        self.repository = repository
        self._services = services

    async def manifest(self, digest: Digest) -> FetchedManifest:
        """The very bytes, as the source has them still. Raises `Absent`."""
        async with self._services.database.read() as session:
            kept = await manifests.kept(session, digest)
        if kept is None or await self.client.head_manifest(self.repository, digest) is None:
            return await self.client.get_manifest(self.repository, digest)
        return FetchedManifest(kept.digest, kept.media_type, kept.raw)

    async def named(self, identifier: str) -> FetchedManifest:
        """What a tag or digest leads to now. Raises `Absent`."""
        head = await self.client.head_manifest(self.repository, identifier)
        if head is None:
            return await self.client.get_manifest(self.repository, identifier)
        return await self.manifest(head.digest)


async def look_up(origin: Origin, identifier: str, *, attachments: bool) -> Found:
    """Everything of the image that `identifier` (a tag or digest) leads to. Raises `Absent`, `TooLarge`."""
    walk = _Walk(origin)
    await walk.root(identifier)
    if attachments:
        await walk.attachments()
    return walk.found


class _Walk:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._client = origin.client
        self._repository = origin.repository
        self._weight = 0
        self.found = Found()

    async def root(self, identifier: str) -> None:
        fetched = await self._origin.named(identifier)
        root = copying.make_part(fetched.digest, fetched.media_type, fetched.raw, CopyRole.ROOT)
        self.found.parts[root.digest] = root
        await self._below([root], CopyRole.ENTRY)

    async def _below(self, level: list[Part], role: CopyRole) -> None:
        """What the indexes of a level name, level by level."""
        for _ in range(MAX_DEPTH):
            wanted = {
                entry.digest: entry
                for part in level
                for entry in copying.entries_of(part)
                if entry.digest not in self.found.parts
            }
            subject_of = {entry.digest: part.digest for part in level for entry in copying.entries_of(part)}
            level = await self._entries(wanted.values(), role, subject_of)
            if not level:
                return

    async def _entries(
        self, wanted: Iterable[Descriptor], role: CopyRole, subject_of: dict[Digest, Digest]
    ) -> list[Part]:
        fetched: dict[Digest, Part] = {}
        listed = list(wanted)

        async def fetch(entry: Descriptor) -> None:
            subject = subject_of[entry.digest] if role is CopyRole.ATTACHMENT else None
            platform = entry.platform.label if entry.platform and not entry.platform.is_unknown else None
            part = await self._fetch(entry.digest, role, subject=subject, platform=platform)
            if part is not None:
                fetched[entry.digest] = part
            elif copying.is_manifest(entry) or await self._client.blob_size(self._repository, entry.digest) is None:
                self.found.broken.append(entry.digest)
            else:
                self.found.loose[entry.digest] = entry

        await each_or_first(listed, fetch, WORKERS)
        # In the order of the index, whichever came first.
        return [self._keep(fetched[entry.digest]) for entry in listed if entry.digest in fetched]

    async def _fetch(self, digest: Digest, role: CopyRole, **more: Any) -> Part | None:
        """The manifest; None where the source does not have it."""
        try:
            fetched = await self._origin.manifest(digest)
        except Absent:
            return None
        return copying.make_part(digest, fetched.media_type, fetched.raw, role, **more)

    def _keep(self, part: Part) -> Part:
        kept = self.found.parts.setdefault(part.digest, part)
        if len(self.found.parts) > MAX_PARTS:
            raise TooLarge(
                f"More than {MAX_PARTS:,} manifests belong to this image.", hint="Copy its parts one by one."
            )
        return kept

    async def attachments(self) -> None:
        """What hangs on the image and its entries, and on what hangs there; each subject is asked about once."""
        asked: set[Digest] = set()
        for depth in range(MAX_DEPTH):
            subjects = [part for part in self.found.parts.values() if part.digest not in asked]
            if not subjects:
                return
            asked.update(part.digest for part in subjects)
            found: dict[Digest, list[Part]] = {}

            async def ask(subject: Part, found: dict[Digest, list[Part]] = found, own: bool = depth == 0) -> None:
                found[subject.digest] = await self._attached(subject.digest, by_tag=own)

            await each_or_first(subjects, ask, WORKERS)
            level = [part for subject in subjects for part in found[subject.digest]]
            self.found.also += [part for part in level if part.tag and part.digest in self.found.parts]
            fresh = [self._keep(part) for part in level if part.digest not in self.found.parts]
            await self._below(fresh, CopyRole.ATTACHMENT)

    async def _attached(self, subject: Digest, *, by_tag: bool) -> list[Part]:
        listed = await self._client.referrers(self._repository, subject)
        if not listed:
            # A registry that learned to list referrers does not know those of the time before.
            listed = (*(listed or ()), *await self._in_fallback(subject))
        if len(listed) > MAX_REFERRERS:
            self.found.warnings.append(
                f"Only {MAX_REFERRERS} of {len(listed)} attachments of {subject.short} go along."
            )
        parts = []
        for entry in {entry.digest: entry for entry in listed[:MAX_REFERRERS]}.values():
            part = await self._fetch(entry.digest, CopyRole.ATTACHMENT, subject=subject)
            if part is None:
                self.found.warnings.append(f"The attachment {entry.digest.short} is listed, and not there any more.")
            else:
                parts.append(part)
        return [*parts, *(await self._by_tag(subject) if by_tag else ())]

    async def _in_fallback(self, subject: Digest) -> tuple[Descriptor, ...]:
        """The entries of the referrers tag; an image under such a name is somebody's own."""
        try:
            fetched = await self._client.get_manifest(self._repository, fallback_tag(subject))
        except Absent:
            return ()
        index = copying.make_part(fetched.digest, fetched.media_type, fetched.raw, CopyRole.ATTACHMENT).manifest
        if fetched.media_type not in INDEX_TYPES or not isinstance(index, ImageIndex):
            return ()
        return index.manifests

    async def _by_tag(self, subject: Digest) -> list[Part]:
        """cosign's tags, whose names are made from the subject's digest."""
        parts = []
        for suffix in COSIGN_SUFFIXES:
            tag = Tag(f"{fallback_tag(subject)}{suffix}")
            head = await self._client.head_manifest(self._repository, tag)
            if head is not None:
                part = await self._fetch(head.digest, CopyRole.ATTACHMENT, subject=subject, tag=tag)
                parts += [] if part is None else [part]
        return parts
