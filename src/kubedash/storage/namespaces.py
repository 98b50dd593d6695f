"""The folders of the repository tree, counted beforehand so that a page need not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.oci.reference import RepositoryName
from kubedash.records import Namespace
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.statements import upsert
from kubedash.storage.tables import namespace, repository

MAX_SHOWN: Final = 1000
_CHILDREN: Final = (
    select(namespace.c.path, namespace.c.repository_count)
    .where(namespace.c.registry_id == bindparam("registry_id"), namespace.c.parent == bindparam("parent"))
    .where(namespace.c.repository_count > 0)
    .order_by(namespace.c.path)
    .limit(MAX_SHOWN)
)
_COUNT: Final = select(namespace.c.repository_count).where(
    namespace.c.registry_id == bindparam("registry_id"), namespace.c.path == bindparam("path")
)


async def below(session: ReadSession, registry_id: int, under: str | None) -> tuple[Namespace, ...]:
    """The namespaces directly below one, or at the top, by path; at most `MAX_SHOWN`."""
    rows = await session.rows(_CHILDREN, {"registry_id": registry_id, "parent": (under or "").strip("/")})
    return tuple(Namespace(path=row.path, repository_count=row.repository_count) for row in rows)


async def count(session: ReadSession, registry_id: int, path: str) -> int:
    """How many repositories lie below a namespace, at any depth."""
    return await session.scalar(_COUNT, {"registry_id": registry_id, "path": path}) or 0


async def add(session: WriteSession, registry_id: int, names: Iterable[str]) -> None:
    """Counts repositories that were not there before."""
    rows = list(_rows(registry_id, names))
    insert = postgresql.insert(namespace) if session.dialect == "postgresql" else sqlite.insert(namespace)
    more = namespace.c.repository_count + insert.excluded.repository_count
    await session.many(
        insert.on_conflict_do_update(index_elements=["registry_id", "path"], set_={"repository_count": more}), rows
    )


async def rebuild(session: WriteSession, registry_id: int) -> None:
    """Counts everything anew."""
    names = await session.scalars(
        select(repository.c.name).where(repository.c.registry_id == registry_id, repository.c.gone_since.is_(None))
    )
    rows = list(_rows(registry_id, names))
    known = {
        row.path: row.repository_count
        for row in await session.rows(
            select(namespace.c.path, namespace.c.repository_count).where(namespace.c.registry_id == registry_id)
        )
    }
    keys = ("registry_id", "path")
    changed = [row for row in rows if known.get(str(row["path"])) != row["repository_count"]]
    await session.many(upsert(session.dialect, namespace, keys, ("repository_count",)), changed)
    emptied = known.keys() - {str(row["path"]) for row in rows}
    gone = delete(namespace).where(namespace.c.registry_id == registry_id, namespace.c.path == bindparam("gone"))
    await session.many(gone, [{"gone": path} for path in sorted(emptied)])


def _rows(registry_id: int, names: Iterable[str]) -> Iterator[dict[str, int | str]]:
    """In one order everywhere: two writers that count at once never wait for each other in a circle."""
    counts = Counter(path for name in names for path in ancestors(name))
    for path in sorted(counts):
        yield {
            "registry_id": registry_id,
            "path": path,
            "parent": RepositoryName(path).namespace,
            "repository_count": counts[path],
        }


def ancestors(name: str) -> Iterator[str]:
    """`a/b/c` lies below `a` and below `a/b`."""
    parts = name.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])
