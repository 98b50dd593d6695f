from __future__ import annotations

from datetime import UTC, datetime

from kubedash.oci.digest import Digest
from kubedash.policy.attachments import MOST, NEWEST, SHARES, to_ask_again, to_look_into

DIGESTS = [Digest.of(str(number).encode()) for number in range(1000)]


def at(hour: int) -> datetime:
    return datetime(2026, 5, 1, hour, tzinfo=UTC)


def test_the_newest_are_asked_about_at_every_crawl() -> None:
    for hour in range(24):
        assert to_ask_again(DIGESTS, at(hour))[:NEWEST] == tuple(DIGESTS[:NEWEST])


def test_the_others_are_asked_about_once_a_day() -> None:
    asked = [digest for hour in range(SHARES) for digest in to_ask_again(DIGESTS, at(hour))[NEWEST:]]
    assert sorted(asked) == sorted(DIGESTS[NEWEST:])


def test_a_crawl_asks_no_more_than_it_may() -> None:
    many = [Digest.of(str(number).encode()) for number in range(20_000)]
    assert len(to_ask_again(many, at(3))) == MOST
    assert to_ask_again((), at(3)) == ()


def test_every_index_is_looked_into_once_a_day() -> None:
    looked = [digest for hour in range(SHARES) for digest in to_look_into(DIGESTS, at(hour))]
    assert sorted(looked) == sorted(DIGESTS)
    assert len(to_look_into([DIGESTS[0]] * 1000, at(sum(DIGESTS[0].encode()) % SHARES))) == MOST
