"""Values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubedash.records import PullCounts
from kubedash.web import formatting
from kubedash.web.pages.words import pull_words

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (12, "12 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (90_000, "yesterday"),
        (3 * 86400, "3 days ago"),
        (15 * 86400, "2 weeks ago"),
        (90 * 86400, "2 months ago"),
        (800 * 86400, "2 years ago"),
        (-30, "in 30 s"),
        (-90_000, "tomorrow"),
        (-4 * 86400, "in 4 days"),
    ],
)
def test_ago(seconds: int, words: str) -> None:
    assert formatting.ago(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "—"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (999_960, "1.0 MB"),
        (186_900_000, "186.9 MB"),
        (3_100_000_000, "3.1 GB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_size(value: int | None, words: str) -> None:
    assert formatting.size(value) == words


def test_counts_and_nouns() -> None:
    assert formatting.count(2004) == "2,004"
    assert formatting.count(None) == "—"
    assert formatting.plural(1, "repository", "repositories") == "1 repository"
    assert formatting.plural(2004, "repository", "repositories") == "2,004 repositories"
    assert formatting.exact_size(1) == "1 byte"


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(0, 10, 0), (None, 10, 0), (1, 10_000, 1), (5, 10, 50), (20, 10, 100), (1, 0, 0)]
)
def test_percent(part: int | None, whole: int, percent: int) -> None:
    assert formatting.percent_of(part, whole) == percent


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "—"), (30, "30 s"), (1.5, "1.5 s"), (300, "5 min"), (7200, "2 h"), (90, "90 s")]
)
def test_duration(seconds: float | None, words: str) -> None:
    assert formatting.duration(seconds) == words


def test_exact_times_are_in_utc() -> None:
    assert formatting.exact_time(NOW) == "2024-05-01 12:00:00 UTC"
    assert formatting.iso_time(NOW) == "2024-05-01T12:00:00Z"
    assert formatting.exact_time(None) == "not known"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),
        ("bell\x07, escape\x1b[31m", "bell\\u0007, escape\\u001b[31m"),
        ("pay\u200bment", "pay\\u200bment"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("مرحبا 名前 👩\u200d🔧", "مرحبا 名前 👩\u200d🔧"),
    ],
)
def test_what_nobody_would_see_is_written_out(text: str, shown: str) -> None:
    assert formatting.visible(text) == shown


@pytest.mark.parametrize(
    ("last", "days", "expected"),
    [(NOW - timedelta(hours=2), 30, "2 h ago"), (None, 30, "none in 4 weeks"), (None, 1, "none yet")],
)
def test_when_something_was_pulled_is_never_said_better_than_it_is_known(
    last: datetime | None, days: int, expected: str
) -> None:
    counts = PullCounts(days_7=1, days_30=1_200, days_90=3_000, since=NOW - timedelta(days=days))
    words = pull_words(last, counts, NOW)
    assert words.text == expected
    assert "1 pull in 7 days, 1,200 in 30, 3,000 in 90; counted since 2" in words.title
    assert pull_words(None, None, NOW).text == "—"
