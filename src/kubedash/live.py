"""Publish and subscribe: what pages hear when something changes.

Topics: `registries` (any registry changed), `registry:<slug>`,
`repository:<slug>/<name>`, `job:<id>`, `events` (any registry told something) and
`events:<slug>`. A message is a hint to look again, never
the data itself, so a lost one costs nothing but time. Inside one process messages go
from hand to hand; several processes on one PostgreSQL pass them on by LISTEN/NOTIFY.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, LiteralString

import msgspec
import psycopg
import structlog
from sqlalchemy import make_url

MAX_WAITING: Final = 64
"""Messages kept for a subscriber that does not read; beyond it the oldest is dropped."""
MAX_OUTGOING: Final = 1000
SOON_SECONDS: Final = 1.0
"""Between two messages of a busy topic: so often a hundred pages may look again."""
MAX_TEXT: Final = 2000
"""Characters of a message; with its topic it stays below the 8,000 bytes of a NOTIFY."""
MAX_TOPIC: Final = 400
_CHANNEL: Final = "kubedash_live"
_LISTEN: Final[LiteralString] = "LISTEN kubedash_live"
_RECONNECT_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)

log = structlog.get_logger(__name__)


def registry_topic(registry: str) -> str:
    return f"registry:{registry}"


def repository_topic(registry: str, repository: str) -> str:
    return f"repository:{registry}/{repository}"


def job_topic(job_id: str) -> str:
    return f"job:{job_id}"


def events_topic(registry: str) -> str:
    return f"events:{registry}"


REGISTRIES_TOPIC: Final = "registries"
EVENTS_TOPIC: Final = "events"
"""Events arrived, from whatever registry."""


class Message(msgspec.Struct, frozen=True):
    """`text` is JSON or empty, as its topic's publisher says."""

    topic: str
    text: str


class Subscription:
    """One reader's queue; iterate over it. It ends when the house closes."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque(maxlen=MAX_WAITING)
        self._ready = asyncio.Event()
        self._ended = False

    def put(self, message: Message) -> None:
        self._waiting.append(message)
        self._ready.set()

    def clear(self) -> None:
        """Forget what waits: the reader has looked since."""
        self._waiting.clear()

    def end(self) -> None:
        self._ended = True
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._waiting.popleft()


class Live:
    """Never blocks a publisher; a slow subscriber loses its oldest messages."""

    def __init__(self) -> None:
        self._readers: dict[str, set[Subscription]] = {}
        self._open: Counter[str] = Counter()
        self._bridge: _Bridge | None = None
        self._soon: dict[str, str | None] = {}
        self._ended = False

    async def start(self, url: str) -> None:
        """Exchange messages with the other processes on this PostgreSQL, given as an SQLAlchemy URL."""
        self._bridge = _Bridge(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), self)
        self._bridge.start()

    def publish(self, topic: str, message: str = "") -> None:
        """Tell everybody who listens to `topic`, here and in the other processes."""
        found = Message(topic[:MAX_TOPIC], message[:MAX_TEXT])
        self.deliver(found)
        if self._bridge is not None:
            self._bridge.send(found)

    def publish_soon(self, topic: str, message: str) -> None:
        """Tell everybody now, or within a second where that topic has just spoken; the last message counts.

        For what may happen thousands of times a second. Needs a running event loop.
        """
        if topic in self._soon:
            self._soon[topic] = message
            return
        self.publish(topic, message)
        self._wait(topic)

    def _wait(self, topic: str) -> None:
        self._soon[topic] = None
        asyncio.get_running_loop().call_later(SOON_SECONDS, self._speak_up, topic)

    def _speak_up(self, topic: str) -> None:
        message = self._soon.pop(topic)
        if message is not None:
            self.publish(topic, message)
            self._wait(topic)

    def deliver(self, message: Message) -> None:
        """Tell those in this process alone."""
        for reader in self._readers.get(message.topic, ()):
            reader.put(message)

    @contextlib.asynccontextmanager
    async def subscribe(self, topics: Sequence[str], who: str = "") -> AsyncIterator[Subscription]:
        """The messages of these topics from now on, until the block is left or the house closes."""
        reader = Subscription()
        self._open[who] += 1
        for topic in topics:
            self._readers.setdefault(topic, set()).add(reader)
        if self._ended:
            reader.end()
        try:
            yield reader
        finally:
            for topic in topics:
                self._leave(topic, reader)
            self._open[who] -= 1
            self._open += Counter()

    def subscriptions(self, who: str) -> int:
        """How many of that name are open in this process."""
        return self._open[who]

    def _leave(self, topic: str, reader: Subscription) -> None:
        readers = self._readers.get(topic, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(topic, None)

    def end(self) -> None:
        """End every subscription, and at once those that still come: nothing has to wait for them."""
        self._ended = True
        for readers in self._readers.values():
            for reader in readers:
                reader.end()

    async def close(self) -> None:
        """End every subscription and leave the database."""
        self.end()
        if self._bridge is not None:
            await self._bridge.close()
            self._bridge = None


class _Envelope(msgspec.Struct, frozen=True):
    """What travels through NOTIFY; a process drops what it sent itself."""

    origin: str
    message: Message


_Work = Callable[[psycopg.AsyncConnection], Awaitable[None]]


class _Bridge:
    """Two connections to PostgreSQL, one that listens and one that speaks."""

    def __init__(self, conninfo: str, live: Live) -> None:
        self._conninfo = conninfo
        self._live = live
        self._origin = uuid.uuid4().hex
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue(MAX_OUTGOING)
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        self._tasks = (
            asyncio.create_task(self._forever(self._listen)),
            asyncio.create_task(self._forever(self._speak)),
        )

    def send(self, message: Message) -> None:
        if self._outgoing.full():
            self._outgoing.get_nowait()
        self._outgoing.put_nowait(message)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(self, work: _Work) -> None:
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    failures = 0
                    await work(connection)
            except psycopg.Error as error:
                pause = _RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)]
                failures += 1
                log.warning("live messages interrupted", reason=str(error).strip(), retry_in=pause)
                await asyncio.sleep(pause)

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute(_LISTEN)
        async for notification in connection.notifies():
            try:
                envelope = msgspec.json.decode(notification.payload, type=_Envelope)
            except msgspec.MsgspecError:
                continue
            if envelope.origin != self._origin:
                self._live.deliver(envelope.message)

    async def _speak(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            message = await self._outgoing.get()
            payload = msgspec.json.encode(_Envelope(self._origin, message)).decode()
            await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, payload))
