"""One HTTP exchange with a registry or a place it sent us to.

No cookies (Harbor turns on CSRF checks when it sees its own), no proxies from the
environment, no redirects, no more bytes than asked for, no waiting without an end.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec
from aiohttp import hdrs
from multidict import CIMultiDictProxy
from yarl import URL

from kubedash import __version__
from kubedash.errors import InvalidInput
from kubedash.records import RegistryConnection
from kubedash.registry.addresses import AllowList, Base, Origin, shown
from kubedash.registry.errors import TooLarge
from kubedash.registry.failures import explain
from kubedash.registry.limiter import Limiter
from kubedash.registry.resolving import GuardedResolver
from kubedash.registry.retries import parse_retry_after
from kubedash.registry.tls import make_context

USER_AGENT: Final = f"kubedash/{__version__}"
MAX_ERROR_BODY: Final = 64 * 1024
MAX_CONNECT_SECONDS: Final = 10.0
TOTAL_FACTOR: Final = 3.0
"""A long answer may take this many times what its beginning may, and more for its size."""
SLOWEST_RATE: Final = 128 * 1024
"""Bytes a second that a large answer is waited for."""
LARGE: Final = 8 * 1024 * 1024
"""Beyond this limit an answer counts as long."""
HEAVY_BYTES: Final = 256 * 1024
MAX_HEAVY: Final = 4
"""Bodies larger than `HEAVY_BYTES` that are read at once, so that a registry full of huge
manifests cannot fill our memory by its concurrency alone."""
MAX_WHOLE_BODY: Final = 512 * 1024
KEEP_ALIVE_SECONDS: Final = 30.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TROUBLE: Final = frozenset({429, 500, 502, 503, 504})


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came back, body and all."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: str
    authorized: bool = False
    """Whether we had sent credentials."""


class Route(msgspec.Struct, frozen=True):
    """How requests leave: time limits and proxy."""

    timeout: aiohttp.ClientTimeout
    proxy: str | None
    proxy_headers: dict[str, str] | None


class Wire:
    """The connections to one registry. Belongs to one event loop."""

    def __init__(
        self, connection: RegistryConnection, *, base: Base, timeout: float, allowed: AllowList, limiter: Limiter
    ) -> None:
        self.requests = 0
        self._base = base
        self._connection = connection
        self._allowed = allowed
        self._timeout = timeout
        self._limiter = limiter
        self._route = _make_route(connection.settings.proxy, timeout)
        self._home_root = f"{base.origin}/"
        self._heavy = asyncio.Semaphore(MAX_HEAVY)
        self._home: aiohttp.ClientSession | None = None
        self._abroad: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends the connections; a later request opens new ones."""
        sessions = (self._home, self._abroad)
        self._home = self._abroad = None
        for session in sessions:
            if session is not None:
                await session.close()

    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        limit: int,
        *,
        body: bytes | Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, one answer. A mapping as `body` is sent as a form."""
        loop = asyncio.get_running_loop()
        is_home = url.startswith(self._home_root)
        session = self._session(is_home)
        if self._route.proxy_headers and url.startswith("http://"):
            # Without a tunnel the proxy reads the request itself.
            headers = {**headers, **self._route.proxy_headers}
        started = loop.time()
        self.requests += 1
        try:
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=_payload(body),
                allow_redirects=False,
                proxy=self._route.proxy,
                proxy_headers=self._route.proxy_headers,
                timeout=self._limits(limit),
            )
            try:
                begun = loop.time()
                answered = await _read(response, limit, method, self._heavy)
            finally:
                response.release()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if is_home and isinstance(error, TimeoutError):
                self._limiter.troubled(started, loop.time())
            raise explain(error, f"{method} {shown(url, self._base.origin)}") from error
        if is_home:
            self._feel(response, started, begun)
        return Answer(response.status, response.headers, answered, url, hdrs.AUTHORIZATION in headers)

    @contextlib.asynccontextmanager
    async def opened(
        self, method: str, url: str, headers: Mapping[str, str], *, body: AsyncIterator[bytes] | None, size: int
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request whose body, or whose answer, is long: what it answers is read by whoever asked.

        `size` bytes may take as long as `SLOWEST_RATE` says.
        """
        session = self._session(url.startswith(self._home_root))
        if self._route.proxy_headers and url.startswith("http://"):
            headers = {**headers, **self._route.proxy_headers}
        self.requests += 1
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=self._route.proxy,
                proxy_headers=self._route.proxy_headers,
                timeout=_time_limits(self._timeout, size / SLOWEST_RATE),
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explain(error, f"{method} {shown(url, self._base.origin)}") from error

    async def pieces(self, response: aiohttp.ClientResponse, size: int) -> AsyncIterator[bytes]:
        """An opened answer's body, in pieces of at most `size` bytes; its failures are translated too."""
        try:
            async for piece in response.content.iter_chunked(size):
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explain(error, f"{response.method} {shown(str(response.url), self._base.origin)}") from error

    def _feel(self, response: aiohttp.ClientResponse, started: float, begun: float) -> None:
        """Tells the limiter how the registry bears it."""
        if response.status not in _TROUBLE:
            self._limiter.answered(started, begun)
            return
        self._limiter.troubled(started, begun)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._limiter.pause(begun, parse_retry_after(response.headers.get(hdrs.RETRY_AFTER)) or 0.0)

    def _limits(self, limit: int) -> aiohttp.ClientTimeout:
        if limit <= LARGE:
            return self._route.timeout
        return _time_limits(self._timeout, limit / SLOWEST_RATE)

    def _session(self, is_home: bool) -> aiohttp.ClientSession:
        if is_home:
            if self._home is None:
                self._home = self._make_session(is_home=True)
            return self._home
        if self._abroad is None:
            self._abroad = self._make_session(is_home=False)
        return self._abroad

    def _make_session(self, *, is_home: bool) -> aiohttp.ClientSession:
        settings = self._connection.settings
        # Elsewhere our certificate is nobody's business, and certificates are always checked.
        needs_tls = not is_home or self._base.origin.scheme == "https"
        verify = settings.tls_verify or not is_home
        context = make_context(self._connection, verify=verify, identify=is_home) if needs_tls else None
        guarded = not is_home and settings.proxy is None
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=context if context is not None else True,
            resolver=GuardedResolver(self._allowed, self._base.origin.host) if guarded else None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: USER_AGENT, hdrs.ACCEPT_ENCODING: "identity"},
            trust_env=False,
        )


def _payload(body: bytes | Mapping[str, str] | None) -> io.BytesIO | bytes | Mapping[str, str] | None:
    """Large bodies are handed over in pieces, so that they do not hold up the event loop."""
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > MAX_WHOLE_BODY else body


async def _read(response: aiohttp.ClientResponse, limit: int, method: str, heavy: asyncio.Semaphore) -> bytes:
    """The body, if it is within the limit; of errors only the beginning.

    What is larger than `HEAVY_BYTES` waits for a place among the `heavy` ones.
    """
    good = response.status < 300
    if not good:
        limit = min(limit, MAX_ERROR_BODY) or MAX_ERROR_BODY
    length = response.content_length
    if method == "HEAD" or response.status in REDIRECTS:
        return b""
    if good and length is not None and length > limit:
        raise _too_large(response, limit)
    if length is not None and length <= limit and hdrs.CONTENT_ENCODING not in response.headers:
        if length <= HEAVY_BYTES:
            return await response.read()
        async with heavy:
            return await response.read()
    pieces, size = [], 0
    async with contextlib.AsyncExitStack() as place:
        async for piece in response.content.iter_any():
            if size <= HEAVY_BYTES < size + len(piece):
                await place.enter_async_context(heavy)
            size += len(piece)
            if size > limit:
                if good:
                    raise _too_large(response, limit)
                break
            pieces.append(piece)
    return b"".join(pieces)


def _too_large(response: aiohttp.ClientResponse, limit: int) -> TooLarge:
    response.close()
    return TooLarge(
        f"The registry's answer is larger than the {limit:,} bytes we read of such a thing.",
        asked=f"{response.method} {shown(str(response.url))}",
        answered=f"{response.status}, {response.content_length or 'more'} bytes",
    )


def _time_limits(timeout: float, extra: float | None = None) -> aiohttp.ClientTimeout:
    """For small things one limit for all of it, as every timer costs; for long answers also between bytes."""
    connect = min(timeout, MAX_CONNECT_SECONDS)
    if extra is None:
        return aiohttp.ClientTimeout(total=timeout, sock_connect=connect)
    return aiohttp.ClientTimeout(total=timeout * TOTAL_FACTOR + extra, sock_connect=connect, sock_read=timeout)


def _make_route(proxy: str | None, timeout: float) -> Route:
    if not proxy:
        return Route(_time_limits(timeout), None, None)
    try:
        origin = Origin.of(proxy)
    except ValueError as error:
        raise InvalidInput(
            "The proxy's address cannot be read.", fields={"proxy": str(error)}, hint="It looks like http://proxy:3128."
        ) from error
    parts = urlsplit(proxy)
    headers: dict[str, str] | None = None
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers = {hdrs.PROXY_AUTHORIZATION: f"Basic {base64.b64encode(pair).decode()}"}
    return Route(_time_limits(timeout), str(origin), headers)
