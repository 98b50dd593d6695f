"""Signing in and out."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery

from kubedash.errors import KubedashError, NotSignedIn, TooMany
from kubedash.web import sessions
from kubedash.web.addresses import safe_next
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import sign_in


class SignInForm(msgspec.Struct, frozen=True):
    """What the form sends. The password never shows in a repr."""

    name: str = ""
    password: str = ""
    next: str = ""

    def __repr__(self) -> str:
        return f"SignInForm(name={self.name!r}, …)"


class SignInView(msgspec.Struct, frozen=True, kw_only=True):
    """The form, as it was sent where it was refused."""

    name: str
    next: str
    problem: str | None = None
    hint: str | None = None


@get("/sign-in", sync_to_thread=False)
def show_sign_in(request: HtmlRequest, actor: GivenActor, next: FromQuery[str] = "") -> Response[Any]:  # noqa: A002
    """The form; who is signed in already goes on."""
    if actor.role is not None:
        return redirect(request, safe_next(next, urls_of(request).home()))
    return page(request, "sign_in/page.html", SignInView(name="", next=next))


@post("/sign-in")
async def do_sign_in(
    request: HtmlRequest,
    services: GivenServices,
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """A new session, then where the person was going."""
    try:
        actor = await sign_in.sign_in(services, data.name, data.password, request.scope["state"].get("address"))
    except (NotSignedIn, TooMany) as error:
        return _refused(request, data, error)
    if actor.user_id is not None:
        sessions.begin(request, actor.user_id)
    return redirect(request, safe_next(data.next, urls_of(request).home()))


@post("/sign-out", sync_to_thread=False)
def sign_out(request: HtmlRequest) -> Response[None]:
    """Ends this session; others of the same person go on."""
    sessions.end(request)
    return redirect(request, urls_of(request).sign_in())


def _refused(request: HtmlRequest, data: SignInForm, error: KubedashError) -> Response[str]:
    view = SignInView(name=data.name[:100], next=data.next, problem=error.message, hint=error.hint)
    response = page(request, "sign_in/page.html", view, status=error.status)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response
