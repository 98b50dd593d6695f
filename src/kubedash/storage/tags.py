"""Tags: the only thing of a registry that moves, and what each pointed to before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import CTE, Row, Select, Table, bindparam, delete, or_, select, union_all
from sqlalchemy import update as change

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.oci.referrers import is_folded, parse_attachment_tag
from kubedash.records import Page, TagQuery, TagRow
from kubedash.storage import pulls, tag_details, tag_history
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.narrowing import few_tag_names
from kubedash.storage.paging import Cut, Keyset, Ordering, Shape
from kubedash.storage.statements import chunks, clean, insert_new, matches_exactly, upsert
from kubedash.storage.tables import manifest, repository, tag, tag_name
from kubedash.storage.tag_details import TagDetails
from kubedash.storage.values import NO_NUMBER, NO_TIME, from_micros, from_sortable_number, moment_of, to_micros

MAX_SAME_DIGEST: Final = 1000
SEEN_BY_CRAWL: Final = "crawl"
MAX_NEWEST: Final = 10_000
_COLUMNS: Final = (
    tag.c.name,
    tag.c.version_key,
    tag.c.digest,
    tag.c.kind,
    tag.c.created,
    tag.c.size,
    tag.c.seen_at,
    tag.c.last_pulled,
    tag.c.repository_id,
)
_FIND: Final = select(*_COLUMNS).where(
    tag.c.repository_id == bindparam("repository_id"),
    tag.c.machine.in_((0, 1)),
    tag.c.name == bindparam("name"),
)
_KNOWN: Final = select(tag.c.name, tag.c.digest).where(tag.c.repository_id == bindparam("repository_id"))
_OF_DIGEST: Final = (
    select(tag.c.name)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.digest == bindparam("digest"), tag.c.machine == 0)
    .order_by(tag.c.version_key.desc(), tag.c.name.desc())
    .limit(MAX_SAME_DIGEST)
)
_SHARING: Final = (
    select(tag.c.name)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.digest == bindparam("digest"))
    .order_by(tag.c.name)
)
_NEWEST: Final = (
    select(tag.c.digest)
    .where(tag.c.repository_id == bindparam("repository_id"), tag.c.machine == 0)
    .order_by(tag.c.created.desc(), tag.c.name.desc())
    .limit(MAX_NEWEST)
)
_KEYS: Final = ("repository_id", "machine", "name")
_CHANGED: Final = ("digest", "kind", "created", "size", "seen_at")
_ORDERINGS: Final = {
    "version": Ordering(("version_key", "name"), (str, str)),
    "name": Ordering(("name",), (str,)),
    "created": Ordering(("created", "name"), (int, str)),
    "size": Ordering(("size", "name"), (int, str)),
    "last_pulled": Ordering(("last_pulled", "name"), (int, str)),
}
_KIND_OF_SUFFIX: Final = {
    "sig": ArtifactKind.COSIGN_SIGNATURE,
    "att": ArtifactKind.COSIGN_ATTESTATION,
    "sbom": ArtifactKind.SBOM,
    "": ArtifactKind.REFERRERS,
}


async def observe(
    session: WriteSession,
    repository_id: int,
    pairs: Sequence[tuple[Tag, Digest]],
    at: datetime,
    seen_by: str,
    actor: str | None = None,
) -> int:
    """These tags point there now; what moved gets a line of history. Returns how many moved or are new.

    What is known of a manifest is copied beside the tag, so that a list can be sorted
    by it. `seen_by` says who saw it: `crawl`, `page`, `event` or `us`; `actor` who did it,
    where that is known.
    """
    wanted = dict(pairs)
    before = await _before(session, repository_id, wanted)
    facts = await _facts(session, set(wanted.values()))
    pulled = await pulls.last_of(session, repository_id, wanted.keys() - before.keys())
    moment = to_micros(at)
    rows, moved = [], []
    for name in sorted(wanted):
        digest, old = wanted[name], before.get(name)
        same = old is not None and old.digest == digest
        row = _row(repository_id, name, digest, facts.get(digest)) | {
            "seen_at": old.seen_at if old and same else moment,
            "last_pulled": old.last_pulled if old else pulled.get(name, NO_TIME),
        }
        if not same:
            moved.append(name)
        if old is None or any(row[column] != getattr(old, column) for column in (*_CHANGED, "machine")):
            rows.append(row)
    await _forget_others(session, rows, before)
    await session.many(upsert(session.dialect, tag, _KEYS, _CHANGED), rows)
    await session.many(insert_new(session.dialect, tag_name), [{"name": name} for name in moved if name not in before])
    seen = tag_history.Seen(moment, seen_by, actor)
    await tag_history.close(session, repository_id, [name for name in moved if name in before], seen)
    await tag_history.begin(session, repository_id, [(name, wanted[name]) for name in moved], seen)
    return len(moved)


async def _before(session: ReadSession, repository_id: int, names: Collection[Tag]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for chunk in chunks(names):
        statement = select(*_COLUMNS, tag.c.machine).where(
            tag.c.repository_id == repository_id, tag.c.machine.in_((0, 1)), tag.c.name.in_(chunk)
        )
        found.update({row.name: row for row in await session.rows(statement)})
    return found


async def _forget_others(session: WriteSession, rows: Sequence[dict[str, Any]], before: Mapping[str, Row[Any]]) -> None:
    """A tag is folded or listed, never both: `machine` is part of its key."""
    turned = [row for row in rows if row["name"] in before and before[row["name"]].machine != row["machine"]]
    for row in turned:
        old = (tag.c.machine == 1 - row["machine"], tag.c.name == row["name"])
        await session.run(delete(tag).where(tag.c.repository_id == row["repository_id"], *old))


async def _facts(session: ReadSession, digests: Collection[Digest]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for chunk in chunks(sorted(digests)):
        statement = select(
            manifest.c.digest, manifest.c.media_type, manifest.c.kind, manifest.c.created, manifest.c.size
        ).where(manifest.c.digest.in_(chunk))
        found.update({row.digest: row for row in await session.rows(statement)})
    return found


def _row(repository_id: int, name: Tag, digest: Digest, facts: Row[Any] | None) -> dict[str, Any]:
    attachment = parse_attachment_tag(name)
    return {
        "repository_id": repository_id,
        "name": name,
        "version_key": name.version_key,
        "machine": int(is_folded(name, facts.media_type if facts else None)),
        # Under a referrers tag is a list, whatever sort it looks like: its entries are attached, not the list.
        "subject": attachment.subject if attachment and attachment.suffix else None,
        "digest": digest,
        "kind": facts.kind if facts else _KIND_OF_SUFFIX[attachment.suffix] if attachment else None,
        "created": facts.created if facts else NO_TIME,
        "size": facts.size if facts else NO_NUMBER,
    }


async def known(session: ReadSession, repository_id: int) -> dict[Tag, Digest]:
    """Every tag, machines' as well, and what it pointed to when last seen."""
    rows = await session.rows(_KNOWN, {"repository_id": repository_id})
    return {Tag(row.name): Digest(row.digest) for row in rows}


async def newest_digests(session: ReadSession, repository_id: int) -> tuple[Digest, ...]:
    """What people's tags point to, newest image first, each once; no more than `MAX_NEWEST` tags are read."""
    found = await session.scalars(_NEWEST, {"repository_id": repository_id})
    return tuple(dict.fromkeys(map(Digest, found)))


async def finish_listing(session: WriteSession, repository_id: int, seen: Collection[Tag], at: datetime) -> int:
    """After a complete listing, and only then: forgets the tags it no longer had. Returns how many."""
    gone = (await known(session, repository_id)).keys() - set(seen)
    await forget(session, repository_id, gone, at, SEEN_BY_CRAWL)
    return len(gone)


async def forget(
    session: WriteSession,
    repository_id: int,
    names: Collection[Tag],
    at: datetime,
    seen_by: str,
    actor: str | None = None,
) -> None:
    """These tags are gone from the registry; their history stays and says who saw it, or did it."""
    gone = sorted(names)
    await tag_history.close(session, repository_id, gone, tag_history.Seen(to_micros(at), seen_by, actor))
    for chunk in chunks(gone):
        await session.run(
            delete(tag).where(tag.c.repository_id == repository_id, tag.c.machine.in_((0, 1)), tag.c.name.in_(chunk))
        )


async def page(session: ReadSession, repository_id: int, query: TagQuery) -> Page[TagRow]:
    """A page of the tag list: four queries, five with a filter, however long it is. Raises `InvalidInput`."""
    keyset = Keyset(query.sort, _ORDERINGS, query.limit, query.cursor)
    words = clean(query.q)
    few = await few_tag_names(session, words) if words and not query.folded else None

    def statement() -> Select[Any]:
        if not words:
            return _whole_list(keyset.shape, query.folded)
        source = tag if few is None else _only(few)
        wanted = matches_exactly(session.dialect, source.c.name, words)
        return _page_statement(keyset.shape, _listed(source).where(wanted), source, query.folded)

    rows = await session.rows(statement(), {"repository_id": repository_id} | keyset.values)
    if keyset.runs_into_start(rows):
        keyset.restart()
        rows = await session.rows(statement(), {"repository_id": repository_id})
    return await _completed(session, repository_id, keyset.cut(rows), plain=not query.folded and not words)


def _only(names: Sequence[str]) -> CTE:
    """Looked up beforehand, so that SQLite does not walk the whole list for them."""
    mine = (tag.c.repository_id == bindparam("repository_id"), tag.c.machine == 0, tag.c.name.in_(names))
    return select(tag).where(*mine).cte("few").prefix_with("MATERIALIZED")


@lru_cache(maxsize=256)
def _whole_list(shape: Shape, folded: bool) -> Select[Any]:
    """Without a filter; kept, as making a statement costs more than running it."""
    return _page_statement(shape, _listed(tag), tag, folded)


def _listed(source: Table | CTE) -> Select[Any]:
    return (
        select(*(source.c[column.name] for column in _COLUMNS), repository.c.tag_count, repository.c.last_synced)
        .join(repository, repository.c.id == source.c.repository_id)
        .where(source.c.repository_id == bindparam("repository_id"))
    )


def _page_statement(shape: Shape, listed: Select[Any], source: Table | CTE, folded: bool) -> Select[Any]:
    people = shape.apply(listed.where(source.c.machine == 0), source.c)
    if not folded:
        return people
    # Two short walks of one index and a merge: no index would serve both kinds at once.
    machines = shape.apply(listed.where(source.c.machine == 1), source.c)
    both = union_all(select(people.subquery()), select(machines.subquery())).subquery()
    return shape.ordered(select(both), both.c)


async def _completed(session: ReadSession, repository_id: int, cut: Cut, *, plain: bool) -> Page[TagRow]:
    details = await tag_details.of_digests(session, repository_id, [Digest(row.digest) for row in cut.rows])
    first = cut.rows[0] if cut.rows else None
    total = from_sortable_number(first.tag_count) if first else 0
    return Page(
        items=tuple(_record(row, details) for row in cut.rows),
        next=cut.next,
        previous=cut.previous,
        first=cut.first,
        as_of=from_micros(first.last_synced) if first else None,
        total=total if plain else None,
    )


async def of_digest(session: ReadSession, repository_id: int, digest: Digest) -> tuple[Tag, ...]:
    """The tags that point to a digest, highest version first; no more than `MAX_SAME_DIGEST`."""
    names = await session.scalars(_OF_DIGEST, {"repository_id": repository_id, "digest": digest})
    return tuple(map(Tag, names))


async def sharing(session: ReadSession, repository_id: int, digest: Digest) -> tuple[Tag, ...]:
    """Every tag that points to a digest, machines' too."""
    return tuple(map(Tag, await session.scalars(_SHARING, {"repository_id": repository_id, "digest": digest})))


async def find(session: ReadSession, repository_id: int, name: Tag) -> TagRow | None:
    """One tag, as its line of the list shows it."""
    values = {"repository_id": repository_id, "name": name}
    row = await session.first(_FIND, values)
    if row is None:
        return None
    return _record(row, await tag_details.of_digests(session, repository_id, [Digest(row.digest)]))


async def refresh(session: WriteSession, repository_id: int, only: Sequence[Digest] | None = None) -> None:
    """Copies kind, creation and size of the manifests beside the tags that lead to them, where they differ.

    `only` tags of these digests are looked at, where it is given.
    """
    facts = (manifest.c.kind, manifest.c.created, manifest.c.size)
    differs = or_(
        tag.c.kind.is_distinct_from(manifest.c.kind),
        tag.c.created != manifest.c.created,
        tag.c.size != manifest.c.size,
    )
    wanted = select(tag.c.id, *facts).join(manifest, manifest.c.digest == tag.c.digest).order_by(tag.c.id)
    if only is not None:
        wanted = wanted.where(tag.c.digest.in_(only))
    stale = await session.rows(wanted.where(tag.c.repository_id == repository_id, differs))
    statement = (
        change(tag)
        .where(tag.c.id == bindparam("of_tag"))
        .values({column: bindparam(f"new_{column}") for column in ("kind", "created", "size")})
    )
    rows = [{"of_tag": row.id, "new_kind": row.kind, "new_created": row.created, "new_size": row.size} for row in stale]
    await session.many(statement, rows)


def _record(row: Row[Any], details: Mapping[str, TagDetails]) -> TagRow:
    # Taken apart by position: a name costs a look-up, eight times a row.
    cells: tuple[Any, ...] = tuple(row)
    name, _, digest, kind, created, size, seen_at, last_pulled = cells[:8]
    found = details[digest]
    return TagRow(
        name=Tag(name),
        digest=Digest(digest),
        media_type=found.media_type,
        kind=kind,
        platforms=found.platforms,
        created=from_micros(created),
        size=from_sortable_number(size),
        platform_sizes=found.sizes,
        aliases=tuple([alias for alias in found.tags if alias != name]),
        signed=found.signed,
        attachments=found.attachments,
        missing=found.missing,
        seen_at=moment_of(seen_at),
        last_pulled=from_micros(last_pulled),
    )
