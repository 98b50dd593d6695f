"""Repositories: the image list, and what a crawl learned of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CTE, Row, Select, Table, bindparam, case, func, or_, select
from sqlalchemy import update as change

from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Namespace, Page, Repository, RepositoryQuery
from kubedash.storage import namespaces as folders
from kubedash.storage import sizes
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.narrowing import few_repositories
from kubedash.storage.paging import Keyset, Ordering
from kubedash.storage.statements import chunks, clean, insert_new, matches, part_pattern, starts_with
from kubedash.storage.tables import registry, repository, tag
from kubedash.storage.values import NO_NUMBER, from_micros, from_sortable_number, to_micros

_COLUMNS: Final = (
    repository.c.id,
    repository.c.name,
    repository.c.kind,
    repository.c.tag_count,
    repository.c.newest_tag,
    repository.c.size,
    repository.c.pushed_at,
    repository.c.last_pulled,
    repository.c.last_synced,
    repository.c.gone_since,
    repository.c.sync_error,
    repository.c.failing_since,
    registry.c.name.label("registry"),
)
_WITH_REGISTRY: Final = select(*_COLUMNS).join(registry, registry.c.id == repository.c.registry_id)
_FIND: Final = _WITH_REGISTRY.where(
    repository.c.registry_id == bindparam("registry_id"), repository.c.name == bindparam("name")
)
_BY_ID: Final = _WITH_REGISTRY.where(repository.c.id == bindparam("id"))
_PRESENT: Final = repository.c.gone_since.is_(None)
_NEWEST: Final = (
    _WITH_REGISTRY.where(_PRESENT, repository.c.pushed_at > 0)
    .order_by(repository.c.pushed_at.desc())
    .limit(bindparam("limit"))
)
_FAILING: Final = (
    _WITH_REGISTRY.where(_PRESENT, repository.c.failing_since.is_not(None))
    .order_by(repository.c.failing_since)
    .limit(bindparam("limit"))
)
_ORDERINGS: Final = {
    "name": Ordering(("name",), (str,)),
    "pushed_at": Ordering(("pushed_at", "name"), (int, str)),
    "last_pulled": Ordering(("last_pulled", "name"), (int, str)),
    "size": Ordering(("size", "name"), (int, str)),
    "tag_count": Ordering(("tag_count", "name"), (int, str)),
}
_MAX_REASON: Final = 2000


async def ensure(
    session: WriteSession, registry_id: int, names: Sequence[RepositoryName], at: datetime
) -> dict[RepositoryName, int]:
    """The ids of these repositories, made where they are new, revived where they were gone."""
    found = await _by_names(session, registry_id, names)
    new = sorted(set(names) - found.keys())
    rows = [{"registry_id": registry_id, "name": name} for name in new]
    await session.many(insert_new(session.dialect, repository), rows)
    back = {name: row.id for name, row in found.items() if row.gone_since is not None}
    await _set_gone(session, sorted(back.values()), None)
    await folders.add(session, registry_id, [*new, *back])
    found.update(await _by_names(session, registry_id, new))
    return {name: row.id for name, row in found.items()}


async def _by_names(
    session: ReadSession, registry_id: int, names: Collection[RepositoryName]
) -> dict[RepositoryName, Row[Any]]:
    found = {}
    for chunk in chunks(dict.fromkeys(names)):
        statement = select(repository.c.id, repository.c.name, repository.c.gone_since).where(
            repository.c.registry_id == registry_id, repository.c.name.in_(chunk)
        )
        found.update({RepositoryName(row.name): row for row in await session.rows(statement)})
    return found


async def _set_gone(session: WriteSession, ids: Sequence[int], since: int | None) -> None:
    for chunk in chunks(ids):
        await session.run(change(repository).where(repository.c.id.in_(chunk)).values(gone_since=since))


async def find(session: ReadSession, registry_id: int, name: str) -> Repository | None:
    """The repository, also where it is gone."""
    return _record(await session.first(_FIND, {"registry_id": registry_id, "name": name}))


async def by_id(session: ReadSession, repository_id: int) -> Repository | None:
    return _record(await session.first(_BY_ID, {"id": repository_id}))


async def newest(session: ReadSession, limit: int) -> tuple[Repository, ...]:
    """Those pushed to last, over all registries."""
    return tuple(filter(None, map(_record, await session.rows(_NEWEST, {"limit": limit}))))


async def failing(session: ReadSession, limit: int) -> tuple[Repository, ...]:
    """Those whose refresh fails, the longest first."""
    return tuple(filter(None, map(_record, await session.rows(_FAILING, {"limit": limit}))))


async def page(session: ReadSession, registry_id: int, query: RepositoryQuery) -> Page[Repository]:
    """A page of the image list, without what is gone. Raises `InvalidInput`."""
    keyset = Keyset(query.sort, _ORDERINGS, query.limit, query.cursor)
    words = clean(query.q)
    few = await few_repositories(session, words) if words else None
    source = repository if few is None else _only(few)
    listed = _filtered(source, query, words, session.dialect)
    values = {"registry_id": registry_id}
    rows = await session.rows(keyset.shape.apply(listed, source.c), values | keyset.values)
    if keyset.runs_into_start(rows):
        keyset.restart()
        rows = await session.rows(keyset.shape.apply(listed, source.c), values | keyset.values)
    cut = keyset.cut(rows)
    first = cut.rows[0] if cut.rows else None
    return Page(
        items=tuple(filter(None, map(_record, cut.rows))),
        next=cut.next,
        previous=cut.previous,
        first=cut.first,
        as_of=from_micros(first.as_of) if first else None,
        total=await _total(session, registry_id, query, first),
    )


def _only(ids: Sequence[int]) -> CTE:
    """Looked up beforehand, so that SQLite does not walk the whole list for them."""
    return select(repository).where(repository.c.id.in_(ids)).cte("few").prefix_with("MATERIALIZED")


def _filtered(source: Table | CTE, query: RepositoryQuery, words: str, dialect: str) -> Select[Any]:
    statement = (
        select(
            *(source.c[column.name] for column in _COLUMNS[:-1]),
            registry.c.name.label("registry"),
            registry.c.last_synced.label("as_of"),
            registry.c.repository_count,
        )
        .join(registry, registry.c.id == source.c.registry_id)
        .where(source.c.registry_id == bindparam("registry_id"), source.c.gone_since.is_(None))
    )
    if query.namespace:
        statement = statement.where(starts_with(source.c.name, query.namespace.strip("/") + "/"))
    if query.kind:
        statement = statement.where(source.c.kind == query.kind)
    if words:
        statement = statement.where(matches(dialect, source.c.name, part_pattern(words)))
    return statement


async def _total(session: ReadSession, registry_id: int, query: RepositoryQuery, first: Row[Any] | None) -> int | None:
    """What was counted beforehand; None where it would have to be counted now."""
    if query.kind or clean(query.q):
        return None
    if query.namespace:
        return await folders.count(session, registry_id, query.namespace.strip("/"))
    return first.repository_count if first else None


async def namespaces(session: ReadSession, registry_id: int, under: str | None) -> tuple[Namespace, ...]:
    """The folders directly below `under`, or at the top."""
    return await folders.below(session, registry_id, under)


async def finish_listing(
    session: WriteSession, registry_id: int, seen: Collection[RepositoryName], at: datetime
) -> int:
    """After a complete listing, and only then: what it no longer had is gone since now.

    Returns how many went. What it has again comes back.
    """
    known = await session.rows(
        select(repository.c.id, repository.c.name, repository.c.gone_since).where(
            repository.c.registry_id == registry_id
        )
    )
    listed = set(seen)
    gone = [row.id for row in known if row.gone_since is None and row.name not in listed]
    back = [row.id for row in known if row.gone_since is not None and row.name in listed]
    await _set_gone(session, gone, to_micros(at))
    await _set_gone(session, back, None)
    if gone or back:
        await folders.rebuild(session, registry_id)
    return len(gone)


async def record_synced(session: WriteSession, repository_id: int, at: datetime) -> None:
    """Its tags were listed in full: no failure counts any more."""
    moment = to_micros(at)
    await session.run(
        change(repository)
        .where(repository.c.id == repository_id)
        .values(
            last_synced=moment,
            first_synced=func.coalesce(repository.c.first_synced, moment),
            failing_since=None,
            sync_error=None,
        )
    )


async def record_failure(session: WriteSession, repository_id: int, reason: str, at: datetime) -> None:
    """A refresh failed; since when it does so stays until one succeeds."""
    await session.run(
        change(repository)
        .where(repository.c.id == repository_id)
        .values(failing_since=func.coalesce(repository.c.failing_since, to_micros(at)), sync_error=reason[:_MAX_REASON])
    )


async def names_due(
    session: ReadSession, registry_id: int, after: str | None, limit: int
) -> tuple[RepositoryName, ...]:
    """The next repositories of a crawl, by name; what is gone is left out."""
    statement = (
        select(repository.c.name)
        .where(repository.c.registry_id == registry_id, _PRESENT, repository.c.name > (after or ""))
        .order_by(repository.c.name)
        .limit(limit)
    )
    return tuple(map(RepositoryName, await session.scalars(statement)))


async def ids_of(session: ReadSession, registry_id: int, names: Collection[str]) -> dict[RepositoryName, int]:
    """The ids of those that are known and there."""
    found = await _by_names(session, registry_id, [RepositoryName(name) for name in names])
    return {name: row.id for name, row in found.items() if row.gone_since is None}


async def is_claimed(session: ReadSession, registry_id: int, name: str, now: datetime) -> bool:
    """Whether a crawl is at the repository."""
    statement = select(repository.c.lease_until).where(
        repository.c.registry_id == registry_id, repository.c.name == name, repository.c.lease_owner.is_not(None)
    )
    return (await session.scalar(statement) or 0) > to_micros(now)


async def claim(session: WriteSession, repository_id: int, owner: str, now: datetime, lease_seconds: float) -> bool:
    """Takes the repository for one crawl; False while another owner's lease lasts.

    The same owner may claim again: that is what a resumed crawl does.
    """
    moment = to_micros(now)
    free = or_(
        repository.c.lease_owner.is_(None), repository.c.lease_owner == owner, repository.c.lease_until <= moment
    )
    until = moment + int(lease_seconds * 1_000_000)
    statement = change(repository).where(repository.c.id == repository_id, free)
    return await session.run(statement.values(lease_owner=owner, lease_until=until)) == 1


async def renew(session: WriteSession, repository_id: int, owner: str, now: datetime, lease_seconds: float) -> bool:
    """Makes the lease last longer; False where somebody else has taken it meanwhile."""
    until = to_micros(now) + int(lease_seconds * 1_000_000)
    statement = change(repository).where(repository.c.id == repository_id, repository.c.lease_owner == owner)
    return await session.run(statement.values(lease_until=until)) == 1


async def release(session: WriteSession, repository_id: int, owner: str) -> None:
    """Gives it back; nothing happens where it belongs to somebody else."""
    statement = change(repository).where(repository.c.id == repository_id, repository.c.lease_owner == owner)
    await session.run(statement.values(lease_owner=None, lease_until=None))


async def recount(session: WriteSession, repository_id: int, *, sized: bool = True) -> None:
    """Works out what the image list shows: tags (without machines'), newest tag, kind, size, last push.

    Without `sized` the bytes stay as they were: summing those of a very large repository takes long.
    A registry does not say when something was pushed. It is taken to be the newest
    image's creation, or the moment when a tag appeared or moved after the first
    listing, whichever is later.
    """
    mine = (tag.c.repository_id == repository_id, tag.c.machine == 0)
    before = func.coalesce(
        select(repository.c.first_synced).where(repository.c.id == repository_id).scalar_subquery(), 2**62
    )
    moved = case((tag.c.seen_at > before, tag.c.seen_at), else_=0)
    honest = case((tag.c.created <= tag.c.seen_at, tag.c.created), else_=0)
    found = await session.first(
        select(func.count().label("many"), func.max(moved).label("moved"), func.max(honest).label("created")).where(
            *mine
        )
    )
    latest = await session.first(
        select(tag.c.name, tag.c.kind)
        .where(*mine, tag.c.created == select(func.max(tag.c.created)).where(*mine).scalar_subquery())
        .order_by(tag.c.version_key.desc(), tag.c.name.desc())
        .limit(1)
    )
    await session.run(
        change(repository)
        .where(repository.c.id == repository_id)
        .values(
            tag_count=found.many if found else NO_NUMBER,
            pushed_at=max(found.moved or 0, found.created or 0) if found else 0,
            newest_tag=latest.name if latest else None,
            kind=latest.kind if latest else None,
            **({"size": await sizes.of_repository(session, repository_id)} if sized else {}),
        )
    )


def _record(row: Row[Any] | None) -> Repository | None:
    if row is None:
        return None
    return Repository(
        id=row.id,
        registry=row.registry,
        name=RepositoryName(row.name),
        kind=row.kind,
        tag_count=from_sortable_number(row.tag_count),
        newest_tag=Tag(row.newest_tag) if row.newest_tag else None,
        size=from_sortable_number(row.size),
        pushed_at=from_micros(row.pushed_at),
        last_pulled=from_micros(row.last_pulled),
        last_synced=from_micros(row.last_synced),
        gone_since=from_micros(row.gone_since),
        sync_error=row.sync_error,
        failing_since=from_micros(row.failing_since),
    )
