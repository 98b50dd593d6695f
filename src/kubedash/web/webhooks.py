"""`/plugins/registry/events`: where registries post what happened.

The shortest way there is: no session, no CSRF, no form of a page. What comes in is a
machine's and hostile until proven otherwise; what goes out is a status that makes the
registry go on (2xx), or send the same again later (anything else).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Final

import msgspec
import structlog
from litestar.datastructures import State
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from kubedash.errors import KubedashError, NotSignedIn, TooMany, Unavailable
from kubedash.web import metrics
from kubedash.web.bodies import Bodies
from kubedash.web.pace import FREE, Pace
from kubedash.web.problems import PROBLEM_TYPE, Bug, MethodRefused, Problem
from kubedash.workflows.reception import Post
from kubedash.workflows.record_events import Receipt, record_events
from kubedash.workflows.services import Services

PATH: Final = "/plugins/registry/events"
_JSON: Final = b"application/json"
_RETRY_SECONDS: Final = 5

log = structlog.get_logger(__name__)


class Webhooks:
    """Takes what is posted to these two paths, and hands everything else to the application behind it."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state
        self._pace = Pace()
        self._bodies = Bodies(self._pace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(PATH):
            rest = scope["path"][len(PATH) :]
            if rest in ("", "/") or (rest[0] == "/" and "/" not in rest[1:]):
                scope["path_template"] = PATH if len(rest) < 2 else f"{PATH}/{{registry}}"
                await self._answer(rest[1:] or None, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answer(self, registry: str | None, scope: HTTPScope, receive: Receive, send: Send) -> None:
        address = scope["state"].get("address") or ""
        try:
            receipt = await self._take(registry, address, scope, receive)
        except KubedashError as error:
            metrics.REFUSED.inc()
            await self._pace.slow_down(address)
            await _refuse(error, scope, send)
        except Exception as error:
            metrics.FAILED.inc()
            log.error("a post of events failed", action="bug", exc_info=error)
            await _refuse(Bug("Something failed that should not."), scope, send)
        else:
            (metrics.STRANGE if receipt.strange else metrics.STORED).inc()
            if receipt.accepted > 1:
                self._pace.charge(address, receipt.accepted)
            await _send(send, 200, msgspec.json.encode(receipt), ((b"content-type", _JSON),))

    async def _take(self, registry: str | None, address: str, scope: HTTPScope, receive: Receive) -> Receipt:
        """Who sends too much, or may not send at all, is refused before anything is received.

        Raises `MethodRefused` and what `Pace`, `Reception.admit`, `Bodies` and `record_events` raise.
        """
        services: Services = self._state.services
        if scope["method"] != HttpMethod.POST:
            raise MethodRefused("Registries post their events here.")
        self._pace.check(address, services.settings.events_rate)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        admission = await services.reception.admit(registry, secret_of(headers.get("authorization")))
        length = _length_of(headers.get("content-length"))
        post = partial(Post, admission=admission, headers=headers, address=address or None)
        if length is not None and length <= FREE:
            return await record_events(services, post(body=await self._bodies.short(receive, address)))
        with ExitStack() as held:
            return await record_events(services, post(body=await self._bodies.long(receive, address, length, held)))


def _length_of(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


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
