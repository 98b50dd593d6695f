"""Who is asking: by name and password, by session, by API token."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from kubedash.errors import NotSignedIn
from kubedash.policy.access import Actor, lesser
from kubedash.policy.throttle import FREE_ATTEMPTS, FREE_ATTEMPTS_PER_ADDRESS, throttled_address
from kubedash.records import User
from kubedash.storage import audit, people
from kubedash.workflows.attempts import count_attempt
from kubedash.workflows.passwords import verify_password
from kubedash.workflows.people import USER_NAME
from kubedash.workflows.services import Services

TOKEN_PREFIX: Final = "kd_"  # noqa: S105 (the beginning of every token, not a token)
MAX_TOKEN_LENGTH: Final = 200
STRANGER: Final = "?"
"""Stands for what was typed where it can be nobody's name; it may be a password."""
_SEEN_STEP: Final = timedelta(minutes=1)
"""`last_seen` and `last_used` are no more exact than this, so that reading costs no writing."""


async def sign_in(services: Services, name: str, password: str, address: str | None) -> Actor:
    """The person of that name, if the password is theirs.

    Raises `NotSignedIn` with the same words whether the name or the password was
    wrong, and `TooMany` while the pause after failures lasts.
    """
    name = _readable(name)
    async with services.database.write() as session:
        await count_attempt(session, _keys(name, address), services.clock())
        found = await people.credentials(session, name)
    matches = await verify_password(found.password_hash if found else None, password)
    if found is None or not matches or found.user.disabled:
        await _refuse(services, name, address)
        raise NotSignedIn("Name or password is wrong.", hint="Check both; an administrator can set a new password.")
    return await _welcome(services, found.user, address)


async def actor_of_session(services: Services, user_id: int, address: str | None) -> Actor:
    """The signed-in person as they are now: a new role or a lock acts at once.

    Raises `NotSignedIn` where they are gone or locked.
    """
    async with services.database.read() as session:
        user = await people.by_id(session, user_id)
    if user is None or user.disabled:
        raise NotSignedIn("This session has ended.", hint="Sign in again.")
    await _note_seen(services, user)
    return Actor(name=user.name, role=user.role, via="session", user_id=user.id, address=address)


async def actor_of_token(services: Services, token_text: str, address: str | None) -> Actor:
    """Whom the API token speaks for, with the lesser of its role and theirs.

    Raises `NotSignedIn` where it is unknown, revoked or expired, or its user locked.
    """
    digest = token_digest(token_text[:MAX_TOKEN_LENGTH])
    now = services.clock()
    async with services.database.read() as session:
        found = await people.token_by_digest(session, digest)
    if found is None or not hmac.compare_digest(found.digest, digest):
        raise NotSignedIn("This API token is unknown.", hint="It may have been revoked: make another one.")
    token, user = found.token, found.user
    if token.expires_at is not None and token.expires_at <= now:
        raise NotSignedIn("This API token has expired.", hint="Make another one.")
    if user.disabled:
        raise NotSignedIn("The user of this API token is disabled.", hint="Ask an administrator.")
    if _is_due(token.last_used, now):
        async with services.database.write() as session:
            await people.token_used(session, token.id, now)
    return Actor(name=user.name, role=lesser(token.role, user.role), via="token", user_id=user.id, address=address)


def token_digest(token_text: str) -> bytes:
    """What is kept of a token: it has enough randomness of its own to need no salt."""
    return hashlib.sha256(token_text.encode("utf-8", "surrogatepass")).digest()


def _readable(name: str) -> str:
    """The name as users have it; all that cannot be one count as the same stranger."""
    given = name.strip().lower()
    return given if USER_NAME.fullmatch(given) else STRANGER


def _keys(name: str, address: str | None) -> list[tuple[str, int]]:
    keys = [(f"name:{name}", FREE_ATTEMPTS)]
    if address is not None:
        keys.append((_address_key(address), FREE_ATTEMPTS_PER_ADDRESS))
    return keys


def _address_key(address: str) -> str:
    return f"address:{throttled_address(address)}"


async def _refuse(services: Services, name: str, address: str | None) -> None:
    actor = Actor(name=name, role=None, via="session", address=address)
    async with services.database.write() as session:
        await audit.add(session, actor, "sign_in", name, services.clock(), outcome="failed")


async def _welcome(services: Services, user: User, address: str | None) -> Actor:
    actor = Actor(name=user.name, role=user.role, via="session", user_id=user.id, address=address)
    now = services.clock()
    async with services.database.write() as session:
        await people.forget_failures(session, f"name:{user.name}")
        if address is not None:
            await people.forgive_failure(session, _address_key(address))
        await people.seen(session, user.id, now)
        await audit.add(session, actor, "sign_in", user.name, now)
    return actor


async def _note_seen(services: Services, user: User) -> None:
    now = services.clock()
    if _is_due(user.last_seen, now):
        async with services.database.write() as session:
            await people.seen(session, user.id, now)


def _is_due(last: datetime | None, now: datetime) -> bool:
    return last is None or now - last >= _SEEN_STEP
