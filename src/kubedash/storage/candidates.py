"""The tags of a repository as the rules of a bulk deletion see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, select

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.policy.bulk import Candidate
from kubedash.storage import pulls
from kubedash.storage.database import ReadSession
from kubedash.storage.manifests import UNREADABLE
from kubedash.storage.statements import chunks
from kubedash.storage.tables import manifest, manifest_child, repository_manifest, tag
from kubedash.storage.values import from_micros, from_sortable_number

_ALL: Final = (
    select(
        tag.c.name,
        tag.c.digest,
        tag.c.machine,
        tag.c.kind,
        tag.c.created,
        tag.c.size,
        tag.c.seen_at,
        manifest.c.media_type,
    )
    .outerjoin(manifest, manifest.c.digest == tag.c.digest)
    .where(tag.c.repository_id == bindparam("repository_id"))
    .order_by(tag.c.name)
)


async def of_repository(session: ReadSession, repository_id: int) -> tuple[Candidate, ...]:
    """Every tag, machines' as well, with the last pull of it or of its digest."""
    rows = await session.rows(_ALL, {"repository_id": repository_id})
    last = await pulls.last_of(session, repository_id, {name for row in rows for name in (row.name, row.digest)})
    return tuple(
        Candidate(
            name=Tag(row.name),
            digest=Digest(row.digest),
            machine=bool(row.machine),
            media_type=row.media_type or None,
            kind=row.kind,
            created=from_micros(row.created),
            size=from_sortable_number(row.size),
            since=from_micros(row.seen_at),
            last_pulled=from_micros(max(last.get(row.name, 0), last.get(row.digest, 0))),
            recoverable=row.media_type not in (None, UNREADABLE),
        )
        for row in rows
    )


async def parents_of(
    session: ReadSession, repository_id: int, digests: Collection[Digest]
) -> dict[Digest, frozenset[Digest]]:
    """The indexes of the repository that name each of these, as far as they are known."""
    found: defaultdict[Digest, set[Digest]] = defaultdict(set)
    for chunk in chunks(sorted(digests)):
        statement = (
            select(manifest_child.c.digest, manifest.c.digest.label("parent"))
            .join(manifest, manifest.c.id == manifest_child.c.manifest_id)
            .join(repository_manifest, repository_manifest.c.manifest_id == manifest.c.id)
            .where(repository_manifest.c.repository_id == repository_id, manifest_child.c.digest.in_(chunk))
        )
        for row in await session.rows(statement):
            found[Digest(row.digest)].add(Digest(row.parent))
    return {digest: frozenset(parents) for digest, parents in found.items()}
