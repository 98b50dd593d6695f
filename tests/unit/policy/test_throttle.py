"""How long to wait after failed sign-ins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.policy.throttle import (
    FORGOTTEN_AFTER,
    FREE_ATTEMPTS,
    LONGEST_PAUSE,
    pause_after,
    seconds_to_wait,
    throttled_address,
)

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_mistyping_costs_nothing() -> None:
    for failures in range(FREE_ATTEMPTS):
        assert seconds_to_wait(failures, NOW, FREE_ATTEMPTS, NOW) == 0


def test_the_pause_doubles() -> None:
    pauses = [seconds_to_wait(FREE_ATTEMPTS + more, NOW, FREE_ATTEMPTS, NOW) for more in range(4)]
    assert pauses == [1, 2, 4, 8]


def test_the_pause_passes() -> None:
    failures = FREE_ATTEMPTS + 3
    assert seconds_to_wait(failures, NOW - timedelta(seconds=7.5), FREE_ATTEMPTS, NOW) == 1
    assert seconds_to_wait(failures, NOW - timedelta(seconds=8), FREE_ATTEMPTS, NOW) == 0


def test_a_quiet_hour_is_enough() -> None:
    long_ago = NOW - FORGOTTEN_AFTER - timedelta(seconds=1)
    assert seconds_to_wait(10_000, long_ago, FREE_ATTEMPTS, NOW) == 0
    assert seconds_to_wait(0, None, FREE_ATTEMPTS, NOW) == 0


@given(st.integers(min_value=0, max_value=10**9))
def test_pauses_grow_and_end(failures: int) -> None:
    assert timedelta() <= pause_after(failures, FREE_ATTEMPTS) <= pause_after(failures + 1, FREE_ATTEMPTS)
    assert pause_after(failures, FREE_ATTEMPTS) <= LONGEST_PAUSE


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1%eth0", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_customers_whole_network_counts_as_one_address(address: str, counted: str) -> None:
    assert throttled_address(address) == counted
