"""The own account: password and API tokens."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from kubedash.errors import InvalidInput
from kubedash.policy.access import Actor
from kubedash.records import Role, Token, User
from kubedash.web import sessions
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import people, tokens
from kubedash.workflows.services import Services

_WHOLE: Final = re.compile(r"[0-9]{1,9}")


class PasswordForm(msgspec.Struct, frozen=True):
    """What the form sends; nothing of it shows in a repr."""

    old_password: str = ""
    new_password: str = ""
    again: str = ""

    def __repr__(self) -> str:
        return "PasswordForm(…)"


class TokenForm(msgspec.Struct, frozen=True):
    """What the form sends; empty text where nothing was chosen."""

    name: str = ""
    role: str = ""
    days: str = ""


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """The account page, with what was refused where something was."""

    user: User
    tokens: tuple[Token, ...]
    roles: tuple[tuple[str, str], ...]
    """Those a token of this person may have: value and label."""
    form: TokenForm
    secret: str | None = None
    """The new token, shown this once."""
    made: str | None = None
    """Its name."""
    problem: str | None = None
    errors: dict[str, str] = {}


@get("/account")
async def show_account(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """Who I am here, and my tokens."""
    return page(request, "account/page.html", await _view(services, actor), section="account")


@post("/account/password")
async def change_password(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    data: Annotated[PasswordForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Needs the old one; ends the other sessions of this person."""
    try:
        if data.new_password != data.again:
            raise InvalidInput("The new password was not repeated alike.", fields={"again": "differs from the other"})
        await people.change_password(
            services, actor, data.old_password, data.new_password, sessions.current_key(request)
        )
    except InvalidInput as error:
        return await _refused(request, services, actor, error)
    to = urls_of(request).path("/account")
    return redirect(request, to, notice="The password is changed; your other sessions have ended.")


@post("/account/tokens", status_code=200)
async def create_token(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    data: Annotated[TokenForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Shows the secret in the answer itself: it is kept nowhere."""
    try:
        role, days = _role(data.role), _days(data.days)
        token, secret = await tokens.create_token(services, actor, data.name, role, days)
    except InvalidInput as error:
        return await _refused(request, services, actor, error, data)
    view = msgspec.structs.replace(await _view(services, actor), secret=secret, made=token.name)
    return page(request, "account/page.html", view, section="account")


@post("/account/tokens/{token_id:int}/revocation")
async def revoke_token(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, token_id: FromPath[int]
) -> Response[None]:
    """Ends the token at once."""
    await tokens.revoke_token(services, actor, token_id)
    return redirect(request, urls_of(request).path("/account"), notice="The token is revoked.")


async def _view(services: Services, actor: Actor, form: TokenForm | None = None) -> AccountView:
    roles = tuple(Role)
    allowed = roles[roles.index(actor.role) :] if actor.role else ()
    return AccountView(
        user=await people.own_user(services, actor),
        tokens=await tokens.list_tokens(services, actor),
        roles=tuple((str(role), role.capitalize()) for role in reversed(allowed)),
        form=form or TokenForm(role=Role.VIEWER, days="90"),
    )


async def _refused(
    request: HtmlRequest, services: Services, actor: Actor, error: InvalidInput, form: TokenForm | None = None
) -> Response[str]:
    view = await _view(services, actor, form)
    view = msgspec.structs.replace(view, problem=error.message, errors=error.fields)
    return page(request, "account/page.html", view, section="account", status=error.status)


def _role(text: str) -> Role | None:
    try:
        return Role(text) if text else None
    except ValueError as error:
        raise InvalidInput("There is no such role.", fields={"role": "is unknown"}) from error


def _days(text: str) -> int | None:
    if not text.strip():
        return None
    if not _WHOLE.fullmatch(text.strip()):
        raise InvalidInput("The days do not fit.", fields={"days": "a whole number, or nothing"})
    return int(text)
