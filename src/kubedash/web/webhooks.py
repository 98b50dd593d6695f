"""`/plugins/registry/events`: where registries post what happened.

The shortest way there is: no session, no CSRF, no form of a page. What comes in is a
machine's and hostile until proven otherwise; what goes out is a status that makes the
registry go on (2xx), or send the same again later (anything else).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from time import monotonic
from typing import Final

import msgspec
import structlog
from litestar.datastructures import State
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Receive, Scope, Send

from kubedash.errors import KubedashError, NotSignedIn, TooMany, Unavailable
from kubedash.web import metrics
from kubedash.web.problems import PROBLEM_TYPE, Bug, MethodRefused, Problem, TooBig
from kubedash.workflows.reception import Post
from kubedash.workflows.record_events import record_events
from kubedash.workflows.services import Services

MAX_BODY: Final = 5 * 1024 * 1024
PATH: Final = "/plugins/registry/events"
_JSON: Final = b"application/json"
_RETRY_SECONDS: Final = 5
_MAX_ADDRESSES: Final = 10_000

log = structlog.get_logger(__name__)


class Pace:
    """How many posts an address has sent in this second."""

    def __init__(self) -> None:
        self._second = 0
        self._seen: dict[str, int] = {}

    def check(self, address: str, most: int) -> None:
        """Counts one. Raises `TooMany`."""
        second = int(monotonic())
        if second != self._second or len(self._seen) > _MAX_ADDRESSES:
            self._second = second
            self._seen.clear()
        sent = self._seen[address] = self._seen.get(address, 0) + 1
        if most and sent > most:
            raise TooMany("This address sends too fast.", retry_after=1, hint="See KUBEDASH_EVENTS_RATE.")


class Webhooks:
    """Takes what is posted to these two paths, and hands everything else to the application behind it."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state
        self._pace = Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(PATH):
            rest = scope["path"][len(PATH) :]
            if rest in ("", "/") or (rest[0] == "/" and "/" not in rest[1:]):
                scope["path_template"] = PATH if len(rest) < 2 else f"{PATH}/{{registry}}"
                await self._answer(rest[1:] or None, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answer(self, registry: str | None, scope: HTTPScope, receive: Receive, send: Send) -> None:
        services: Services = self._state.services
        try:
            receipt = await record_events(services, await self._read(registry, services, scope, receive))
        except KubedashError as error:
            metrics.REFUSED.inc()
            await _refuse(error, scope, send)
        except Exception as error:
            metrics.FAILED.inc()
            log.error("a post of events failed", action="bug", exc_info=error)
            await _refuse(Bug("Something failed that should not."), scope, send)
        else:
            (metrics.STRANGE if receipt.strange else metrics.STORED).inc()
            await _send(send, 200, msgspec.json.encode(receipt), ((b"content-type", _JSON),))

    async def _read(self, registry: str | None, services: Services, scope: HTTPScope, receive: Receive) -> Post:
        """Raises `MethodRefused`, `TooMany` and `TooBig`, the last without reading on."""
        if scope["method"] != HttpMethod.POST:
            raise MethodRefused("Registries post their events here.")
        address = scope["state"].get("address")
        self._pace.check(address or "", services.settings.events_rate)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_BODY:
            raise _too_big()
        secret = secret_of(headers.get("authorization"))
        return Post(registry=registry, secret=secret, headers=headers, body=await _body(receive), address=address)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message: HTTPReceiveMessage = await receive()  # type: ignore[assignment]
        if message["type"] != "http.request":
            raise Unavailable("The sender went away.")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise _too_big()
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def secret_of(authorization: str | None) -> str | None:
    """The secret of `Authorization: Bearer SECRET`, `Basic` (as its password), or `SECRET` alone."""
    if not authorization:
        return None
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return authorization
    return rest.strip() if scheme.lower() == "bearer" else authorization.strip()


def _too_big() -> TooBig:
    return TooBig(f"A post may have {MAX_BODY} bytes.", hint="Send events one by one, and without their references.")


async def _refuse(error: KubedashError, scope: Scope, send: Send) -> None:
    problem = Problem(
        type=f"urn:kubedash:problem:{error.slug}",
        title=error.title,
        status=error.status,
        detail=error.message,
        hint=error.hint,
        request_id=str(scope["state"].get("request_id", "")),
    )
    headers = [(b"content-type", PROBLEM_TYPE.encode())]
    if isinstance(error, TooMany | Unavailable):
        seconds = error.retry_after if isinstance(error, TooMany) else _RETRY_SECONDS
        headers.append((b"retry-after", str(seconds).encode()))
    if isinstance(error, NotSignedIn):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodRefused):
        headers.append((b"allow", b"POST"))
    await _send(send, error.status, msgspec.json.encode(problem), headers)


async def _send(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
