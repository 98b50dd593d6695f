"""How old a picture may be, and when to take the next one. Pure: the time is a parameter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kubedash.records import Freshness, SyncState

PAGE_REFRESH: Final = timedelta(seconds=15)
"""Opening a page asks for a new picture where the one at hand is older than this, at the least."""
PAGE_REFRESH_PER_TAG: Final = timedelta(milliseconds=50)
"""A refresh asks for each tag, a millisecond or so of the registry's time: readers of a busy page may
take a fiftieth of it."""
LONGEST_PAGE_REFRESH: Final = timedelta(minutes=10)
STALE_INTERVALS: Final = 2
"""A picture is stale once this many crawls should have replaced it."""
FIRST_PAUSE: Final = timedelta(seconds=30)
"""A registry that failed is tried again after this; each pause is about twice the one before."""
LONGEST_PAUSE: Final = timedelta(hours=1)
_JITTER: Final = 0.1


def judge(
    last_synced: datetime | None,
    failing_since: datetime | None,
    reason: str | None,
    syncing: bool,
    interval: int,
    now: datetime,
) -> Freshness:
    """How current a picture is. `interval` is in seconds; 0 means that nothing is crawled by itself."""
    return Freshness(
        state=_state(last_synced, failing_since, syncing, interval, now),
        as_of=last_synced,
        failing_since=failing_since,
        reason=reason if failing_since else None,
    )


def _state(
    last_synced: datetime | None, failing_since: datetime | None, syncing: bool, interval: int, now: datetime
) -> SyncState:
    if syncing:
        return SyncState.SYNCING
    if failing_since is not None:
        return SyncState.FAILED
    if last_synced is None:
        return SyncState.NEVER
    if interval and now - last_synced > STALE_INTERVALS * timedelta(seconds=interval):
        return SyncState.STALE
    return SyncState.FRESH


def is_due(last_synced: datetime | None, failing_since: datetime | None, tags: int | None, now: datetime) -> bool:
    """Whether opening a page should ask for a new picture of a repository with so many tags.

    What fails is asked for each time: the engine answers with the failed job while
    that is only a moment old.
    """
    if failing_since is not None or last_synced is None:
        return True
    return now - last_synced > page_refresh(tags)


def page_refresh(tags: int | None) -> timedelta:
    """How old a picture of so many tags must be before a page asks for another."""
    return min(max(PAGE_REFRESH, PAGE_REFRESH_PER_TAG * (tags or 0)), LONGEST_PAGE_REFRESH)


def next_crawl(
    last_synced: datetime | None,
    failing_since: datetime | None,
    last_attempt: datetime | None,
    interval: int,
    share: float,
) -> datetime | None:
    """When the schedule should crawl a registry again; None: at once.

    `share` (0 to 1, fixed for a registry) spreads registries that were added together
    over a tenth of the interval. After a failure the pause is as long as the failure
    lasts already, so each is about twice the one before, within
    `FIRST_PAUSE` and `LONGEST_PAUSE`.
    """
    if failing_since is not None and last_attempt is not None:
        pause = min(max(last_attempt - failing_since, FIRST_PAUSE), LONGEST_PAUSE)
        return last_attempt + pause * (1 + _JITTER * share)
    known = [moment for moment in (last_synced, last_attempt) if moment is not None]
    if not known:
        return None
    return max(known) + timedelta(seconds=interval) * (1 - _JITTER * share)
