"""How old a picture may be, and when the next one is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.policy.freshness import (
    FIRST_PAUSE,
    LONGEST_PAGE_REFRESH,
    LONGEST_PAUSE,
    PAGE_REFRESH,
    is_due,
    judge,
    next_crawl,
    page_refresh,
)
from kubedash.records import SyncState

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = 3600


@pytest.mark.parametrize(
    ("last_synced", "failing_since", "syncing", "interval", "state"),
    [
        (None, None, False, 900, SyncState.NEVER),
        (None, None, True, 900, SyncState.SYNCING),
        (None, NOW, False, 900, SyncState.FAILED),
        (NOW, NOW, False, 900, SyncState.FAILED),
        (NOW, NOW, True, 900, SyncState.SYNCING),
        (NOW - 1800 * SECOND, None, False, 900, SyncState.FRESH),
        (NOW - 1801 * SECOND, None, False, 900, SyncState.STALE),
        (NOW - timedelta(days=400), None, False, 0, SyncState.FRESH),
    ],
)
def test_the_state_of_a_picture(
    last_synced: datetime | None, failing_since: datetime | None, syncing: bool, interval: int, state: SyncState
) -> None:
    found = judge(last_synced, failing_since, "it is down", syncing, interval, NOW)
    assert found.state is state
    assert found.as_of == last_synced
    assert found.reason == ("it is down" if failing_since else None)


def test_a_page_asks_again_for_what_is_old_failing_or_unknown() -> None:
    assert is_due(None, None, None, NOW)
    assert is_due(NOW, NOW, 10, NOW)
    for tags in (None, 0, 100):
        assert not is_due(NOW - PAGE_REFRESH, None, tags, NOW)
        assert is_due(NOW - PAGE_REFRESH - SECOND, None, tags, NOW)


def test_a_busy_page_of_many_tags_is_no_crawler() -> None:
    assert page_refresh(2000) == timedelta(seconds=100)
    assert not is_due(NOW - timedelta(seconds=100), None, 2000, NOW)
    assert is_due(NOW - timedelta(seconds=101), None, 2000, NOW)
    assert is_due(NOW - timedelta(days=1), NOW, 2000, NOW)
    assert page_refresh(1_000_000) == LONGEST_PAGE_REFRESH


def test_a_registry_never_crawled_is_crawled_at_once() -> None:
    assert next_crawl(None, None, None, HOUR, 0.5) is None


def test_registries_are_spread_over_a_tenth_of_the_interval() -> None:
    assert next_crawl(NOW, None, NOW, HOUR, 0.0) == NOW + timedelta(hours=1)
    assert next_crawl(NOW, None, NOW, HOUR, 1.0) == NOW + timedelta(minutes=54)


def test_a_crawl_that_was_asked_for_and_has_not_ended_counts() -> None:
    assert next_crawl(NOW - timedelta(days=1), None, NOW, HOUR, 0.0) == NOW + timedelta(hours=1)


def test_pauses_after_failures_double_up_to_the_longest() -> None:
    attempt, pauses = NOW, []
    for _ in range(12):
        following = next_crawl(None, NOW, attempt, HOUR, 0.0)
        assert following is not None
        pauses.append(following - attempt)
        attempt = following
    assert pauses[0] == pauses[1] == FIRST_PAUSE
    assert pauses[2] == 2 * FIRST_PAUSE
    assert pauses[3] == 4 * FIRST_PAUSE
    assert pauses[-1] == LONGEST_PAUSE


@given(st.floats(0, 1), st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_next_crawl_is_never_before_nine_tenths_of_the_interval(share: float, interval: int, since: int) -> None:
    last = NOW - since * SECOND
    following = next_crawl(last, None, last, interval, share)
    assert following is not None
    assert last + 0.9 * interval * SECOND <= following + SECOND
    assert following <= last + interval * SECOND
