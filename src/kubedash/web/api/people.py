"""Users, API tokens and the audit trail."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import AuditEntry, AuditQuery, CreatedToken, CreatedUser, Page, Record, Role, Token, User
from kubedash.web.api.bodies import NewToken, NewUser, UserChange
from kubedash.web.api.lists import MAX_TEXT, Cursor, Limit, Moment, Q, Sort, Text
from kubedash.web.api.values import read_moment
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import audit, people, tokens

_USER_KEYS: Final[Keys[User]] = {
    "name": lambda user: user.name,
    "role": lambda user: user.role,
    "created_at": lambda user: user.created_at,
    "last_seen": lambda user: user.last_seen,
}
_TOKEN_KEYS: Final[Keys[Token]] = {
    "name": lambda token: token.name,
    "created_at": lambda token: token.created_at,
    "expires_at": lambda token: token.expires_at,
    "last_used": lambda token: token.last_used,
}


class Me(Record, frozen=True, kw_only=True):
    """Who asks, and what they may do here."""

    name: str
    role: Role | None
    via: str


@get("/me", summary="Show who is asking")
async def show_me(services: GivenServices, actor: GivenActor) -> Me:
    """The user behind the session or token, with the role that counts for this request."""
    user = await people.own_user(services, actor)
    return Me(name=user.name, role=actor.role, via=actor.via)


@get("/users", summary="List users")
async def list_users(
    services: GivenServices,
    actor: GivenActor,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[User]:
    """All users. Needs an administrator. Sorts: name, role, created_at, last_seen."""
    found = await people.list_users(services, actor)
    return page_of(found, ListQuery(q=q, sort=sort, limit=limit, cursor=cursor), _USER_KEYS, lambda user: user.name)


@post("/users", summary="Add a user")
async def add_user(services: GivenServices, actor: GivenActor, data: JSONBody[NewUser]) -> CreatedUser:
    """Without a password one is generated and answered once. Needs an administrator."""
    user, password = await people.add_user(services, actor, data.name, data.role, data.password)
    return CreatedUser(user=user, password=None if data.password is not None else password)


@get("/users/{user:str}", summary="Show a user")
async def show_user(services: GivenServices, actor: GivenActor, user: FromPath[str]) -> User:
    """One user by name. Needs an administrator."""
    return await people.show_user(services, actor, user)


@patch("/users/{user:str}", summary="Change a user")
async def change_user(
    services: GivenServices, actor: GivenActor, user: FromPath[str], data: JSONBody[UserChange]
) -> User:
    """Role, lock or password of a user; the last administrator stays one. Needs an administrator."""
    change = people.UserChange(role=data.role, disabled=data.disabled, password=data.password)
    return await people.change_user(services, actor, user, change)


@get("/tokens", summary="List API tokens")
async def list_tokens(
    services: GivenServices,
    actor: GivenActor,
    user: Annotated[
        str | None, QueryParameter(max_length=64, description="Another user, for an administrator.")
    ] = None,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Token]:
    """The own tokens without their secrets, newest first. Sorts: name, created_at, expires_at, last_used."""
    found = await tokens.list_tokens(services, actor, user)
    return page_of(found, ListQuery(q=q, sort=sort, limit=limit, cursor=cursor), _TOKEN_KEYS, lambda token: token.name)


@post("/tokens", summary="Create an API token")
async def create_token(services: GivenServices, actor: GivenActor, data: JSONBody[NewToken]) -> CreatedToken:
    """Answers the secret once. A token is never more than its user, nor than the one who creates it."""
    token, secret = await tokens.create_token(services, actor, data.name, data.role, data.days, user=data.user)
    return CreatedToken(token=token, secret=secret)


@delete("/tokens/{token_id:int}", summary="Revoke an API token")
async def revoke_token(services: GivenServices, actor: GivenActor, token_id: FromPath[int]) -> None:
    """Ends it at once. Another user's token only for an administrator."""
    await tokens.revoke_token(services, actor, token_id)


@get("/audit", summary="List the audit trail")
async def list_audit(
    services: GivenServices,
    actor: GivenActor,
    who: Annotated[str | None, QueryParameter(name="actor", max_length=MAX_TEXT, description="The very name.")] = None,
    action: Annotated[
        str | None, QueryParameter(max_length=MAX_TEXT, description="Such as `tag.delete`; `tag.*` for a family.")
    ] = None,
    target: Annotated[
        str | None, QueryParameter(max_length=MAX_TEXT, description="A part of it, or a pattern with `*` and `?`.")
    ] = None,
    outcome: Text = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Who changed what, when, from where, by which plan, and how it ended; newest first. Needs an administrator."""
    query = AuditQuery(
        actor=who,
        action=action,
        target=target,
        outcome=outcome,
        since=read_moment("since", since),
        until=read_moment("until", until),
        limit=limit,
        cursor=cursor,
    )
    return await audit.open_audit(services, actor, query)
