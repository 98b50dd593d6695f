"""How long to wait after failed sign-ins: nothing at first, then twice as long each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

FREE_ATTEMPTS: Final = 5
"""Failures in a row that cost nothing: people mistype."""
FREE_ATTEMPTS_PER_ADDRESS: Final = 20
"""More, because many people may share an address."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""No longer, so that nobody can lock another person out for good."""
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A quiet hour starts the count again."""
_MOST_DOUBLINGS: Final = 16


def throttled_address(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that every customer has at least."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))


def pause_after(failures: int, free: int) -> timedelta:
    """The pause that follows this many failures in a row."""
    if failures < free:
        return timedelta()
    doublings = min(failures - free, _MOST_DOUBLINGS)
    return min(timedelta(seconds=2**doublings), LONGEST_PAUSE)


def seconds_to_wait(failures: int, last_failure: datetime | None, free: int, now: datetime) -> int:
    """Whole seconds until the next attempt is heard; 0 means now."""
    if last_failure is None or now - last_failure > FORGOTTEN_AFTER:
        return 0
    left = (last_failure + pause_after(failures, free) - now).total_seconds()
    return max(0, -int(-left // 1))
