"""Users, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from kubedash.errors import Conflict, InvalidInput, KubedashError
from kubedash.policy.access import Actor
from kubedash.records import Role, User
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import people
from kubedash.workflows.services import Services


class UserForm(msgspec.Struct, frozen=True):
    """What the form sends; the password is generated."""

    name: str = ""
    role: str = Role.VIEWER.value


class RoleForm(msgspec.Struct, frozen=True):
    role: str = ""


class UsersView(msgspec.Struct, frozen=True, kw_only=True):
    """The list of users, with what was refused or made where something was."""

    users: tuple[User, ...]
    roles: tuple[tuple[str, str], ...]
    """Value and label."""
    form: UserForm
    secret: str | None = None
    """A generated password, shown this once."""
    secret_of: str | None = None
    """Whose it is."""
    problem: str | None = None
    hint: str | None = None
    errors: dict[str, str] = {}


@get("/admin/users")
async def list_users(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """Everybody by name."""
    return page(request, "admin/users.html", await _view(services, actor), section="admin")


@post("/admin/users", status_code=200)
async def add_user(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    data: Annotated[UserForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """A new user with a generated password, shown in the answer itself."""
    try:
        user, password = await people.add_user(services, actor, data.name.strip(), _role(data.role), None)
    except (InvalidInput, Conflict) as error:
        return await _refused(request, services, actor, error, data)
    return await _with_secret(request, services, actor, user.name, password)


@post("/admin/users/{name:str}/role")
async def set_role(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    name: FromPath[str],
    data: Annotated[RoleForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Acts with the user's next request."""
    try:
        user = await people.set_role(services, actor, name, _role(data.role))
    except (InvalidInput, Conflict) as error:
        return await _refused(request, services, actor, error)
    return _done(request, f"{user.name} is now {user.role}.")


@post("/admin/users/{name:str}/lock")
async def lock(request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]) -> Response[Any]:
    """Ends sessions and tokens of the user at once."""
    try:
        user = await people.set_disabled(services, actor, name, True)
    except Conflict as error:
        return await _refused(request, services, actor, error)
    return _done(request, f"{user.name} can no longer sign in.")


@post("/admin/users/{name:str}/unlock")
async def unlock(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]
) -> Response[Any]:
    """Lets the user in again."""
    user = await people.set_disabled(services, actor, name, False)
    return _done(request, f"{user.name} can sign in again.")


@post("/admin/users/{name:str}/password", status_code=200)
async def reset_password(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]
) -> Response[str]:
    """A generated password, shown in the answer itself."""
    password = await people.reset_password(services, actor, name)
    return await _with_secret(request, services, actor, name, password)


async def _view(services: Services, actor: Actor, form: UserForm | None = None) -> UsersView:
    return UsersView(
        users=await people.list_users(services, actor),
        roles=tuple((str(role), role.capitalize()) for role in reversed(Role)),
        form=form or UserForm(),
    )


async def _with_secret(
    request: HtmlRequest, services: Services, actor: Actor, name: str, password: str
) -> Response[str]:
    view = msgspec.structs.replace(await _view(services, actor), secret=password, secret_of=name)
    return page(request, "admin/users.html", view, section="admin")


async def _refused(
    request: HtmlRequest, services: Services, actor: Actor, error: KubedashError, form: UserForm | None = None
) -> Response[str]:
    fields = error.fields if isinstance(error, InvalidInput) else {}
    view = await _view(services, actor, form)
    view = msgspec.structs.replace(view, problem=error.message, hint=error.hint, errors=fields)
    return page(request, "admin/users.html", view, section="admin", status=error.status)


def _done(request: HtmlRequest, notice: str) -> Response[None]:
    return redirect(request, urls_of(request).path("/admin/users"), notice=notice)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise InvalidInput("There is no such role.", fields={"role": "is unknown"}) from error
