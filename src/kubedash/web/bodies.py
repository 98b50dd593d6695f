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
"""Bytes that a part costs at least: whoever sends a body byte by byte makes work, too."""
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

    async def short(self, receive: Receive, address: str) -> bytes:
        """One that was announced with at most `FREE` bytes. Raises `TooMany` and `TooSlow`."""
        return await self._patience.within(self._received(receive, address, FREE))

    async def long(self, receive: Receive, address: str, length: int | None, held: ExitStack) -> bytes:
        """Any other; `length` is None where it was not announced.

        `held` is to be closed when the post is worked off. Raises `TooBig`, `TooMany` and
        `TooSlow`, before reading where the length tells, without reading on else.
        """
        if length is None:
            return await self._patience.within(self._received(receive, address, FREE, held))
        if length > MAX_BODY:
            raise _too_big()
        if length >= LARGE:
            held.enter_context(self._place(address))
        self._pace.take(address, length - FREE)
        return await self._patience.within(self._received(receive, address, length))

    async def _received(self, receive: Receive, address: str, paid: int, held: ExitStack | None = None) -> bytes:
        """The whole body. What it costs beyond `paid` is taken on the way; with `held` its size is not known yet."""
        parts: list[bytes] = []
        size, cost, more = 0, 0, True
        while more:
            part, more = await _part(receive)
            parts.append(part)
            before, size = size, size + len(part)
            if size > MAX_BODY:
                raise _too_big()
            if held is not None and before < LARGE <= size:
                held.enter_context(self._place(address))
            cost += max(len(part), _LEAST_PART)
            if cost > paid:
                self._pace.take(address, cost - paid)
                paid = cost
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


async def _part(receive: Receive) -> tuple[bytes, bool]:
    message: HTTPReceiveMessage = await receive()  # type: ignore[assignment]
    if message["type"] != "http.request":
        raise Unavailable("The sender went away.")
    return message.get("body", b""), message.get("more_body", False)


def _too_big() -> TooBig:
    return TooBig(f"A post may have {MAX_BODY} bytes.", hint="Send events one by one, and without their references.")
