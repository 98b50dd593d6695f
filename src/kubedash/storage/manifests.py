"""Manifests by digest: kept once, however many repositories hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import zstandard
from sqlalchemy import Row, bindparam, delete, exists, func, or_, select
from sqlalchemy import update as change

from kubedash.artifacts.summary import ManifestSummary
from kubedash.oci.digest import Digest
from kubedash.records import Child, ManifestRecord
from kubedash.storage import sizes, tags
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.statements import chunks, insert_new
from kubedash.storage.tables import (
    blob,
    label,
    label_text,
    manifest,
    manifest_blob,
    manifest_child,
    missing_manifest,
    repository_manifest,
)
from kubedash.storage.values import (
    NO_TIME,
    from_micros,
    from_sortable_number,
    to_micros,
    to_sortable_number,
    to_sortable_time,
)

MAX_UNPACKED: Final = 64 * 1024 * 1024
MAX_LABEL_VALUE: Final = 4096
MAX_SEARCHED_VALUE: Final = 256
MAX_PARENTS: Final = 100
UNREADABLE: Final = ""
"""The media type of a place for what could not be read."""
_LEVEL: Final = 3
_linked: Final = (
    repository_manifest.c.repository_id == bindparam("repository_id"),
    repository_manifest.c.manifest_id == manifest.c.id,
)
_GET: Final = (
    select(manifest).join(repository_manifest, _linked[1]).where(_linked[0], manifest.c.digest == bindparam("digest"))
)
_KEPT: Final = select(manifest).where(manifest.c.digest == bindparam("digest"))
_child: Final = manifest.alias("child")
_CHILDREN: Final = (
    select(
        manifest_child.c.digest,
        manifest_child.c.media_type,
        manifest_child.c.platform,
        manifest_child.c.attests,
        _child.c.platform.label("own_platform"),
        _child.c.size,
        _child.c.kind,
        exists()
        .where(
            missing_manifest.c.digest == manifest_child.c.digest,
            missing_manifest.c.repository_id == bindparam("repository_id"),
        )
        .label("missing"),
    )
    .join(manifest, manifest.c.id == manifest_child.c.manifest_id)
    .outerjoin(_child, _child.c.digest == manifest_child.c.digest)
    .where(manifest.c.digest == bindparam("digest"))
    .order_by(manifest_child.c.position)
)
_PARENTS: Final = (
    select(manifest.c.digest)
    .join(manifest_child, manifest_child.c.manifest_id == manifest.c.id)
    .join(repository_manifest, _linked[1])
    .where(_linked[0], manifest_child.c.digest == bindparam("digest"))
    .distinct()
    .order_by(manifest.c.digest)
    .limit(MAX_PARENTS)
)
_UNDATED: Final = (
    select(manifest.c.id, func.max(_child.c.created).label("newest"))
    .join(repository_manifest, _linked[1])
    .join(manifest_child, manifest_child.c.manifest_id == manifest.c.id)
    .join(_child, _child.c.digest == manifest_child.c.digest)
    .where(_linked[0], manifest.c.created == NO_TIME, manifest_child.c.attests.is_(None), _child.c.created > NO_TIME)
    .group_by(manifest.c.id)
    .order_by(manifest.c.id)
)


async def known(session: ReadSession, digests: Collection[Digest], repository_id: int | None = None) -> set[Digest]:
    """Those of `digests` that are kept already, for whatever repository.

    One that could not be read is known to the repository it could not be read from,
    and to no other: what one registry refuses, another one may have.
    """
    here = exists().where(
        repository_manifest.c.manifest_id == manifest.c.id, repository_manifest.c.repository_id == repository_id
    )
    found: set[Digest] = set()
    for chunk in chunks(digests):
        statement = select(manifest.c.digest).where(
            manifest.c.digest.in_(chunk), or_(manifest.c.media_type != UNREADABLE, here)
        )
        found.update(map(Digest, await session.scalars(statement)))
    return found


async def add(session: WriteSession, repository_id: int, summaries: Sequence[ManifestSummary], at: datetime) -> None:
    """Keeps what is new of them, and links all to the repository; `at` is when they were fetched."""
    distinct = {summary.digest: summary for summary in summaries}
    fresh = distinct.keys() - await known(session, distinct)
    new = [distinct[digest] for digest in sorted(fresh)]
    unread = await _ids(session, manifest, fresh)
    await session.many(insert_new(session.dialect, manifest), [_row(summary) for summary in new])
    for summary in new:
        if summary.digest in unread and summary.media_type != UNREADABLE:
            await session.run(change(manifest).where(manifest.c.id == unread[summary.digest]).values(**_row(summary)))
    ids = await _ids(session, manifest, distinct)
    if new:
        await _add_children(session, new, ids)
        await _add_blobs(session, new, ids)
        await _add_labels(session, new, ids)
    await link(session, repository_id, list(distinct))


async def link(session: WriteSession, repository_id: int, digests: Sequence[Digest]) -> None:
    """The repository holds these manifests, as far as they are kept; none of them is missing."""
    ids = await _ids(session, manifest, digests)
    rows = [{"repository_id": repository_id, "manifest_id": ids[digest]} for digest in sorted(ids)]
    await session.many(insert_new(session.dialect, repository_manifest), rows)
    for chunk in chunks(digests):
        await session.run(
            delete(missing_manifest).where(
                missing_manifest.c.repository_id == repository_id, missing_manifest.c.digest.in_(chunk)
            )
        )


async def mark_missing(session: WriteSession, repository_id: int, digests: Collection[Digest], at: datetime) -> None:
    """The registry answered that it does not hold these there; indexes that name them are broken."""
    rows = [{"repository_id": repository_id, "digest": digest, "since": to_micros(at)} for digest in sorted(digests)]
    await session.many(insert_new(session.dialect, missing_manifest), rows)


async def missing(session: ReadSession, repository_id: int) -> set[Digest]:
    """What `mark_missing` said of the repository."""
    statement = select(missing_manifest.c.digest).where(missing_manifest.c.repository_id == repository_id)
    return set(map(Digest, await session.scalars(statement)))


async def get(session: ReadSession, repository_id: int, digest: Digest) -> ManifestRecord | None:
    """The manifest, where it is linked to that repository."""
    row = await session.first(_GET, {"repository_id": repository_id, "digest": digest})
    return _record(row) if row is not None else None


async def kept(session: ReadSession, digest: Digest) -> ManifestRecord | None:
    """The manifest wherever it came from, also where no repository holds it any more; None where it is not readable."""
    row = await session.first(_KEPT, {"digest": digest})
    return _record(row) if row is not None and row.media_type != UNREADABLE else None


async def unlink(session: WriteSession, repository_id: int, digests: Collection[Digest]) -> None:
    """The registry deleted them there. Their bytes are kept, so that they can be put back."""
    for chunk in chunks(sorted(digests)):
        ids = select(manifest.c.id).where(manifest.c.digest.in_(chunk))
        await session.run(
            delete(repository_manifest).where(
                repository_manifest.c.repository_id == repository_id, repository_manifest.c.manifest_id.in_(ids)
            )
        )


async def children(session: ReadSession, digest: Digest, repository_id: int | None = None) -> tuple[Child, ...]:
    """The entries of an index in its order; whether one is missing is known of a repository only."""
    rows = await session.rows(_CHILDREN, {"digest": digest, "repository_id": repository_id})
    return tuple(
        Child(
            digest=Digest(row.digest),
            platform=row.platform or row.own_platform,
            size=from_sortable_number(row.size),
            kind=row.kind,
            media_type=row.media_type,
            attests=Digest(row.attests) if row.attests else None,
            missing=bool(row.missing),
        )
        for row in rows
    )


async def parents(session: ReadSession, repository_id: int, digest: Digest) -> tuple[Digest, ...]:
    """Indexes of the repository that name this manifest; no more than `MAX_PARENTS`."""
    return tuple(map(Digest, await session.scalars(_PARENTS, {"repository_id": repository_id, "digest": digest})))


async def refresh_sizes(session: WriteSession, repository_id: int, only: Collection[Digest] | None = None) -> None:
    """Indexes are as large as the distinct blobs of their entries, and as new as the newest of them.

    Their tags show the same afterwards. `only` these manifests are looked at, where it is given.
    """
    these = None if only is None else sorted(only)
    if these is not None and not these:
        return
    statement = change(manifest).where(manifest.c.id == bindparam("of")).values(size=bindparam("bytes"))
    wrong = await sizes.of_indexes(session, repository_id, these)
    await session.many(statement, [{"of": identifier, "bytes": size} for identifier, size in sorted(wrong)])
    dated = change(manifest).where(manifest.c.id == bindparam("of")).values(created=bindparam("newest"))
    undated = _UNDATED if these is None else _UNDATED.where(manifest.c.digest.in_(these))
    rows = await session.rows(undated, {"repository_id": repository_id})
    await session.many(dated, [{"of": row.id, "newest": row.newest} for row in rows])
    await tags.refresh(session, repository_id, these)


async def _ids(session: ReadSession, table: Any, digests: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(dict.fromkeys(digests)):
        rows = await session.rows(select(table.c.digest, table.c.id).where(table.c.digest.in_(chunk)))
        found.update({row.digest: row.id for row in rows})
    return found


async def _add_children(session: WriteSession, new: Sequence[ManifestSummary], ids: dict[str, int]) -> None:
    rows = [
        {
            "manifest_id": ids[summary.digest],
            "position": position,
            "digest": child.digest,
            "media_type": child.media_type,
            "size": to_sortable_number(child.size),
            "platform": child.platform,
            "attests": child.attests,
            "artifact_type": child.artifact_type,
        }
        for summary in new
        for position, child in enumerate(summary.children)
    ]
    await session.many(insert_new(session.dialect, manifest_child), rows)


async def _add_blobs(session: WriteSession, new: Sequence[ManifestSummary], ids: dict[str, int]) -> None:
    distinct = {item.digest: item for summary in new for item in summary.blobs}
    rows = [
        {"digest": item.digest, "size": to_sortable_number(item.size), "media_type": item.media_type}
        for item in map(distinct.__getitem__, sorted(distinct))
    ]
    await session.many(insert_new(session.dialect, blob), rows)
    blobs = await _ids(session, blob, distinct)
    links = [
        {"manifest_id": ids[summary.digest], "position": position, "blob_id": blobs[item.digest]}
        for summary in new
        for position, item in enumerate(summary.blobs)
    ]
    await session.many(insert_new(session.dialect, manifest_blob), links)


async def _add_labels(session: WriteSession, new: Sequence[ManifestSummary], ids: dict[str, int]) -> None:
    texts = sorted({item.value[:MAX_SEARCHED_VALUE] for summary in new for item in summary.labels})
    await session.many(insert_new(session.dialect, label_text), [{"value": text} for text in texts])
    text_ids: dict[str, int] = {}
    for chunk in chunks(texts):
        rows = await session.rows(select(label_text).where(label_text.c.value.in_(chunk)))
        text_ids.update({row.value: row.id for row in rows})
    labels = [
        {
            "manifest_id": ids[summary.digest],
            "position": position,
            "key": item.key,
            "value": item.value[:MAX_LABEL_VALUE],
            "text_id": text_ids[item.value[:MAX_SEARCHED_VALUE]],
            "source": item.source,
            "meaning": item.meaning,
            "family": item.family,
            "shadowed": int(item.shadowed),
        }
        for summary in new
        for position, item in enumerate(summary.labels)
    ]
    await session.many(insert_new(session.dialect, label), labels)


def _row(summary: ManifestSummary) -> dict[str, Any]:
    pack = zstandard.ZstdCompressor(level=_LEVEL).compress
    return {
        "digest": summary.digest,
        "media_type": summary.media_type,
        "kind": str(summary.kind),
        "artifact_type": summary.artifact_type,
        "size": to_sortable_number(summary.size),
        "created": to_sortable_time(summary.created),
        "platform": summary.platform,
        "raw": pack(summary.raw),
        "config_digest": summary.config_digest,
        "config_raw": None if summary.config_raw is None else pack(summary.config_raw),
        "subject": summary.subject,
        "problem": summary.problem,
    }


def _record(row: Row[Any]) -> ManifestRecord:
    return ManifestRecord(
        digest=Digest(row.digest),
        media_type=row.media_type,
        kind=row.kind,
        artifact_type=row.artifact_type,
        size=from_sortable_number(row.size),
        created=from_micros(row.created),
        platform=row.platform,
        raw=_unpacked(row.raw),
        config_digest=Digest(row.config_digest) if row.config_digest else None,
        config_raw=None if row.config_raw is None else _unpacked(row.config_raw),
        subject=Digest(row.subject) if row.subject else None,
        problem=row.problem,
    )


def _unpacked(stored: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(bytes(stored), max_output_size=MAX_UNPACKED)
