"""Personal API tokens: `kd_` and 43 characters, shown once and kept as a hash."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from kubedash.errors import InvalidInput, NotFound
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Role, Token, User
from kubedash.storage import audit, people
from kubedash.storage.database import ReadSession
from kubedash.storage.people import NewToken
from kubedash.workflows.people import user_named
from kubedash.workflows.services import Services
from kubedash.workflows.sign_in import TOKEN_PREFIX, token_digest

MAX_DAYS: Final = 3650
MAX_NAME_LENGTH: Final = 100
MAX_ID: Final = 2**63 - 1
_TOKEN_BYTES: Final = 32


async def create_token(
    services: Services, actor: Actor, name: str, role: Role | None, days: int | None, *, user: str | None = None
) -> tuple[Token, str]:
    """A new token, and its secret, which cannot be read again.

    Without `role` it may do what its user may, without `days` it does not expire.
    For another `user` than the one who asks it takes an administrator. Raises
    `InvalidInput`, and `NotFound` where there is no such user.
    """
    access.require(actor, _needed(actor, user))
    _check(name, days)
    now = services.clock()
    secret = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    async with services.database.write() as session:
        owner = await _owner(session, actor, user)
        granted = _granted(actor, owner, role)
        expires = None if days is None else now + timedelta(days=days)
        new = NewToken(name=name.strip(), role=granted, digest=token_digest(secret), created_at=now, expires_at=expires)
        token = await people.add_token(session, owner, new)
        detail = {"name": token.name, "role": granted, "expires_at": expires and expires.isoformat()}
        await audit.add(session, actor, "token.create", owner.name, now, detail=detail)
    return token, secret


async def list_tokens(services: Services, actor: Actor, user: str | None = None) -> tuple[Token, ...]:
    """The tokens of the one who asks, or of another user for an administrator; newest first."""
    access.require(actor, _needed(actor, user))
    async with services.database.read() as session:
        owner = await _owner(session, actor, user)
        return await people.tokens_of(session, owner.id)


async def revoke_token(services: Services, actor: Actor, token_id: int) -> None:
    """Ends a token at once; that of another user only for an administrator. Raises `NotFound`."""
    access.require(actor, Permission.OWN_ACCOUNT)
    if not 0 < token_id <= MAX_ID:
        raise NotFound(f"There is no token {token_id}.")
    async with services.database.write() as session:
        token = await people.token(session, token_id)
        if token is None or not (token.user == actor.name or access.allows(actor, Permission.USERS_MANAGE)):
            raise NotFound(f"There is no token {token_id}.")
        await people.remove_token(session, token_id)
        await audit.add(session, actor, "token.revoke", token.user, services.clock(), detail={"name": token.name})


def _needed(actor: Actor, user: str | None) -> Permission:
    return Permission.OWN_ACCOUNT if user is None or user == actor.name else Permission.USERS_MANAGE


async def _owner(session: ReadSession, actor: Actor, user: str | None) -> User:
    return await user_named(session, user or actor.name)


def _granted(actor: Actor, owner: User, role: Role | None) -> Role:
    """Never more than its user may, nor than the one who makes it: a token cannot lift itself."""
    most = access.lesser(owner.role, actor.role or Role.VIEWER)
    if role is not None and access.lesser(role, most) is not role:
        raise InvalidInput(f"The token may be no more than {most}.", fields={"role": f"is more than {most}"})
    return role or most


def _check(name: str, days: int | None) -> None:
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidInput("The token needs a name.", fields={"name": f"1 to {MAX_NAME_LENGTH} printable characters"})
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InvalidInput("The days do not fit.", fields={"days": f"a number from 1 to {MAX_DAYS}, or nothing"})
