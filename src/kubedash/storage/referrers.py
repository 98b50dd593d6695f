"""Artifacts that hang on a subject, and how each was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, or_, select

from kubedash.oci.digest import Digest
from kubedash.records import Attachment
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.statements import chunks, insert_new
from kubedash.storage.tables import manifest, referrer, tag
from kubedash.storage.values import from_micros, from_sortable_number, to_sortable_number, to_sortable_time

MAX_ATTACHMENTS: Final = 1000
COSIGN_TAG: Final = "cosign_tag"
_KIND_OF_LIST: Final = "referrers"
_OF_SUBJECTS: Final = (
    select(referrer)
    .where(
        referrer.c.repository_id == bindparam("repository_id"),
        referrer.c.subject.in_(bindparam("subjects", expanding=True)),
    )
    .order_by(referrer.c.kind, referrer.c.created.desc(), referrer.c.digest)
    .limit(MAX_ATTACHMENTS)
)
_BY_TAG: Final = (
    select(tag.c.subject, tag.c.digest, tag.c.kind, tag.c.size, tag.c.created, manifest.c.artifact_type)
    .outerjoin(manifest, manifest.c.digest == tag.c.digest)
    .where(
        tag.c.repository_id == bindparam("repository_id"),
        tag.c.subject.is_not(None),
        tag.c.subject.in_(bindparam("subjects", expanding=True)),
        tag.c.kind != _KIND_OF_LIST,
    )
    .order_by(tag.c.kind, tag.c.digest)
    .limit(MAX_ATTACHMENTS)
)


async def replace(
    session: WriteSession, repository_id: int, subject: Digest, found: Iterable[Attachment], how: str
) -> None:
    """What one way of looking (`how`) found on a subject, in place of what it found before."""
    await session.run(
        delete(referrer).where(
            referrer.c.repository_id == repository_id, referrer.c.subject == subject, referrer.c.attached_by == how
        )
    )
    await _insert(
        session, repository_id, [msgspec.structs.replace(item, subject=subject, attached_by=how) for item in found]
    )


async def add(session: WriteSession, repository_id: int, found: Iterable[Attachment]) -> None:
    """More of what is known already, each with its own subject and way of looking."""
    await _insert(session, repository_id, found)


async def remove(session: WriteSession, repository_id: int, digests: Collection[Digest], how: str) -> None:
    """These artifacts are not attached to anything any more, as far as `how` had found them."""
    for chunk in chunks(sorted(digests)):
        await session.run(
            delete(referrer).where(
                referrer.c.repository_id == repository_id,
                referrer.c.digest.in_(chunk),
                referrer.c.attached_by == how,
            )
        )


async def forget(session: WriteSession, repository_id: int, digests: Collection[Digest]) -> None:
    """These manifests are gone: they are attached to nothing, and nothing is attached to them, however it was found."""
    for chunk in chunks(sorted(digests)):
        await session.run(
            delete(referrer).where(
                referrer.c.repository_id == repository_id,
                or_(referrer.c.digest.in_(chunk), referrer.c.subject.in_(chunk)),
            )
        )


async def _insert(session: WriteSession, repository_id: int, found: Iterable[Attachment]) -> None:
    distinct = {(item.subject, item.attached_by, item.digest): item for item in found}
    rows = [
        {
            "repository_id": repository_id,
            "subject": item.subject,
            "attached_by": item.attached_by,
            "digest": item.digest,
            "kind": str(item.kind),
            "artifact_type": item.artifact_type,
            "size": to_sortable_number(item.size),
            "created": to_sortable_time(item.created),
        }
        for item in distinct.values()
    ]
    await session.many(insert_new(session.dialect, referrer), rows)


async def listed(
    session: ReadSession, repository_id: int, subjects: Collection[Digest], how: str
) -> dict[Digest, frozenset[Digest]]:
    """What one way of looking (`how`) found on each of them the last time."""
    found: defaultdict[Digest, set[Digest]] = defaultdict(set)
    for chunk in chunks(sorted(subjects)):
        values = {"repository_id": repository_id, "subjects": chunk}
        for row in await session.rows(_OF_SUBJECTS, values):
            if row.attached_by == how:
                found[Digest(row.subject)].add(Digest(row.digest))
    return {subject: frozenset(digests) for subject, digests in found.items()}


async def of_subjects(
    session: ReadSession, repository_id: int, digests: Collection[Digest]
) -> dict[Digest, tuple[Attachment, ...]]:
    """What hangs on each of them, cosign's tags included; subjects without any are left out.

    An artifact that was found in two ways is there once.
    """
    found: defaultdict[Digest, dict[str, Attachment]] = defaultdict(dict)
    for chunk in chunks(sorted(digests)):
        values = {"repository_id": repository_id, "subjects": chunk}
        for row in await session.rows(_OF_SUBJECTS, values):
            found[Digest(row.subject)].setdefault(row.digest, _record(row, row.attached_by))
        for row in await session.rows(_BY_TAG, values):
            found[Digest(row.subject)].setdefault(row.digest, _record(row, COSIGN_TAG))
    return {subject: tuple(items.values()) for subject, items in found.items()}


def _record(row: Any, attached_by: str) -> Attachment:
    return Attachment(
        digest=Digest(row.digest),
        subject=Digest(row.subject),
        kind=row.kind,
        artifact_type=row.artifact_type,
        size=from_sortable_number(row.size),
        created=from_micros(row.created),
        attached_by=attached_by,
    )
