"""Counting wrong passwords, so that nobody guesses one by trying."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubedash.errors import TooMany
from kubedash.policy.throttle import seconds_to_wait
from kubedash.storage import people
from kubedash.storage.database import WriteSession


async def count_attempt(session: WriteSession, keys: Sequence[tuple[str, int]], now: datetime) -> None:
    """Counts it as failed under each key before the password is looked at, so that many at once gain nothing.

    Beside each key stands how many failures cost nothing. Raises `TooMany` while a
    pause lasts.
    """
    waits = []
    for key, free in keys:
        failures, last = await people.failures(session, key)
        waits.append(seconds_to_wait(failures, last, free, now))
    if max(waits) > 0:
        raise TooMany("Too many failed sign-ins.", retry_after=max(waits), hint=f"Try again in {max(waits)} s.")
    for key, _ in keys:
        await people.count_failure(session, key, now)
