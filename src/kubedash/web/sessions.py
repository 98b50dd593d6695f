"""Server-side sessions: the browser keeps a random key, the database its hash and what it means.

A session that did not change costs no writing, and signing in always begins a new key,
so that nobody can plant one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders, State
from litestar.middleware.session.base import BaseBackendConfig, BaseSessionBackend
from litestar.types import HTTPResponseStartEvent, Message, ScopeSession

from kubedash.settings import Settings
from kubedash.storage import people
from kubedash.workflows.services import Services

COOKIE: Final = "kubedash_session"
LIFETIME: Final = timedelta(days=14)
"""Since the last use; renewed when half of it is gone."""
_USER: Final = "user"
_UNTIL: Final = "until"
_LOADED: Final = "session_loaded"
_RENEW: Final = "session_begins"
_KEY_BYTES: Final = 32
_Connection = ASGIConnection[Any, Any, Any, Any]


def begin(request: Request[Any, Any, State], user_id: int) -> None:
    """The person has just proven who they are: a new session under a new key."""
    request.set_session({_USER: user_id})
    request.scope["state"][_RENEW] = True


def end(request: Request[Any, Any, State]) -> None:
    """Forget this session, here and in the browser."""
    request.clear_session()


def user_id_of(session: object) -> int | None:
    found = session.get(_USER) if isinstance(session, dict) else None
    return found if isinstance(found, int) else None


def current_key(request: Request[Any, Any, State]) -> str | None:
    """The key of this request's session, to spare it when the others end."""
    return request.cookies.get(COOKIE)


class DatabaseSessions(BaseSessionBackend["SessionConfig"]):
    """Litestar's session middleware over our own table."""

    def get_session_id(self, connection: _Connection) -> str | None:
        return connection.cookies.get(COOKIE)

    async def load_from_connection(self, connection: _Connection) -> dict[str, Any]:
        data = await _kept(connection)
        connection.scope["state"][_LOADED] = data
        return _values(data)

    async def store_in_message(self, scope_session: ScopeSession, message: Message, connection: _Connection) -> None:
        if message["type"] != "http.response.start":
            return
        state = connection.scope["state"]
        cookie, loaded = connection.cookies.get(COOKIE), state.get(_LOADED)
        values = scope_session if isinstance(scope_session, dict) else {}
        if user_id_of(values) is None:
            await self._forget(connection, message, cookie, loaded)
        elif state.get(_RENEW) or loaded is None or cookie is None:
            if cookie and loaded:
                await _drop(connection, cookie)
            await self._save(connection, message, values, secrets.token_urlsafe(_KEY_BYTES), new=True)
        elif self._is_due(values, connection) or msgspec.json.encode(values) != loaded:
            await self._save(connection, message, values, cookie, new=False)

    def _is_due(self, values: dict[str, Any], connection: _Connection) -> bool:
        left = values.get(_UNTIL, 0) - _services(connection).clock().timestamp()
        return bool(left < LIFETIME.total_seconds() / 2)

    async def _save(
        self,
        connection: _Connection,
        message: HTTPResponseStartEvent,
        values: dict[str, Any],
        cookie: str,
        *,
        new: bool,
    ) -> None:
        """One that was ended while this request was under way is not brought back by it."""
        services = _services(connection)
        until = services.clock() + LIFETIME
        data = msgspec.json.encode({**values, _UNTIL: until.timestamp()})
        async with services.database.write() as session:
            await people.forget_expired(session, services.clock())
            if new:
                await people.save_session(session, cookie, data, until, values[_USER])
            elif not await people.update_session(session, cookie, data, until):
                return
        self._set_cookie(message, cookie, int(LIFETIME.total_seconds()))

    async def _forget(
        self, connection: _Connection, message: HTTPResponseStartEvent, cookie: str | None, loaded: bytes | None
    ) -> None:
        if cookie and loaded:
            await _drop(connection, cookie)
        if cookie:
            self._set_cookie(message, "", 0)

    def _set_cookie(self, message: HTTPResponseStartEvent, value: str, max_age: int) -> None:
        cookie = Cookie(
            key=COOKIE,
            value=value,
            path=self.config.path,
            max_age=max_age,
            secure=self.config.secure,
            httponly=True,
            samesite="lax",
        )
        MutableScopeHeaders.from_message(message).add("Set-Cookie", cookie.to_header(header=""))


@dataclass
class SessionConfig(BaseBackendConfig[DatabaseSessions]):
    """Where the cookie is valid. `opt={"skip_session": True}` leaves a route out."""

    path: str = "/"
    secure: bool = False
    exclude: str | list[str] | None = None
    exclude_opt_key: str = "skip_session"
    _backend_class = DatabaseSessions


def session_config(settings: Settings) -> SessionConfig:
    return SessionConfig(path=settings.base_path or "/", secure=settings.secure_cookies)


async def user_id_now(connection: _Connection) -> int | None:
    """Whose session this request's key opens at this moment; None where it has ended meanwhile."""
    return user_id_of(_values(await _kept(connection)))


async def _kept(connection: _Connection) -> bytes | None:
    cookie = connection.cookies.get(COOKIE)
    if not cookie:
        return None
    services = _services(connection)
    async with services.database.read() as session:
        return await people.session_data(session, cookie, services.clock())


def _values(data: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any]) if data else {}
    return found


def _services(connection: _Connection) -> Services:
    found: Services = connection.app.state.services
    return found


async def _drop(connection: _Connection, cookie: str) -> None:
    async with _services(connection).database.write() as session:
        await people.end_session(session, cookie)
