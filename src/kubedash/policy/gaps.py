"""When what a registry told us may have holes. Pure: the time is a parameter."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

SILENCE: Final = timedelta(hours=1)
"""Senders that try once lose what we did not take; distribution loses its queue when it restarts."""
REST: Final = timedelta(minutes=10)
"""Between two crawls for gaps of one registry: anybody may make up instances."""


def is_gap(
    known: Collection[str],
    named: Collection[str],
    last_at: datetime | None,
    first_at: datetime,
) -> bool:
    """Whether events may be missing before those that arrived at `first_at`.

    `known` are the instances that were heard of, `named` those that speak now; `last_at`
    is when the registry was last heard of, None where it never was.
    """
    if last_at is None:
        return False
    restarted = bool(known) and not set(named) <= set(known)
    return restarted or first_at - last_at >= SILENCE


def may_crawl(crawled_at: datetime | None, now: datetime) -> bool:
    """Whether the last crawl for a gap is long enough ago."""
    return crawled_at is None or now - crawled_at >= REST
