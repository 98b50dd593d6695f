"""What a line of a tag list shows besides the tag: three queries, in one round, for a whole page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, bindparam, func, select, union
from sqlalchemy.sql import Executable

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.storage.database import ReadSession
from kubedash.storage.statements import among, array_of, one_of
from kubedash.storage.tables import manifest, manifest_child, missing_manifest, referrer, tag

MAX_ALIASES: Final = 100
MAX_CHILDREN: Final = 200
UNCHECKED: Final = "unchecked"
UNKNOWN_PLATFORM: Final = "unknown/unknown"
SIGNATURES: Final = frozenset(
    {ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.NOTATION_SIGNATURE, ArtifactKind.SIGSTORE_BUNDLE}
)
_child: Final = manifest.alias("child")


@lru_cache(maxsize=2)
def _questions(dialect: str) -> tuple[Executable, Executable, Executable]:
    """The manifests with the entries of indexes, the tags and the attachments of the digests named."""
    mine: BindParameter[int] = bindparam("repository_id")
    manifests = (
        select(
            manifest.c.digest,
            manifest.c.media_type,
            manifest.c.platform,
            manifest_child.c.digest.label("child_digest"),
            func.coalesce(manifest_child.c.platform, _child.c.platform).label("child_platform"),
            manifest_child.c.attests,
            _child.c.size.label("child_size"),
            missing_manifest.c.since.label("missing_since"),
        )
        .outerjoin(
            manifest_child,
            (manifest_child.c.manifest_id == manifest.c.id) & (manifest_child.c.position < MAX_CHILDREN),
        )
        .outerjoin(_child, _child.c.digest == manifest_child.c.digest)
        .outerjoin(
            missing_manifest,
            (missing_manifest.c.repository_id == mine) & (missing_manifest.c.digest == manifest_child.c.digest),
        )
        .where(among(dialect, manifest.c.digest, "digests"))
        .order_by(manifest.c.digest, manifest_child.c.position)
    )
    number = func.row_number().over(partition_by=tag.c.digest, order_by=tag.c.name)
    numbered = (
        select(tag.c.digest, tag.c.name, number.label("number"))
        .where(tag.c.repository_id == mine, tag.c.machine == 0, among(dialect, tag.c.digest, "digests"))
        .subquery()
    )
    aliases = select(numbered.c.digest, numbered.c.name).where(numbered.c.number <= MAX_ALIASES + 1)
    attachments = union(
        select(referrer.c.subject, referrer.c.kind).where(
            referrer.c.repository_id == mine, among(dialect, referrer.c.subject, "digests")
        ),
        select(tag.c.subject, tag.c.kind).where(
            tag.c.repository_id == mine, tag.c.subject.is_not(None), among(dialect, tag.c.subject, "digests")
        ),
    )
    return manifests, aliases, attachments


class TagDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one digest in one repository."""

    media_type: str | None
    platforms: tuple[str, ...]
    sizes: tuple[int, int] | None
    """Of an index: the smallest and the largest of its platforms."""
    tags: tuple[Tag, ...]
    """The tags that point to it, by name; no more than `MAX_ALIASES` and one."""
    attachments: tuple[str, ...]
    signed: str | None
    missing: tuple[str, ...]
    """Entries of an index that the registry no longer has: platforms, or digests without one."""


async def of_digests(session: ReadSession, repository_id: int, digests: Sequence[Digest]) -> dict[str, TagDetails]:
    """Every one of `digests` is in the answer, with what little may be known."""
    if not digests:
        return {}
    wanted = one_of(digests)
    values = {"repository_id": repository_id, "digests": array_of(session.dialect, wanted)}
    read = _Reading()
    manifests, aliases, attachments = await session.each(*_questions(session.dialect), values=values)
    for row in manifests:
        read.manifest(row)
    pair: Any
    for pair in aliases:
        read.tags[pair[0]].append(Tag(pair[1]))
    for pair in attachments:
        if pair[1] and pair[1] != ArtifactKind.REFERRERS:
            read.kinds[pair[0]].add(pair[1])
    return {digest: read.details(digest) for digest in wanted}


class _Reading:
    """Gathers the rows of the three queries by digest."""

    def __init__(self) -> None:
        self.media_types: dict[str, str] = {}
        self.platforms: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.sizes: defaultdict[str, set[int]] = defaultdict(set)
        self.tags: defaultdict[str, list[Tag]] = defaultdict(list)
        self.kinds: defaultdict[str, set[str]] = defaultdict(set)
        self.missing: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def manifest(self, row: Any) -> None:
        """A manifest, once for each entry where it is an index."""
        # Taken apart by position: a name costs a look-up, eight times a row.
        digest, media_type, own_platform, child_digest, child_platform, attests, child_size, missing_since = row
        self.media_types[digest] = media_type
        platform = own_platform if child_digest is None else child_platform
        if missing_since is not None:
            self.missing[digest][child_platform or child_digest] = None
        if attests is not None:
            self.kinds[digest].add(ArtifactKind.BUILDKIT_ATTESTATION)
        elif platform and platform != UNKNOWN_PLATFORM:
            self.platforms[digest][platform] = None
            if child_size is not None and child_size >= 0:
                self.sizes[digest].add(child_size)

    def details(self, digest: Digest) -> TagDetails:
        kinds = self.kinds.get(digest, set())
        sizes = self.sizes.get(digest)
        return TagDetails(
            media_type=self.media_types.get(digest),
            platforms=tuple(self.platforms.get(digest, ())),
            sizes=(min(sizes), max(sizes)) if sizes else None,
            tags=tuple(self.tags.get(digest, ())),
            attachments=tuple(sorted(kinds)),
            signed=UNCHECKED if kinds & SIGNATURES else None,
            missing=tuple(self.missing.get(digest, ())),
        )
