"""Which tags a rule means, in which order they go, and how each of them would. Pure: the time is a parameter.

What is not known never counts against a tag: without a date it is not old, and without
a word from the registry about pulls for the whole time it is not unused.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import INDEX_TYPES
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.deletion import DeletionChoices, DeletionFacts, plan_deletion
from kubedash.records import BulkTag, Capabilities, Selection, Strategy

MAX_TAGS: Final = 20_000
MAX_DAYS: Final = 36_500
MAX_PATTERNS: Final = 100


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tag as the rules see it."""

    name: Tag
    digest: Digest
    machine: bool = False
    media_type: str | None = None
    kind: str | None = None
    created: datetime | None = None
    size: int | None = None
    since: datetime | None = None
    """Since when it is known to lead there."""
    last_pulled: datetime | None = None
    recoverable: bool = True
    """Whether its bytes are kept."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What a selection means, and what it leaves out because something is not known."""

    tags: tuple[Candidate, ...]
    unknown_age: int = 0
    unknown_pulls: int = 0


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What the chosen tags stand among."""

    registry: str
    repository: RepositoryName
    pointing: Mapping[Tag, Digest]
    """Every tag of the repository, and where it leads now."""
    parents: Mapping[Digest, frozenset[Digest]]
    """Manifest → indexes that name it and that the registry has."""
    capabilities: Capabilities
    protected_tags: tuple[str, ...]


def check_selection(selection: Selection) -> None:
    """Raises `InvalidInput` with the fields that make no sense."""
    problems = {}
    for field in ("older_than_days", "not_pulled_days", "keep_newest"):
        value = getattr(selection, field)
        if value is not None and not 0 <= value <= MAX_DAYS:
            problems[field] = f"a number from 0 to {MAX_DAYS:,}"
    if len(selection.patterns) > MAX_PATTERNS:
        problems["patterns"] = f"at most {MAX_PATTERNS}"
    if len(selection.tags) > MAX_TAGS:
        problems["tags"] = f"at most {MAX_TAGS:,}"
    if selection == Selection():
        problems["tags"] = "choose tags by name, pattern, age or pulls, or everything"
    if problems:
        raise InvalidInput("This chooses no tags.", fields=problems)


def choose(
    candidates: Sequence[Candidate], selection: Selection, pulls_since: datetime | None, now: datetime
) -> Chosen:
    """The tags that the selection means. `pulls_since` is since when the registry tells of pulls; None: never.

    Raises `InvalidInput` where it means more than `MAX_TAGS`.
    """
    named = [found for found in candidates if _is_named(found, selection)]
    kept = {found.name for found in _newest(named, selection.keep_newest or 0, now)}
    left = [found for found in named if found.name not in kept]
    old, unknown_age = _by_age(left, selection.older_than_days, now)
    unused, unknown_pulls = _by_pulls(old, selection.not_pulled_days, pulls_since, now)
    if len(unused) > MAX_TAGS:
        raise InvalidInput(
            f"These are {len(unused):,} tags; at most {MAX_TAGS:,} go at once.", hint="Narrow the choice down."
        )
    return Chosen(tags=tuple(unused), unknown_age=unknown_age, unknown_pulls=unknown_pulls)


def _is_named(found: Candidate, selection: Selection) -> bool:
    """Machines' tags belong to what they speak of: they are meant by their very name, or with the whole repository."""
    if found.name in selection.tags:
        return True
    if found.machine:
        return selection == Selection(everything=True)
    if selection.everything or not (selection.tags or selection.patterns):
        return True
    return any(fnmatchcase(found.name, pattern) for pattern in selection.patterns)


def _newest(named: Iterable[Candidate], number: int, now: datetime) -> list[Candidate]:
    """Those of unknown age are kept first: nobody can say that they are not the newest."""
    people = [found for found in named if not found.machine]
    people.sort(key=lambda found: (found.created is None, found.created or now, found.name.version_key))
    return people[-number:] if number else []


def _by_age(named: list[Candidate], days: int | None, now: datetime) -> tuple[list[Candidate], int]:
    if days is None:
        return named, 0
    limit = now - timedelta(days=days)
    old = [found for found in named if found.created is not None and found.created <= limit]
    return old, sum(found.created is None for found in named)


def _by_pulls(
    named: list[Candidate], days: int | None, pulls_since: datetime | None, now: datetime
) -> tuple[list[Candidate], int]:
    if days is None:
        return named, 0
    limit = now - timedelta(days=days)
    known = [found for found in named if _watched(found, pulls_since, limit)]
    unused = [found for found in known if found.last_pulled is None or found.last_pulled <= limit]
    return unused, len(named) - len(known)


def _watched(found: Candidate, pulls_since: datetime | None, limit: datetime) -> bool:
    """Whether a pull since `limit` would be known, and the tag was there all the time; or one is known anyway."""
    if found.last_pulled is not None and found.last_pulled > limit:
        return True
    return pulls_since is not None and pulls_since <= limit and found.since is not None and found.since <= limit


def order(chosen: Iterable[Candidate]) -> list[Candidate]:
    """Indexes before what they name, machines' tags last."""
    return sorted(chosen, key=lambda found: (found.machine, found.media_type not in INDEX_TYPES, found.name))


def plan_tags(
    chosen: Sequence[Candidate], ground: Ground, choices: DeletionChoices, now: datetime
) -> tuple[BulkTag, ...]:
    """How each of the tags would go, one after the other: what went before is gone for the next."""
    sharing: defaultdict[Digest, set[Tag]] = defaultdict(set)
    for tag, digest in ground.pointing.items():
        sharing[digest].add(tag)
    gone: set[Digest] = set()
    planned = []
    for found in chosen:
        plan = plan_deletion(_facts(found, ground, sharing, gone), choices, now)
        if plan.refused is None:
            sharing[found.digest].discard(found.name)
            if plan.strategy is Strategy.DIGEST:
                gone.add(found.digest)
        planned.append((found, plan))
    return tuple(
        BulkTag(
            name=found.name,
            digest=found.digest,
            kind=found.kind,
            created=found.created,
            size=found.size,
            last_pulled=found.last_pulled,
            strategy=plan.strategy,
            spares=tuple(sorted(sharing[found.digest] - {found.name})),
            refused=plan.refused,
            remedy=plan.remedy,
        )
        for found, plan in planned
    )


def _facts(found: Candidate, ground: Ground, sharing: Mapping[Digest, set[Tag]], gone: set[Digest]) -> DeletionFacts:
    return DeletionFacts(
        registry=ground.registry,
        repository=ground.repository,
        tag=found.name,
        digest=found.digest,
        media_type=found.media_type,
        kind=found.kind,
        siblings=tuple(sorted(sharing[found.digest] - {found.name})),
        siblings_complete=True,
        other_tags=True,
        parents=tuple(sorted(ground.parents.get(found.digest, frozenset()) - gone)),
        capabilities=ground.capabilities,
        protected_tags=ground.protected_tags,
        bytes_alone=None,
        recoverable=found.recoverable,
    )


def left_alone(planned: Sequence[BulkTag], ground: Ground) -> set[Digest]:
    """The manifests that neither a tag nor an index leads to afterwards; indexes stand before what they name."""
    alone: set[Digest] = set()
    for tag in planned:
        if tag.refused is None and not tag.spares and not ground.parents.get(tag.digest, frozenset()) - alone:
            alone.add(tag.digest)
    return alone


def strategies_of(planned: Iterable[BulkTag]) -> dict[str, int]:
    counted = Counter(str(tag.strategy) for tag in planned if tag.refused is None)
    return dict(sorted(counted.items()))


def fingerprint(planned: Iterable[BulkTag]) -> str:
    """Stands for exactly the tags that would go, and what they lead to."""
    lines = sorted(f"{tag.name}@{tag.digest}" for tag in planned if tag.refused is None)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
