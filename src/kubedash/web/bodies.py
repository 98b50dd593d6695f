"""Receiving what is posted: short posts the shortest way, long ones within limits, none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

from litestar.types import HTTPReceiveMessage, Receive

from kubedash.errors import KubedashError, TooMany, Unavailable
from kubedash.web.pace import FREE, Pace
from kubedash.web.problems import TooBig
from kubedash.workflows.reading_events import LARGE

MAX_BODY: Final = 5 * 1024 * 1024
MAX_AT_ONCE: Final = 8
"""Large posts in memory, each of another address."""
SECONDS: Final = 10.0
"""At least so long, and at most twice that, a body may take to arrive."""
_LEAST_PART: Final = 1024
"""Bytes that a part costs at least where the sender cuts the body into pieces: receiving it costs time, too."""
T = TypeVar("T")


class TooSlow(KubedashError):
    slug = "too-slow"
    title = "It took too long"
    status = 408


class Bodies:
    """The bodies that are being received."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._patience = Patience(SECONDS)
        self._large: set[str] = set()

    async def short(self, receive: Receive) -> bytes:
        """One that was announced with at most `FREE` bytes. Raises `TooSlow`."""
        return await self._patience.within(_short(receive))

    async def long(self, receive: Receive, address: str, length: int | None, held: ExitStack) -> bytes:
        """Any other; `length` is None where it was not announced.

        `held` is to be closed when the post is worked off. Raises `TooBig`, `TooMany` and
        `TooSlow`, before reading where the length tells, without reading on else.
        """
        if length is None:
            return await self._patience.within(self._unannounced(receive, address, held))
        if length > MAX_BODY:
            raise _too_big()
        if length >= LARGE:
            held.enter_context(self._place(address))
        self._pace.take(address, length - FREE)
        return await self._patience.within(_short(receive))

    async def _unannounced(self, receive: Receive, address: str, held: ExitStack) -> bytes:
        parts: list[bytes] = []
        size, cost, more = 0, 0, True
        while more:
            part, more = await _part(receive)
            large = size >= LARGE
            size += len(part)
            if size > MAX_BODY:
                raise _too_big()
            if size >= LARGE and not large:
                held.enter_context(self._place(address))
            paid = max(cost, FREE)
            cost += max(len(part), _LEAST_PART)
            if cost > paid:
                self._pace.take(address, cost - paid)
            parts.append(part)
        return b"".join(parts)

    @contextmanager
    def _place(self, address: str) -> Iterator[None]:
        if address in self._large or len(self._large) >= MAX_AT_ONCE:
            raise TooMany("Another large post is being read.", retry_after=1, hint="Send large posts one by one.")
        self._large.add(address)
        try:
            yield
        finally:
            self._large.discard(address)


class Patience:
    """Ends what takes too long: cheaper than a timer for each of thousands a second.

    Those who wait grow old together, every `seconds`; who does so a second time is ended.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._young: set[asyncio.Task[Any]] = set()
        self._old: set[asyncio.Task[Any]] = set()
        self._ended: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. Raises `TooSlow`."""
        task = asyncio.current_task()
        assert task is not None
        self._young.add(task)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._grow_old)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._ended and task.uncancel() == 0:
                raise TooSlow("The body did not arrive in time.") from None
            raise
        finally:
            self._young.discard(task)
            self._old.discard(task)
            self._ended.discard(task)

    def _grow_old(self) -> None:
        for task in self._old:
            self._ended.add(task)
            task.cancel()
        self._old, self._young = self._young, set()
        again = bool(self._old)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._grow_old) if again else None


async def _short(receive: Receive) -> bytes:
    part, more = await _part(receive)
    if not more:
        return part
    parts = [part]
    while more:
        part, more = await _part(receive)
        parts.append(part)
    return b"".join(parts)


async def _part(receive: Receive) -> tuple[bytes, bool]:
    message: HTTPReceiveMessage = await receive()  # type: ignore[assignment]
    if message["type"] != "http.request":
        raise Unavailable("The sender went away.")
    return message.get("body", b""), message.get("more_body", False)


def _too_big() -> TooBig:
    return TooBig(f"A post may have {MAX_BODY} bytes.", hint="Send events one by one, and without their references.")
