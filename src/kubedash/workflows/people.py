"""Users: the first one, and what administrators and they themselves may change."""

from __future__ import annotations

import re
from typing import Final

from kubedash.errors import Conflict, InvalidInput, NotFound
from kubedash.policy import access
from kubedash.policy.access import SYSTEM, Actor, Permission
from kubedash.policy.throttle import FREE_ATTEMPTS
from kubedash.records import Record, Role, User
from kubedash.storage import audit, people
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.workflows.attempts import count_attempt
from kubedash.workflows.passwords import check_new_password, generate_password, hash_password, verify_password
from kubedash.workflows.services import Services

FIRST_USER: Final = "admin"
USER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class UserChange(Record, frozen=True, kw_only=True):
    """What an administrator changes of a user; None leaves it as it is."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"UserChange(role={self.role}, disabled={self.disabled}, …)"


async def first_start(services: Services) -> str | None:
    """Creates `admin` where there is nobody yet.

    Returns the password where it had to be generated: this is the only time it can
    be read. None where the setting gave it, or where there is somebody already.
    """
    async with services.database.read() as session:
        if await people.count(session):
            return None
    given = services.settings.admin_password
    password = given or generate_password()
    hashed = await hash_password(password)
    async with services.database.write() as session:
        if await people.count(session):
            return None
        await people.add(session, FIRST_USER, Role.ADMIN, hashed, services.clock())
        await audit.add(session, SYSTEM, "user.add", FIRST_USER, services.clock(), detail={"role": Role.ADMIN})
    return None if given else password


async def list_users(services: Services, actor: Actor) -> tuple[User, ...]:
    """All users by name."""
    access.require(actor, Permission.USERS_MANAGE)
    async with services.database.read() as session:
        return await people.list_all(session)


async def own_user(services: Services, actor: Actor) -> User:
    """The person who asks."""
    access.require(actor, Permission.OWN_ACCOUNT)
    async with services.database.read() as session:
        return await user_named(session, actor.name)


async def add_user(services: Services, actor: Actor, name: str, role: Role, password: str | None) -> tuple[User, str]:
    """A new user, and the password: the given one, or a generated one to be shown once.

    Raises `InvalidInput`, and `Conflict` where the name is taken.
    """
    access.require(actor, Permission.USERS_MANAGE)
    _check_name(name)
    if password is not None:
        check_new_password(password, name)
    chosen = password if password is not None else generate_password()
    hashed = await hash_password(chosen)
    async with services.database.write() as session:
        if await people.find(session, name) is not None:
            raise Conflict(f"There is a user {name} already.", hint="Choose another name.")
        await people.add(session, name, role, hashed, services.clock())
        await audit.add(session, actor, "user.add", name, services.clock(), detail={"role": role})
        return await user_named(session, name), chosen


async def show_user(services: Services, actor: Actor, name: str) -> User:
    """Raises `NotFound`."""
    access.require(actor, Permission.USERS_MANAGE)
    async with services.database.read() as session:
        return await user_named(session, name)


async def change_user(services: Services, actor: Actor, name: str, change: UserChange) -> User:
    """All of the change or nothing. A lock and a new password end the user's sessions.

    Raises `NotFound`, `InvalidInput`, and `Conflict` where nobody would be left to
    administrate.
    """
    access.require(actor, Permission.USERS_MANAGE)
    hashed = None
    if change.password is not None:
        check_new_password(change.password, name)
        hashed = await hash_password(change.password)
    async with services.database.write() as session:
        user = await user_named(session, name)
        await _apply(session, user, change, hashed)
        for action, detail in _entries(user, change):
            await audit.add(session, actor, action, name, services.clock(), detail=detail)
        return await user_named(session, name)


async def set_role(services: Services, actor: Actor, name: str, role: Role) -> User:
    """Raises as `change_user` does."""
    return await change_user(services, actor, name, UserChange(role=role))


async def set_disabled(services: Services, actor: Actor, name: str, disabled: bool) -> User:
    """Locks a user out, sessions and tokens included, or lets them in again. Raises as `change_user` does."""
    return await change_user(services, actor, name, UserChange(disabled=disabled))


async def reset_password(services: Services, actor: Actor, name: str, password: str | None = None) -> str:
    """Another person's password, generated where none is given; returns the one to hand over."""
    access.require(actor, Permission.USERS_MANAGE)
    chosen = password if password is not None else generate_password()
    await change_user(services, actor, name, UserChange(password=chosen))
    return chosen


async def change_password(services: Services, actor: Actor, old: str, new: str, session_key: str | None = None) -> None:
    """The own password, which needs the old one; ends all own sessions but `session_key`.

    Raises `InvalidInput` with the field that is wrong, and `TooMany` while the pause
    after wrong ones lasts: a session that somebody left open is no place to guess at.
    """
    access.require(actor, Permission.OWN_ACCOUNT)
    check_new_password(new, actor.name)
    attempts = f"password:{actor.name}"
    async with services.database.write() as session:
        await count_attempt(session, [(attempts, FREE_ATTEMPTS)], services.clock())
        found = await people.credentials(session, actor.name)
    if found is None or not await verify_password(found.password_hash, old):
        raise InvalidInput("The old password is wrong.", fields={"old_password": "is wrong"})
    hashed = await hash_password(new)
    async with services.database.write() as session:
        await people.forget_failures(session, attempts)
        await people.set_password(session, found.user.id, hashed)
        await people.end_sessions(session, found.user.id, but=session_key)
        await audit.add(session, actor, "user.password", actor.name, services.clock())


async def user_named(session: ReadSession, name: str) -> User:
    """Raises `NotFound`."""
    user = await people.find(session, name) if USER_NAME.fullmatch(name) else None
    if user is None:
        raise NotFound(f"There is no user {name[:80]!r}.")
    return user


async def _apply(session: WriteSession, user: User, change: UserChange, hashed: str | None) -> None:
    if change.disabled or (change.role or Role.ADMIN) is not Role.ADMIN:
        await _keep_an_admin(session, user)
    if change.role is not None:
        await people.set_role(session, user.id, change.role)
    if change.disabled is not None:
        await people.set_disabled(session, user.id, change.disabled)
    if hashed is not None:
        await people.set_password(session, user.id, hashed)
    if change.disabled or hashed is not None:
        await people.end_sessions(session, user.id)


def _entries(user: User, change: UserChange) -> list[tuple[str, dict[str, str]]]:
    """What the audit trail says of a change."""
    entries: list[tuple[str, dict[str, str]]] = []
    if change.role is not None:
        entries.append(("user.role", {"before": user.role, "after": change.role}))
    if change.disabled is not None:
        entries.append(("user.disable" if change.disabled else "user.enable", {}))
    if change.password is not None:
        entries.append(("user.password_reset", {}))
    return entries


async def _keep_an_admin(session: WriteSession, user: User) -> None:
    """Raises `Conflict` where `user` is the only administrator who can sign in."""
    admins = [other for other in await people.list_all(session) if other.role is Role.ADMIN and not other.disabled]
    if [other.id for other in admins] == [user.id]:
        raise Conflict(f"{user.name} is the last administrator.", hint="Make somebody else an administrator first.")


def _check_name(name: str) -> None:
    if not USER_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot be a user's name.",
            fields={"name": "lower-case letters, digits and . _ @ -, beginning with a letter or digit, at most 64"},
        )
