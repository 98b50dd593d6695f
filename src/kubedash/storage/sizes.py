"""Bytes, each distinct digest counted once.

What a tag leads to is its manifest, the entries of an index (indexes may nest, and a
hostile one may lead back to itself) and their blobs. Manifests themselves are not
counted: they are small and the registry's own figures leave them out too. A blob of
unknown size counts as nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import CTE, ColumnElement, Double, Select, bindparam, cast, func, not_, or_, select

from kubedash.oci.media_types import INDEX_TYPES
from kubedash.storage.database import ReadSession
from kubedash.storage.statements import among, array_of
from kubedash.storage.tables import blob, manifest, manifest_blob, manifest_child, repository, repository_manifest, tag

_MOST: Final = 2.0**62
_TYPES: Final = sorted(INDEX_TYPES)
_TAGGED: Final = select(manifest.c.id).join(tag, tag.c.digest == manifest.c.digest)


def _sum(column: ColumnElement[int]) -> ColumnElement[float]:
    """Summed as floats, exact up to 9 petabytes: integers of a hostile registry would overflow."""
    return func.sum(cast(column, Double))


def _with_children(roots: Select[int]) -> CTE:
    reached = roots.distinct().cte("reached", recursive=True)
    return reached.union(
        select(manifest.c.id)
        .select_from(reached)
        .join(manifest_child, manifest_child.c.manifest_id == reached.c.id)
        .join(manifest, manifest.c.digest == manifest_child.c.digest)
    )


def _distinct_bytes(roots: Select[int]) -> Select[float]:
    reached = _with_children(roots)
    blobs = select(manifest_blob.c.blob_id).join(reached, reached.c.id == manifest_blob.c.manifest_id)
    return select(_sum(blob.c.size)).where(blob.c.id.in_(blobs), blob.c.size > 0)


_OF_REPOSITORY: Final = _distinct_bytes(_TAGGED.where(tag.c.repository_id == bindparam("id")))
_OF_REGISTRY: Final = _distinct_bytes(
    _TAGGED.join(repository, repository.c.id == tag.c.repository_id).where(
        repository.c.registry_id == bindparam("id"), repository.c.gone_since.is_(None)
    )
)


def _of_indexes(*only: ColumnElement[bool]) -> Select[int, float]:
    """Every index of a repository whose stored size is wrong, and the right one."""
    own = (
        select(manifest.c.id.label("root"), manifest.c.id.label("reached"))
        .join(repository_manifest, repository_manifest.c.manifest_id == manifest.c.id)
        .where(repository_manifest.c.repository_id == bindparam("id"), manifest.c.media_type.in_(_TYPES), *only)
        .cte("reached", recursive=True)
    )
    reached = own.union(
        select(own.c.root, manifest.c.id)
        .select_from(own)
        .join(manifest_child, manifest_child.c.manifest_id == own.c.reached)
        .join(manifest, manifest.c.digest == manifest_child.c.digest)
    )
    distinct = (
        select(reached.c.root, blob.c.id, blob.c.size)
        .join(manifest_blob, manifest_blob.c.manifest_id == reached.c.reached)
        .join(blob, blob.c.id == manifest_blob.c.blob_id)
        .where(blob.c.size >= 0)
        .distinct()
        .subquery()
    )
    total = select(distinct.c.root, _sum(distinct.c.size).label("total")).group_by(distinct.c.root).subquery()
    joined = select(manifest.c.id, total.c.total).join(total, total.c.root == manifest.c.id)
    return joined.where(manifest.c.size != total.c.total)


_OF_INDEXES: Final = _of_indexes()
_OF_THESE_INDEXES: Final = _of_indexes(manifest.c.digest.in_(bindparam("only", expanding=True)))


def _needed_by_nothing_else(root: ColumnElement[bool], its_tag: ColumnElement[bool]) -> Select[float]:
    """`root` chooses the manifests, `its_tag` the tags of the repository that do not count for them."""
    below = _with_children(select(manifest.c.id).where(root))
    blobs = (
        select(manifest_blob.c.blob_id).join(below, below.c.id == manifest_blob.c.manifest_id).distinct().cte("blobs")
    )
    users = (
        select(manifest_blob.c.blob_id, manifest_blob.c.manifest_id.label("user"))
        .join(blobs, blobs.c.blob_id == manifest_blob.c.blob_id)
        .cte("users", recursive=True)
    )
    parent = manifest.alias("used")
    above = users.union(
        select(users.c.blob_id, manifest_child.c.manifest_id)
        .select_from(users)
        .join(parent, parent.c.id == users.c.user)
        .join(manifest_child, manifest_child.c.digest == parent.c.digest)
    )
    needed = (
        select(above.c.blob_id)
        .join(manifest, manifest.c.id == above.c.user)
        .join(tag, tag.c.digest == manifest.c.digest)
        .join(repository, repository.c.id == tag.c.repository_id)
        .where(
            repository.c.registry_id == bindparam("registry"),
            repository.c.gone_since.is_(None),
            or_(tag.c.repository_id != bindparam("repository"), not_(its_tag)),
        )
    )
    return select(_sum(blob.c.size)).where(
        blob.c.id.in_(select(blobs.c.blob_id)), blob.c.size > 0, blob.c.id.not_in(needed)
    )


_ALONE: Final = _needed_by_nothing_else(manifest.c.digest == bindparam("digest"), tag.c.digest == bindparam("digest"))


@lru_cache(maxsize=2)
def _together(dialect: str) -> Select[float]:
    return _needed_by_nothing_else(
        among(dialect, manifest.c.digest, "digests"), among(dialect, tag.c.digest, "digests")
    )


async def of_repository(session: ReadSession, repository_id: int) -> int:
    """Distinct bytes of all that the repository's tags lead to."""
    return _bounded(await session.scalar(_OF_REPOSITORY, {"id": repository_id}))


async def of_registry(session: ReadSession, registry_id: int) -> int:
    """Distinct bytes of all that the registry's tags lead to."""
    return _bounded(await session.scalar(_OF_REGISTRY, {"id": registry_id}))


async def of_indexes(
    session: ReadSession, repository_id: int, only: Sequence[str] | None = None
) -> list[tuple[int, int]]:
    """Indexes of the repository whose stored size is not that of their entries: id and right size."""
    if only is None:
        rows = await session.rows(_OF_INDEXES, {"id": repository_id})
    else:
        rows = await session.rows(_OF_THESE_INDEXES, {"id": repository_id, "only": only})
    return [(row.id, _bounded(row.total)) for row in rows]


async def needed_by_nothing_else(session: ReadSession, registry_id: int, repository_id: int, digest: str) -> int:
    """Distinct bytes below a manifest that no tag of the registry leads to, those of this digest here left out.

    Looked at from the manifest's own blobs upwards, as it has few and the registry has many.
    """
    values = {"registry": registry_id, "repository": repository_id, "digest": digest}
    return _bounded(await session.scalar(_ALONE, values))


async def needed_by_none_but(
    session: ReadSession, registry_id: int, repository_id: int, digests: Collection[str]
) -> int:
    """As `needed_by_nothing_else`, for manifests that go together: what only they share is counted once."""
    values = {
        "registry": registry_id,
        "repository": repository_id,
        "digests": array_of(session.dialect, sorted(digests)),
    }
    return _bounded(await session.scalar(_together(session.dialect), values)) if digests else 0


def _bounded(total: float | None) -> int:
    return int(min(total or 0.0, _MOST))
