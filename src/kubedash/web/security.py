"""The outermost shell around the application: what holds for every answer, whatever it is.

Strips the base path, names the request, finds the client's address, writes the
security headers, the metrics and the access log.
"""

from __future__ import annotations

import ipaddress
import random
import re
import time
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import structlog
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kubedash.errors import InvalidInput
from kubedash.settings import Settings
from kubedash.web import metrics
from kubedash.web.methods import with_all_methods

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS: Final = (  # Where an answer does not say otherwise itself.
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_TRANSPORT_SECURITY: Final = (b"strict-transport-security", b"max-age=31536000")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
METHOD_REFUSED: Final = 405
_QUIET: Final = ("/healthz", "/readyz", "/metrics")
_UNSAID: Final = "/plugins/registry/events"
"""Thousands of posts a second that went well are counted, and not logged at all."""
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

log = structlog.get_logger(__name__)


class Envelope:
    """An ASGI application around ours."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._base = settings.base_path
        self._trusted = networks(settings.trusted_proxies)
        self._headers = _HEADERS + ((_TRANSPORT_SECURITY,) if settings.secure_cookies else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        self._prepare(scope)
        state = scope["state"]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])
        path, started, status = scope["path"], time.perf_counter(), 500
        method = scope["method"]
        if method == HttpMethod.HEAD:
            # Answered as GET, without the content: no handler has to think of it, but one without an end.
            scope["method"] = HttpMethod.GET
            state["is_head"] = True

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if method == HttpMethod.OPTIONS or status == METHOD_REFUSED:
                    message["headers"] = with_all_methods(scope, message.get("headers", ()))
                message["headers"] = [*self._completed(message.get("headers", ()), state["request_id"])]
            elif method == HttpMethod.HEAD and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            _note(scope, (method, path, status), time.perf_counter() - started)

    def _prepare(self, scope: Scope) -> None:
        """A proxy may strip the base path or leave it: both arrive at the same page."""
        path = scope["path"]
        if self._base and (path == self._base or path.startswith(self._base + "/")):
            scope["path"] = path[len(self._base) :] or "/"
            scope["raw_path"] = scope["path"].encode()
        headers = scope.get("headers", ())
        peer = scope.get("client")
        address = peer[0] if peer else None
        trusted = is_trusted(address, self._trusted)
        scope["state"] = {**(scope.get("state") or {}), "address": client_address(address, headers, self._trusted)}
        scope["state"]["request_id"] = _request_id(headers if trusted else ())

    def _completed(self, headers: Iterable[tuple[bytes, bytes]], request_id: str) -> Iterable[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in headers}
        yield from headers
        yield from (header for header in self._headers if header[0] not in given)
        yield b"x-request-id", request_id.encode()


def networks(texts: Sequence[str]) -> tuple[_Network, ...]:
    """Addresses and networks as networks. Raises `InvalidInput`."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise InvalidInput(
            f"setting KUBEDASH_TRUSTED_PROXIES: {error}",
            hint="Addresses or networks such as 10.0.0.0/8, comma-separated.",
        ) from error


def is_trusted(address: str | None, trusted: Sequence[_Network]) -> bool:
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in trusted)


def client_address(peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[_Network]) -> str | None:
    """Who asks: the peer, or behind trusted proxies the last forwarded address that is none of them.

    What stands further left in X-Forwarded-For was written by the client itself.
    """
    if not is_trusted(peer, trusted):
        return peer
    lines = [value.decode("latin-1") for name, value in headers if name.lower() == b"x-forwarded-for"]
    hops = [hop.strip() for hop in ",".join(lines).split(",") if hop.strip()]
    for hop in reversed(hops):
        if not is_trusted(hop, trusted):
            return hop if _is_address(hop) else peer
    return hops[0] if hops and _is_address(hops[0]) else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name.lower() == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return f"{random.getrandbits(64):016x}"


def _note(scope: Scope, request: tuple[str, str, int], seconds: float) -> None:
    """The query stays out: people search for things that are nobody's business."""
    method, path, status = request
    metrics.request_done(method, str(scope.get("path_template") or "unknown"), status, seconds)
    if status == 200 and path.startswith(_UNSAID):
        return
    quiet = path in _QUIET or path.startswith("/static/")
    write = log.debug if quiet and status < 400 else log.info
    actor = scope.get("user")
    write(
        "request",
        action="request",
        method=method,
        path=path[:500],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        address=scope["state"].get("address"),
        actor=getattr(actor, "name", None),
    )
