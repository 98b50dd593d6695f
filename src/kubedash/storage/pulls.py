"""Pulls, counted by day for each tag, digest and repository; kept when the events have gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, bindparam, case, delete, select
from sqlalchemy import update as change
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.records.pulls import PullCounts
from kubedash.storage import touched_tags
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.pull_tables import event_watch, pull_day, pull_target
from kubedash.storage.statements import chunks
from kubedash.storage.tables import manifest, manifest_child, repository, tag
from kubedash.storage.values import moment_of, to_micros

WHOLE: Final = ""
"""The target that stands for all of a repository."""
KEEP_DAYS: Final = 400
_DAY: Final = 86_400_000_000
_SPANS: Final = (7, 30, 90)
_TOUCH_TAG: Final = (
    change(tag)
    .where(
        tag.c.repository_id == bindparam("of"),
        tag.c.machine == bindparam("folded"),
        tag.c.name == bindparam("target"),
        tag.c.last_pulled < bindparam("at"),
    )
    .values(last_pulled=bindparam("at"))
)
_TOUCH_DIGEST: Final = (
    change(tag)
    .where(
        tag.c.repository_id == bindparam("of"), tag.c.digest == bindparam("target"), tag.c.last_pulled < bindparam("at")
    )
    .values(last_pulled=bindparam("at"))
)
_TOUCH_REPOSITORY: Final = (
    change(repository)
    .where(repository.c.id == bindparam("of"), repository.c.last_pulled < bindparam("at"))
    .values(last_pulled=bindparam("at"))
)


class Counted(msgspec.Struct, frozen=True, gc=False):
    """One pull of a tag, or of a digest."""

    repository_id: int
    target: str
    at: datetime


async def add(session: WriteSession, pulls: Iterable[Counted]) -> None:
    """Counts each of them, in the order of the keys so that two writers never wait for each other."""
    by_day: Counter[tuple[int, str, int]] = Counter()
    spans: dict[tuple[int, str], list[int]] = {}
    for pull in pulls:
        moment = to_micros(pull.at)
        for target in {pull.target, WHOLE}:
            by_day[pull.repository_id, target, moment // _DAY] += 1
            span = spans.setdefault((pull.repository_id, target), [moment, moment, 0])
            span[:] = min(span[0], moment), max(span[1], moment), span[2] + 1
    await session.many(_adding(session, pull_day, ("repository_id", "target", "day")), _day_rows(by_day))
    await session.many(_adding(session, pull_target, ("repository_id", "target")), _target_rows(spans))
    await _touch(session, spans)


async def of_known(session: ReadSession, counted: Sequence[Counted]) -> list[Counted]:
    """The same pulls; those of a tag or digest that is not in the index count for their repository alone.

    Otherwise whoever may post could fill the store with names.
    """
    named: defaultdict[int, set[str]] = defaultdict(set)
    for pull in counted:
        named[pull.repository_id].add(pull.target)
    known: set[tuple[int, str]] = set()
    for repository_id, targets in named.items():
        tagged = await touched_tags.by_name(session, repository_id, {Tag(name) for name in targets if ":" not in name})
        digests = {Digest(name) for name in targets if ":" in name}
        known.update((repository_id, name) for name in tagged)
        known.update((repository_id, name) for name in await touched_tags.held(session, repository_id, digests))
    return [
        pull if (pull.repository_id, pull.target) in known else Counted(pull.repository_id, WHOLE, pull.at)
        for pull in counted
    ]


def _day_rows(by_day: Mapping[tuple[int, str, int], int]) -> list[dict[str, Any]]:
    keys = ("repository_id", "target", "day")
    return [dict(zip(keys, key, strict=True)) | {"many": many} for key, many in sorted(by_day.items())]


def _target_rows(spans: Mapping[tuple[int, str], Sequence[int]]) -> list[dict[str, Any]]:
    return [
        {"repository_id": key[0], "target": key[1], "first_at": first, "last_at": last, "many": many}
        for key, (first, last, many) in sorted(spans.items())
    ]


async def _touch(session: WriteSession, spans: Mapping[tuple[int, str], Sequence[int]]) -> None:
    """The lists are sorted by the last pull: it stands beside each tag, and each tag of a digest."""
    last = [(repository_id, target, span[1]) for (repository_id, target), span in sorted(spans.items())]
    whole: list[dict[str, Any]] = [{"of": of, "at": at} for of, target, at in last if target == WHOLE]
    named: list[dict[str, Any]] = [{"of": of, "target": target, "at": at} for of, target, at in last if target != WHOLE]
    await session.many(_TOUCH_REPOSITORY, whole)
    by_tag = [row for row in named if ":" not in row["target"]]
    # A tag is folded or not: both are tried, as the index wants to be told.
    await session.many(_TOUCH_TAG, [row | {"folded": folded} for row in by_tag for folded in (0, 1)])
    await session.many(_TOUCH_DIGEST, [row for row in named if ":" in row["target"]])


def _adding(session: WriteSession, table: Any, keys: Sequence[str]) -> Any:
    insert: Any = postgresql.insert(table) if session.dialect == "postgresql" else sqlite.insert(table)
    old, new = table.c, insert.excluded
    changed: dict[str, ColumnElement[int]] = {"many": old.many + new.many}
    if table is pull_target:
        changed["first_at"] = case((new.first_at < old.first_at, new.first_at), else_=old.first_at)
        changed["last_at"] = case((new.last_at > old.last_at, new.last_at), else_=old.last_at)
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


async def parents(session: ReadSession, digests: Collection[str]) -> dict[str, frozenset[str]]:
    """The indexes that hold these manifests, as far as they are known in any repository."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for chunk in chunks(sorted(digests)):
        rows = await session.rows(
            select(manifest_child.c.digest, manifest.c.digest.label("parent"))
            .join(manifest, manifest.c.id == manifest_child.c.manifest_id)
            .where(manifest_child.c.digest.in_(chunk))
        )
        for row in rows:
            found[row.digest].add(row.parent)
    return {digest: frozenset(indexes) for digest, indexes in found.items()}


async def last_of(session: ReadSession, repository_id: int, targets: Collection[str]) -> dict[str, int]:
    """When each was last pulled, in microseconds: a tag that comes back keeps its past."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(targets)):
        rows = await session.rows(
            select(pull_target.c.target, pull_target.c.last_at).where(
                pull_target.c.repository_id == repository_id, pull_target.c.target.in_(chunk)
            )
        )
        found.update({row.target: row.last_at for row in rows})
    return found


async def watched_since(session: ReadSession, registry_id: int) -> datetime | None:
    """Since when the registry tells us of pulls; None: it never did."""
    found = await session.scalar(select(event_watch.c.pulls_since).where(event_watch.c.registry_id == registry_id))
    return None if found is None else moment_of(found)


async def of_tags(
    session: ReadSession, registry_id: int, repository_id: int, pairs: Iterable[tuple[Tag, str]], now: datetime
) -> dict[str, PullCounts]:
    """For tags with their digests: pulls by the tag, and by its digest alone; under `WHOLE` all of the repository.

    Empty where none are told.
    """
    since = await watched_since(session, registry_id)
    if since is None:
        return {}
    wanted = dict(pairs)
    sums = await _sums(session, [repository_id], {WHOLE, *wanted, *wanted.values()}, now)
    found: dict[str, PullCounts] = {WHOLE: _counts(since, sums.get((repository_id, WHOLE)))}
    for name, digest in wanted.items():
        found[name] = _counts(since, sums.get((repository_id, name)), sums.get((repository_id, digest)))
    return found


async def of_repositories(
    session: ReadSession, registry_id: int, repository_ids: Collection[int], now: datetime
) -> dict[int, PullCounts]:
    """For repositories of one registry. Empty where it does not tell us of pulls."""
    since = await watched_since(session, registry_id)
    if since is None or not repository_ids:
        return {}
    sums = await _sums(session, repository_ids, (WHOLE,), now)
    return {identifier: _counts(since, sums.get((identifier, WHOLE))) for identifier in repository_ids}


async def _sums(
    session: ReadSession, repository_ids: Collection[int], targets: Collection[str], now: datetime
) -> dict[tuple[int, str], list[int]]:
    """7, 30 and 90 days of each target."""
    today = to_micros(now) // _DAY
    found: dict[tuple[int, str], list[int]] = {}
    for ids in chunks(sorted(repository_ids)):
        for chunk in chunks(sorted(targets)):
            rows = await session.rows(
                select(pull_day).where(
                    pull_day.c.repository_id.in_(ids),
                    pull_day.c.target.in_(chunk),
                    pull_day.c.day > today - _SPANS[-1],
                )
            )
            for row in rows:
                sums = found.setdefault((row.repository_id, row.target), [0, 0, 0])
                for place, span in enumerate(_SPANS):
                    sums[place] += row.many if row.day > today - span else 0
    return found


def _counts(since: datetime, *sums: Sequence[int] | None) -> PullCounts:
    seven, thirty, ninety = (sum(part[place] for part in sums if part) for place in range(3))
    return PullCounts(days_7=seven, days_30=thirty, days_90=ninety, since=since)


async def forget(session: WriteSession, now: datetime) -> None:
    """Single days go after `KEEP_DAYS`; when something was last pulled stays."""
    await session.run(delete(pull_day).where(pull_day.c.day < to_micros(now) // _DAY - KEEP_DAYS))
