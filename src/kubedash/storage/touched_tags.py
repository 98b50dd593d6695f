"""Single tags and digests of a repository: which of them are known. Machines' tags as well."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.storage.database import ReadSession
from kubedash.storage.statements import chunks
from kubedash.storage.tables import manifest, repository_manifest, tag


async def by_name(session: ReadSession, repository_id: int, names: Collection[Tag]) -> dict[Tag, Digest]:
    """Where these tags pointed when last seen; those that are not known are left out."""
    found: dict[Tag, Digest] = {}
    for chunk in chunks(sorted(names)):
        rows = await session.rows(
            select(tag.c.name, tag.c.digest).where(
                tag.c.repository_id == repository_id, tag.c.machine.in_((0, 1)), tag.c.name.in_(chunk)
            )
        )
        found.update({Tag(row.name): Digest(row.digest) for row in rows})
    return found


async def by_digest(session: ReadSession, repository_id: int, digests: Collection[Digest]) -> dict[Tag, Digest]:
    """All tags that pointed to one of these when last seen."""
    found: dict[Tag, Digest] = {}
    for chunk in chunks(sorted(digests)):
        rows = await session.rows(
            select(tag.c.name, tag.c.digest).where(tag.c.repository_id == repository_id, tag.c.digest.in_(chunk))
        )
        found.update({Tag(row.name): Digest(row.digest) for row in rows})
    return found


async def held(session: ReadSession, repository_id: int, digests: Collection[Digest]) -> set[Digest]:
    """Those of these digests that the repository is known to hold."""
    found: set[Digest] = set()
    for chunk in chunks(sorted(digests)):
        statement = (
            select(manifest.c.digest)
            .join(repository_manifest, repository_manifest.c.manifest_id == manifest.c.id)
            .where(repository_manifest.c.repository_id == repository_id, manifest.c.digest.in_(chunk))
        )
        found.update(map(Digest, await session.scalars(statement)))
    return found
