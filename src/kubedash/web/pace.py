"""How much an address may post: so many posts a second, and of long ones so many bytes.

What registries send is short, and costs a count. What is longer than `FREE`, and each
event of a post beyond its first, is paid from an allowance that fills up slowly: some
large posts always pass, a stream of them does not, and nobody else waits for it.
"""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import Final

from kubedash.errors import TooMany

FREE: Final = 8 * 1024
"""Bytes of a post that cost nothing."""
EVENT_BYTES: Final = 512
"""What an event costs, beyond the first of its post."""
BURST: Final = 20 * 1024 * 1024
RATE: Final = 256 * 1024
"""Bytes a second by which the allowance of an address fills up."""
BURST_OF_ALL: Final = 64 * 1024 * 1024
RATE_OF_ALL: Final = 1024 * 1024
PATIENCE: Final = 10
"""Refusals of an address in a second, until the next ones are slow."""
PAUSE_SECONDS: Final = 0.5
"""Below the second that registries wait by default: they are to read why they were refused."""
_MAX_PAUSES: Final = 256
_MAX_ADDRESSES: Final = 10_000


class _Allowance:
    """Bytes that may be sent; below zero where more was sent than allowed."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: int, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = float(burst), monotonic()

    def wait(self, wanted: int) -> float:
        """Seconds until so many bytes may be sent."""
        now = monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (wanted - self._left) / self._rate)

    def spend(self, size: int) -> None:
        self._left -= size

    @property
    def is_full(self) -> bool:
        self.wait(0)
        return self._left >= self._burst


class Pace:
    """What each address has sent, and what it may send."""

    def __init__(self) -> None:
        self._second = 0
        self._seen: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._of_all = _Allowance(RATE_OF_ALL, BURST_OF_ALL)
        self._own: dict[str, _Allowance] = {}
        self._owing: set[str] = set()
        self._pauses = 0

    def check(self, address: str, most: int) -> None:
        """Counts a post. Raises `TooMany`."""
        second = int(monotonic())
        if second != self._second or len(self._seen) > _MAX_ADDRESSES:
            self._second = second
            self._seen.clear()
            self._refused.clear()
        sent = self._seen[address] = self._seen.get(address, 0) + 1
        if most and sent > most:
            raise TooMany("This address sends too fast.", retry_after=1, hint="See KUBEDASH_EVENTS_RATE.")
        if address in self._owing:
            self._refuse_until(self._allowance(address).wait(0))
            self._owing.discard(address)

    def take(self, address: str, size: int) -> None:
        """Pays for bytes that are to be received. Raises `TooMany` where they are more than allowed now."""
        own = self._allowance(address)
        self._refuse_until(max(own.wait(size), self._of_all.wait(size)))
        own.spend(size)
        self._of_all.spend(size)

    def charge(self, address: str, events: int) -> None:
        """Pays for a post of so many events, known when it is read; whoever owes is refused until it is paid."""
        size = (events - 1) * EVENT_BYTES
        own = self._allowance(address)
        own.spend(size)
        self._of_all.spend(size)
        if own.wait(0):
            self._owing.add(address)

    async def slow_down(self, address: str) -> None:
        """Returns at once, but late to who is refused again and again: refusing costs time as well."""
        refused = self._refused[address] = self._refused.get(address, 0) + 1
        if refused <= PATIENCE or self._pauses >= _MAX_PAUSES:
            return
        self._pauses += 1
        try:
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._pauses -= 1

    def _allowance(self, address: str) -> _Allowance:
        found = self._own.get(address)
        if found is None:
            if len(self._own) >= _MAX_ADDRESSES:
                self._forget()
            found = self._own[address] = _Allowance(RATE, BURST)
        return found

    def _forget(self) -> None:
        """Those who may send all again, or everybody: that of all together stays."""
        self._own = {address: allowance for address, allowance in self._own.items() if not allowance.is_full}
        if len(self._own) >= _MAX_ADDRESSES:
            self._own.clear()
        self._owing &= self._own.keys()

    @staticmethod
    def _refuse_until(seconds: float) -> None:
        if seconds:
            raise TooMany(
                "More than is taken at once.",
                retry_after=math.ceil(seconds),
                hint="Send events one by one, and without their references.",
            )
