"""How far a crawl is, and whether it should go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from kubedash.errors import RegistryError
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Progress, Record, RegistryStatus
from kubedash.registry.errors import NotARegistry, RateLimited, TimedOut, TlsFailed, Unreachable, status_of
from kubedash.workflows.sync_manifests import explain

MAX_IN_A_ROW: Final = 64
"""Failed requests without one that worked between them: the registry is not well then."""
MAX_REPOSITORIES_IN_A_ROW: Final = 8
_STOPPING: Final = (Unreachable, TlsFailed, NotARegistry, RateLimited)


class Target(Record, frozen=True, kw_only=True):
    """What is crawled: all of a registry, or one repository."""

    registry_id: int
    registry: str
    repository: str | None = None


class Cursor(Record, frozen=True, kw_only=True):
    """How far a crawl is; plain values, so that it can be written down."""

    after: str = ""
    """All repositories up to this name are taken on."""
    open: dict[str, str] = {}
    """Of these some are not done: repository → tag up to which everything is stored."""
    done: int = 0
    total: int | None = None
    doing: str | None = None
    failed: int = 0
    """Repositories that could not be read in full."""
    listing: str | None = None
    """Why the names could not be listed in full, where they could not."""
    healthy: bool = True
    """Whether the names were listed in full."""
    error: str | None = None
    """Why the crawl ended before its end, or why its only repository could not be read."""
    status: RegistryStatus | None = RegistryStatus.OK
    """How the registry does; None where this crawl cannot tell."""
    finished: bool = False

    @property
    def progress(self) -> Progress:
        return Progress(done=self.done, total=self.total, doing=self.doing)


class Track:
    """Keeps the marks of a crawl in this process; `cursor()` is what can be gone on from."""

    def __init__(self, start: Cursor, *, single: bool, may_empty: Callable[[], Awaitable[bool]]) -> None:
        self._start = start
        self._single = single
        self._may_empty = may_empty
        self._after = start.after
        self._open = dict(start.open)
        self._done = start.done
        self._failed = start.failed
        self._tags: dict[str, list[int]] = {}
        self._in_a_row = 0
        self._repositories_in_a_row = 0
        self._last_error: RegistryError | None = None
        self._stop: RegistryError | None = None
        self._reason: str | None = None

    def taken(self, names: Iterable[RepositoryName]) -> None:
        """A page of names is taken on."""
        for name in names:
            self._open[name] = ""
            self._after = max(self._after, name)

    def listed(self, name: RepositoryName, total: int) -> None:
        self.fine()
        self._tags[name] = [0, total]

    def looked_at(self, name: RepositoryName, count: int) -> None:
        self._tags[name][0] += count

    def settled(self, name: RepositoryName, tag: Tag) -> None:
        self._open[name] = tag

    def fine(self) -> None:
        """A request worked."""
        self._in_a_row = 0

    def failed(self, error: RegistryError) -> None:
        """A request failed; the crawl stops where that says something about the whole registry."""
        self._in_a_row += 1
        self._last_error = error
        is_down = isinstance(error, _STOPPING) and not isinstance(error, TimedOut)
        if is_down or self._in_a_row >= MAX_IN_A_ROW:
            self._stop = self._stop or error

    def ended(self, name: RepositoryName, reason: str | None) -> None:
        """A repository is done, or could not be read in full for this reason."""
        if self.stopped:
            return
        self._open.pop(name, None)
        self._done += 1
        if reason is None:
            self._repositories_in_a_row = 0
            return
        self._failed += 1
        self._reason = reason
        self._repositories_in_a_row += 1
        if self._repositories_in_a_row >= MAX_REPOSITORIES_IN_A_ROW:
            self._stop = self._stop or self._last_error

    @property
    def stopped(self) -> bool:
        return self._stop is not None

    async def may_empty(self) -> bool:
        return await self._may_empty()

    def cursor(self, *, finished: bool = False) -> Cursor:
        """Everything up to here is stored."""
        if finished and not self._single and self._failed and self._failed == self._done:
            # Not one of them could be read: that is the registry's failure.
            self._stop = self._stop or self._last_error
        start, tags = self._start, next(iter(self._tags.values()), None)
        return Cursor(
            after=str(self._after),
            open={str(name): str(tag) for name, tag in self._open.items()},
            done=tags[0] if self._single and tags else self._done,
            total=tags[1] if self._single and tags else start.total,
            doing=self._doing(),
            failed=self._failed,
            listing=start.listing,
            healthy=start.healthy,
            error=self._error(),
            status=self._status(),
            finished=finished,
        )

    def _doing(self) -> str | None:
        name = next((name for name in self._open if name in self._tags), None)
        if name is None:
            return None
        done, total = self._tags[name]
        return f"{name}: {done:,} of {total:,} tags"

    def _error(self) -> str | None:
        if self._stop is not None:
            return explain(self._stop)
        return self._reason if self._single else None

    def _status(self) -> RegistryStatus | None:
        return self._start.status if self._stop is None else status_of(self._stop)
