"""Search over everything: names of repositories, tags, digests by their beginning, labels.

Three letters or more are found through trigrams (FTS5, pg_trgm), fewer by looking at
the names one after another. Nothing is ranked: ranking reads every hit, and the first
page of hits is what people look at.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, select

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import SearchHit
from kubedash.storage.database import ReadSession
from kubedash.storage.statements import clean, holding, starts_with
from kubedash.storage.tables import (
    blob,
    label,
    label_text,
    manifest,
    manifest_blob,
    manifest_child,
    registry,
    repository,
    repository_manifest,
    tag,
    tag_name,
)

MIN_DIGEST_PREFIX: Final = 6
MAX_LIMIT: Final = 200
MAX_TEXTS: Final = 100
"""Distinct names, values or digests that are looked up further."""
_REPEATS: Final = 4
"""A label or layer is in many manifests of a repository: so many times more are read, and one is shown."""
_DIGEST: Final = re.compile(r"(?:([a-z0-9+._-]+):)?([0-9a-f]+)", re.IGNORECASE)
_HOLDERS: Final = (
    select(repository.c.registry_id, repository.c.name, manifest.c.digest)
    .select_from(manifest)
    .join(repository_manifest, repository_manifest.c.manifest_id == manifest.c.id)
    .join(repository, repository.c.id == repository_manifest.c.repository_id)
    .where(repository.c.gone_since.is_(None))
)


class _Search(msgspec.Struct, frozen=True):
    """What is asked for, and the registries that may answer."""

    text: str
    limit: int
    registries: Mapping[int, str]
    everywhere: bool

    def within(self, statement: Select[Any]) -> Select[Any]:
        return statement if self.everywhere else statement.where(repository.c.registry_id.in_(self.registries))


async def search(
    session: ReadSession, q: str, limit: int, registry_ids: Sequence[int] | None = None
) -> tuple[SearchHit, ...]:
    """At most `limit` hits: repositories first, then digests, tags and labels.

    `registry_ids` None means all of them.
    """
    names = {row.id: row.name for row in await session.rows(select(registry.c.id, registry.c.name))}
    if registry_ids is not None:
        names = {identifier: names[identifier] for identifier in registry_ids if identifier in names}
    asked = _Search(clean(q), min(limit, MAX_LIMIT), names, registry_ids is None)
    hits: list[SearchHit] = []
    for look in _EVERYWHERE if asked.text and names else ():
        if len(hits) < asked.limit:
            hits += await look(session, asked)
    return tuple(hits[: asked.limit])


async def _repositories(session: ReadSession, asked: _Search) -> list[SearchHit]:
    statement = holding(session.dialect, repository, asked.text, select(repository.c.registry_id, repository.c.name))
    visible = asked.within(statement.where(repository.c.gone_since.is_(None)))
    rows = await session.rows(visible.limit(asked.limit))
    return [_hit(asked, "repository", row, row.name) for row in rows]


async def _tags(session: ReadSession, asked: _Search) -> list[SearchHit]:
    statement = holding(session.dialect, tag_name, asked.text, select(tag_name.c.name))
    names = await session.scalars(statement.limit(MAX_TEXTS))
    if not names:
        return []
    found = (
        select(repository.c.registry_id, repository.c.name, tag.c.name.label("tag"), tag.c.digest)
        .select_from(tag)
        .join(repository, repository.c.id == tag.c.repository_id)
        .where(tag.c.name.in_(names), tag.c.machine == 0, repository.c.gone_since.is_(None))
    )
    return [_hit(asked, "tag", row, row.tag) for row in await session.rows(asked.within(found).limit(asked.limit))]


async def _digests(session: ReadSession, asked: _Search) -> list[SearchHit]:
    """Manifests, entries of indexes that are not kept themselves, and blobs."""
    match = _DIGEST.fullmatch(asked.text)
    if match is None or len(match[2]) < MIN_DIGEST_PREFIX:
        return []
    prefix = f"{match[1] or 'sha256'}:{match[2]}".lower()
    kept = select(manifest.c.id, manifest.c.digest).where(starts_with(manifest.c.digest, prefix))
    entries = select(manifest_child.c.manifest_id.label("id"), manifest_child.c.digest).where(
        starts_with(manifest_child.c.digest, prefix)
    )
    blobs = select(blob.c.id, blob.c.digest).where(starts_with(blob.c.digest, prefix))
    hits: list[SearchHit] = []
    for what, statement in (("digest", kept), ("digest", entries), ("blob", blobs)):
        known = {hit.text for hit in hits}
        found = {row.id: row.digest for row in await session.rows(statement.limit(MAX_TEXTS))}
        new = {identifier: digest for identifier, digest in found.items() if digest not in known}
        hits += await _holders(session, asked, what, new)
    return hits


async def _holders(session: ReadSession, asked: _Search, what: str, found: Mapping[int, str]) -> list[SearchHit]:
    """Where the manifests, or those with the blobs, of these ids are."""
    if not found:
        return []
    if what == "blob":
        statement = (
            _HOLDERS.join(manifest_blob, manifest_blob.c.manifest_id == manifest.c.id)
            .add_columns(manifest_blob.c.blob_id.label("found"))
            .where(manifest_blob.c.blob_id.in_(found))
        )
    else:
        statement = _HOLDERS.add_columns(manifest.c.id.label("found")).where(manifest.c.id.in_(found))
    rows = await session.rows(asked.within(statement).limit(asked.limit * _REPEATS))
    return _first_of_each(_hit(asked, what, row, found[row.found]) for row in rows)


async def _labels(session: ReadSession, asked: _Search) -> list[SearchHit]:
    statement = holding(session.dialect, label_text, asked.text, select(label_text.c.id, label_text.c.value))
    values = {row.id: row.value for row in await session.rows(statement.limit(MAX_TEXTS))}
    if not values:
        return []
    found = (
        _HOLDERS.join(label, label.c.manifest_id == manifest.c.id)
        .add_columns(label.c.key, label.c.text_id)
        .where(label.c.text_id.in_(values))
    )
    rows = await session.rows(asked.within(found).limit(asked.limit * _REPEATS))
    return _first_of_each(_hit(asked, "label", row, f"{row.key}={values[row.text_id]}") for row in rows)


_EVERYWHERE: Final[tuple[Callable[[ReadSession, _Search], Awaitable[list[SearchHit]]], ...]] = (
    _repositories,
    _digests,
    _tags,
    _labels,
)


def _hit(asked: _Search, what: str, row: Row[Any], text: str) -> SearchHit:
    return SearchHit(
        what=what,
        registry=asked.registries[row.registry_id],
        repository=RepositoryName(row.name),
        tag=Tag(row.tag) if hasattr(row, "tag") else None,
        digest=Digest(row.digest) if hasattr(row, "digest") else None,
        text=text,
    )


def _first_of_each(hits: Iterable[SearchHit]) -> list[SearchHit]:
    """One hit for each text of a repository."""
    first: dict[tuple[str, str, str], SearchHit] = {}
    for hit in hits:
        first.setdefault((hit.registry, hit.repository, hit.text), hit)
    return list(first.values())
