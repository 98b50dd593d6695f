"""When events may be missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubedash.policy.gaps import REST, SILENCE, is_gap, may_crawl

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("known", "named", "last_at", "expected"),
    [
        pytest.param([], ["one"], None, False, id="never heard of"),
        pytest.param(["one"], ["one"], NOW - MINUTE, False, id="goes on"),
        pytest.param(["one"], ["two"], NOW - MINUTE, True, id="restarted"),
        pytest.param(["one", "two"], ["two", "one"], NOW - MINUTE, False, id="two nodes"),
        pytest.param(["one"], [], NOW - MINUTE, False, id="a sender without instances"),
        pytest.param([], ["one"], NOW - MINUTE, False, id="names itself for the first time"),
        pytest.param(["one"], ["one"], NOW - SILENCE, True, id="after silence"),
    ],
)
def test_gaps(known: list[str], named: list[str], last_at: datetime | None, expected: bool) -> None:
    assert is_gap(known, named, last_at, NOW) is expected


def test_crawls_for_gaps_keep_a_distance() -> None:
    assert may_crawl(None, NOW)
    assert may_crawl(NOW - REST, NOW)
    assert not may_crawl(NOW - REST + MINUTE, NOW)
