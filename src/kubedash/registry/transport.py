"""One registry's requests: signed, redirected, limited and retried.

What is decided here is decided by pure code elsewhere; this is where it meets the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final
from weakref import WeakValueDictionary

import aiohttp
import msgspec
from aiohttp import hdrs

from kubedash.errors import RegistryError
from kubedash.records import RegistryConnection
from kubedash.registry.addresses import AllowList, Base, Origin, resolve_elsewhere, shown
from kubedash.registry.auth import (
    MAX_TOKEN_BODY,
    Credential,
    Login,
    Negotiation,
    Offer,
    TokenAnswer,
    TokenRequest,
    negotiate,
    refused_after,
)
from kubedash.registry.challenges import Challenge, parse_challenges
from kubedash.registry.complaints import read_complaint
from kubedash.registry.errors import RateLimited, Unreadable, from_answer
from kubedash.registry.keyring import NO_SCOPE, Keyring
from kubedash.registry.limiter import Limiter
from kubedash.registry.retries import RETRIED, Patience, parse_retry_after, retry_delay
from kubedash.registry.wire import MAX_ERROR_BODY, REDIRECTS, Answer, Wire

MAX_REDIRECTS: Final = 5
MAX_SIGN_INS: Final = 3
READING: Final = frozenset({"GET", "HEAD"})


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One request. What changes something is never sent twice on a doubt."""

    path: str
    """Begins with `/v2/` (or `/api/`); or a whole url. Credentials go to the registry's own origin only."""
    scope: str = NO_SCOPE
    """What a token for it must allow, as far as we can tell."""
    method: str = "GET"
    headers: Mapping[str, str] = {}
    limit: int = MAX_ERROR_BODY
    """Most bytes of a good answer's body."""
    body: bytes | None = None

    @property
    def changes(self) -> bool:
        return self.method not in READING


class Transport:
    """Belongs to one registry, one connection record and one event loop."""

    def __init__(
        self,
        connection: RegistryConnection,
        *,
        concurrency: int,
        timeout: float,
        allowed: AllowList,
        patience: Patience,
    ) -> None:
        settings, secrets = connection.settings, connection.secrets
        login = Login(settings.username, secrets.password, secrets.identity_token, secrets.registry_token)
        self.base = Base.parse(settings.url)
        allowed = allowed.including(self.base.origin.host)
        self.keyring = Keyring(self.base, login, allowed)
        self.limiter = Limiter(concurrency)
        self.wire = Wire(connection, base=self.base, timeout=timeout, allowed=allowed, limiter=self.limiter)
        self.allowed = allowed
        self._patience = patience
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()
        self._greeted = login.is_anonymous
        self._in_flight = 0
        self._retired = False

    async def send(self, ask: Ask) -> Answer:
        """The answer, whatever its status, after retries. Raises the error tree."""
        loop = asyncio.get_running_loop()
        started, tried = loop.time(), 0
        self._in_flight += 1
        try:
            while True:
                tried += 1
                try:
                    answer = await self._signed(ask)
                    if answer.status not in RETRIED:
                        return answer
                    error = self.failure(ask, answer)
                except RegistryError as failure:
                    error = failure
                if ask.changes and not isinstance(error, RateLimited):
                    # It may have been done all the same; whoever asked has to look.
                    raise error
                delay = retry_delay(error, tried, loop.time() - started, self._patience)
                if delay is None:
                    raise error
                await asyncio.sleep(delay)
        finally:
            await self._landed()

    @contextlib.asynccontextmanager
    async def opened(
        self, ask: Ask, *, body: AsyncIterator[bytes] | None = None, size: int = 0
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The good answer to a request whose body or answer is long, to be read by whoever asked.

        It is signed with what opened its scope before and sent once: a body that was
        streamed cannot be sent again, so on a 401 (the token may have run out) whoever
        asked starts again. Redirects are followed for reading alone, by the usual rules.
        """
        headers, url = dict(ask.headers), ask.path if not ask.path.startswith("/") else f"{self.base.root}{ask.path}"
        if Origin.of(url) == self.base.origin and (known := await self._known(ask.scope)) is not None:
            headers[hdrs.AUTHORIZATION] = known
        self._in_flight += 1
        try:
            for _ in range(MAX_REDIRECTS + 1):
                async with self.wire.opened(ask.method, url, headers, body=body, size=size) as response:
                    target = self._redirect(ask, url, response)
                    if target is None:
                        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                            raise self.failure(ask, await _complaint(response, url))
                        yield response
                        return
                if Origin.of(target) != Origin.of(url):
                    headers.pop(hdrs.AUTHORIZATION, None)
                url = target
            raise _endless(ask, url)
        finally:
            await self._landed()

    async def _known(self, scope: str) -> str | None:
        ready = self.keyring.ready(scope)
        return await self._obtain(ready, None) if isinstance(ready, Offer) else ready

    def _redirect(self, ask: Ask, here: str, response: aiohttp.ClientResponse) -> str | None:
        location = response.headers.get(hdrs.LOCATION)
        if response.status not in REDIRECTS or not location or ask.changes:
            return None
        return resolve_elsewhere(self.base, here, location, self.allowed, secret=False)

    async def _landed(self) -> None:
        self._in_flight -= 1
        if self._retired and not self._in_flight:
            await self.wire.close()

    def failure(self, ask: Ask, answer: Answer) -> RegistryError:
        """The error for an answer that is no success."""
        asked = f"{ask.method} {shown(answer.url, self.base.origin)}"
        retry_after = parse_retry_after(answer.headers.get(hdrs.RETRY_AFTER))
        error = from_answer(asked, read_complaint(answer.status, answer.body), retry_after)
        if answer.status == HTTPStatus.UNAUTHORIZED and not self._is_home(answer):
            error.hint = f"It redirected us to {Origin.of(answer.url)}: if that is the registry, set this address."
        return error

    async def retire(self) -> None:
        """Requests under way end well; from now on no connection is kept when none is under way."""
        self._retired = True
        if not self._in_flight:
            await self.wire.close()

    async def close(self) -> None:
        """Ends all connections at once."""
        self._retired = True
        await self.wire.close()

    async def _signed(self, ask: Ask) -> Answer:
        """Sends with what is known to work, and answers challenges: each way at most once."""
        if not self._greeted:
            await self._greet()
        ready = self.keyring.ready(ask.scope)
        spent: set[object] = set()
        if isinstance(ready, Offer):
            spent.add(ready.key)
            ready = await self._obtain(ready, None)
        answer = await self._follow(ask, ready)
        refreshed = False
        for _ in range(MAX_SIGN_INS):
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if not self._is_home(answer):
                break
            way = self._choose(ask, answer, spent, may_refresh=not refreshed)
            if way is None or way == ready:
                break
            spent.add(_identity(way))
            refreshed = refreshed or isinstance(way, Offer)
            ready = await self._obtain(way, ready) if isinstance(way, Offer) else way
            answer = await self._follow(ask, ready)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                self.keyring.note(ask.scope, way)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise self._refused(ask, answer, had_token=any(not isinstance(key, str) for key in spent))
        return answer

    def _choose(self, ask: Ask, answer: Answer, spent: set[object], *, may_refresh: bool) -> str | Offer | None:
        """The best way to answer a 401 that was not tried for this request yet."""
        for way in self.keyring.choose(_challenges(answer), ask.scope, answer.url):
            if _identity(way) not in spent and (may_refresh or isinstance(way, str)):
                return way
        return None

    def _refused(self, ask: Ask, answer: Answer, *, had_token: bool) -> RegistryError:
        login = self.keyring.login
        if not self._is_home(answer) or not (had_token or login.is_anonymous):
            return self.failure(ask, answer)
        asked = f"{ask.method} {shown(answer.url, self.base.origin)}"
        answered = read_complaint(answer.status, answer.body).sentence
        return refused_after(_challenges(answer), login, asked, answered)

    def _is_home(self, answer: Answer) -> bool:
        """Whether the registry itself said it. Challenges from elsewhere are not answered."""
        return Origin.of(answer.url) == self.base.origin

    async def _greet(self) -> None:
        """Asks the front door once how it wants to be convinced; some say so beside a 200."""
        async with self._lock("greeting"):
            if not self._greeted:
                answer = await self._follow(Ask("/v2/"), None)
                if self._is_home(answer):
                    self.keyring.learn(_challenges(answer), answer.url)
                self._greeted = True

    async def _obtain(self, offer: Offer, used: str | None) -> str:
        """A token for the offer, other than the one just refused; asked for once, however many wait."""
        async with self._lock(offer.key):
            kept = self.keyring.token(offer.key)
            if kept is not None and kept.header != used:
                return kept.header
            credential = await self._drive(negotiate(offer, self.keyring.login, self.keyring.now()))
            self.keyring.keep(offer, credential)
            return credential.header

    async def _drive(self, negotiation: Negotiation) -> Credential:
        try:
            request = next(negotiation)
            while True:
                request = negotiation.send(await self._fetch_token(request))
        except StopIteration as stop:
            credential: Credential = stop.value
            return credential

    async def _fetch_token(self, request: TokenRequest) -> TokenAnswer:
        method = "GET" if request.form is None else "POST"
        asked = f"{method} {shown(request.url)}"
        headers: dict[str, str] = {hdrs.ACCEPT: "application/json"}
        if request.authorization:
            headers[hdrs.AUTHORIZATION] = request.authorization
        answer = await self.wire.exchange(method, request.url, headers, MAX_TOKEN_BODY, body=request.form)
        return TokenAnswer(answer.status, answer.body, asked)

    async def _follow(self, ask: Ask, authorization: str | None) -> Answer:
        """Sends and follows redirects; credentials never cross an origin, not even back."""
        headers = dict(ask.headers)
        url = ask.path if not ask.path.startswith("/") else f"{self.base.root}{ask.path}"
        if authorization is not None and Origin.of(url) == self.base.origin:
            headers[hdrs.AUTHORIZATION] = authorization
        await self.limiter.acquire()
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = await self.wire.exchange(ask.method, url, headers, ask.limit, body=ask.body)
                location = answer.headers.get(hdrs.LOCATION)
                if answer.status not in REDIRECTS or not location:
                    return answer
                target = resolve_elsewhere(self.base, url, location, self.allowed, secret=False)
                if Origin.of(target) != Origin.of(url):
                    headers.pop(hdrs.AUTHORIZATION, None)
                url = target
        finally:
            self.limiter.release()
        raise _endless(ask, url)

    def _lock(self, key: object) -> asyncio.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock


def _endless(ask: Ask, url: str) -> Unreadable:
    return Unreadable(
        f"The registry redirected more than {MAX_REDIRECTS} times.",
        asked=f"{ask.method} {shown(url)}",
        hint="Check the registry's address, and the proxy in front of it.",
    )


async def _complaint(response: aiohttp.ClientResponse, url: str) -> Answer:
    """The beginning of an answer that is no success."""
    body = await response.content.read(MAX_ERROR_BODY)
    return Answer(response.status, response.headers, body, url, hdrs.AUTHORIZATION in response.request_info.headers)


def _identity(way: str | Offer) -> object:
    """By what a way is known to have been tried."""
    return way.key if isinstance(way, Offer) else "basic"


def _challenges(answer: Answer) -> tuple[Challenge, ...]:
    return parse_challenges(answer.headers.getall(hdrs.WWW_AUTHENTICATE, ()))
