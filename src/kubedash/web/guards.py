"""From a request to an actor, and to what handlers may use. What actors may do is `policy.access`."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Receive, Scope, Send

from kubedash.errors import NotSignedIn
from kubedash.policy.access import ANONYMOUS, Actor
from kubedash.settings import Settings
from kubedash.storage.sealing import derive_key, load_key
from kubedash.web.sessions import COOKIE, user_id_now, user_id_of
from kubedash.workflows import sign_in
from kubedash.workflows.services import Services

OPEN: Final = {"skip_session": True, "exclude_from_auth": True, "exclude_from_csrf": True}
"""For routes that are the same for everybody: `@get(…, opt=OPEN)`."""
CSRF_COOKIE: Final = "kubedash_csrf"
_BEARER: Final = "bearer "
_CSRF_PURPOSE: Final = b"kubedash csrf tokens 1"


def bearer_token(authorization: str | None) -> str | None:
    """The token of `Authorization: Bearer TOKEN`."""
    if authorization is None or not authorization.lower().startswith(_BEARER):
        return None
    return authorization[len(_BEARER) :].strip()


class ActorMiddleware(AbstractAuthenticationMiddleware):
    """Sets `request.user` to the actor. A token counts before a session; neither is anonymous."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        services: Services = connection.app.state.services
        address = connection.scope["state"].get("address")
        token = bearer_token(connection.headers.get("authorization"))
        if token is not None:
            # The page that refuses a bad token is drawn for nobody.
            connection.scope["user"] = ANONYMOUS
            return AuthenticationResult(await sign_in.actor_of_token(services, token, address), "token")
        return AuthenticationResult(await _actor_of_session(connection, services, address), "session")


async def _actor_of_session(
    connection: ASGIConnection[Any, Any, Any, Any], services: Services, address: str | None
) -> Actor:
    user_id = user_id_of(connection.scope.get("session"))
    if user_id is not None:
        try:
            return await sign_in.actor_of_session(services, user_id, address)
        except NotSignedIn:
            connection.clear_session()
    return Actor(name=ANONYMOUS.name, role=None, via="session", address=address)


async def is_still_let_in(request: Request[Any, Any, State]) -> bool:
    """Whether the same request would come in as the same actor now: streams outlast sessions, tokens and roles."""
    services: Services = request.app.state.services
    actor = provide_actor(request)
    token = bearer_token(request.headers.get("authorization"))
    try:
        if token is not None:
            return await sign_in.actor_of_token(services, token, actor.address) == actor
        user_id = await user_id_now(request)
        return user_id is not None and await sign_in.actor_of_session(services, user_id, actor.address) == actor
    except NotSignedIn:
        return False


class FormGuard(CSRFMiddleware):
    """Litestar's CSRF check, except where no other site can misuse a browser.

    That is with a bearer token, which browsers do not send by themselves, and for the
    API without a session, so that who sends nothing hears that something is needed.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        token = bearer_token(headers.get(b"authorization", b"").decode("latin-1"))
        stranger = scope["path"].startswith("/api/v") and COOKIE.encode() not in headers.get(b"cookie", b"")
        if token is not None or stranger:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def csrf_config(settings: Settings) -> CSRFConfig:
    """The same secret in every process of this installation."""
    return CSRFConfig(
        secret=derive_key(load_key(settings), _CSRF_PURPOSE).hex(),
        cookie_name=CSRF_COOKIE,
        cookie_path=settings.base_path or "/",
        cookie_secure=settings.secure_cookies,
        cookie_httponly=True,
        cookie_samesite="lax",
        header_name="X-CSRF-Token",
        exclude_from_csrf_key="exclude_from_csrf",
    )


def provide_services(state: State) -> Services:
    services: Services = state.services
    return services


def provide_actor(request: Request[Actor, Any, State]) -> Actor:
    return request.scope.get("user") or ANONYMOUS


DEPENDENCIES: Final = {
    "services": Provide(provide_services, sync_to_thread=False),
    "actor": Provide(provide_actor, sync_to_thread=False),
}
