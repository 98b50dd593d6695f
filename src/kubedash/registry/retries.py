"""Whether and when to ask again. Only for calls that change nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.registry.errors import RateLimited

RETRIED: Final = frozenset({408, 429, 499, 500, 502, 503, 504, 522})
"""go-containerregistry's list (pkg/v1/remote/options.go)."""
FIRST_DELAY: Final = 1.0
FACTOR: Final = 3.0
JITTER: Final = 0.25


class Patience(msgspec.Struct, frozen=True):
    """How often and how long one request may be tried."""

    tries: int = 3
    seconds: float = 60.0


IMPATIENT: Final = Patience(tries=1)
"""For people who wait for the answer."""


def retry_delay(
    error: RegistryError, tried: int, elapsed: float, patience: Patience, *, noise: Callable[[], float] = random.random
) -> float | None:
    """Seconds to wait before the next try; None to give up.

    A Retry-After is obeyed whole or not at all: where it exceeds what is left, we stop.
    """
    if not error.temporary or tried >= patience.tries:
        return None
    told = error.retry_after if isinstance(error, RateLimited) else None
    delay = FIRST_DELAY * FACTOR ** (tried - 1) * (1 + JITTER * (2 * noise() - 1))
    if told is not None:
        delay = max(told, 0.0) + JITTER * noise()
    return delay if elapsed + delay <= patience.seconds else None


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds from a number of them or an HTTP date (RFC 9110, 10.2.3); None where unreadable."""
    if not text:
        return None
    if text.strip().isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
