"""Users, their API tokens and sessions, and failed sign-ins.

Kept are only hashes: argon2 text of passwords, SHA-256 of tokens and of session keys.
Whoever reads the database cannot sign in with what is there.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, bindparam, case, delete, func, insert, select
from sqlalchemy import update as change
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.policy.throttle import FORGOTTEN_AFTER
from kubedash.records import Role, Token, User
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.statements import upsert
from kubedash.storage.tables import session as sessions
from kubedash.storage.tables import sign_in_failure
from kubedash.storage.tables import token as tokens
from kubedash.storage.tables import user as users
from kubedash.storage.values import from_micros, moment_of, to_micros, to_micros_or_null

_TOKENS: Final = select(tokens, users.c.name.label("user")).join(users, users.c.id == tokens.c.user_id)
_WHOSE: Final = [
    column.label(f"user_{column.name}") for column in users.c if column.name not in ("id", "password_hash")
]
_TOKEN_AND_USER: Final = _TOKENS.add_columns(*_WHOSE).where(tokens.c.digest == bindparam("digest"))
_SESSION: Final = select(sessions.c.data).where(
    sessions.c.key_digest == bindparam("key"), sessions.c.expires_at > bindparam("now")
)


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A user and what their password is checked against."""

    user: User
    password_hash: str


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be kept; `digest` is the SHA-256 of its secret."""

    name: str
    role: Role
    digest: bytes
    created_at: datetime
    expires_at: datetime | None


class FoundToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token, its user, and the hash it was found by."""

    token: Token
    user: User
    digest: bytes


async def count(session: ReadSession) -> int:
    return int(await session.scalar(select(func.count()).select_from(users)))


async def add(session: WriteSession, name: str, role: Role, password_hash: str, at: datetime) -> int:
    """The id of the new user. Raises `Conflict` where the name is taken."""
    values = {"name": name, "role": role.value, "password_hash": password_hash, "created_at": to_micros(at)}
    return int(await session.scalar(insert(users).values(**values).returning(users.c.id)))


async def find(session: ReadSession, name: str) -> User | None:
    return _user(await session.first(select(users).where(users.c.name == name)))


async def by_id(session: ReadSession, user_id: int) -> User | None:
    return _user(await session.first(select(users).where(users.c.id == user_id)))


async def list_all(session: ReadSession) -> tuple[User, ...]:
    """Everybody by name."""
    return tuple(filter(None, map(_user, await session.rows(select(users).order_by(users.c.name)))))


async def credentials(session: ReadSession, name: str) -> Credentials | None:
    row = await session.first(select(users).where(users.c.name == name))
    found = _user(row)
    return Credentials(user=found, password_hash=row.password_hash) if row and found else None


async def set_password(session: WriteSession, user_id: int, password_hash: str) -> None:
    await session.run(change(users).where(users.c.id == user_id).values(password_hash=password_hash))


async def set_role(session: WriteSession, user_id: int, role: Role) -> None:
    await session.run(change(users).where(users.c.id == user_id).values(role=role.value))


async def set_disabled(session: WriteSession, user_id: int, disabled: bool) -> None:
    await session.run(change(users).where(users.c.id == user_id).values(disabled=int(disabled)))


async def seen(session: WriteSession, user_id: int, at: datetime) -> None:
    await session.run(change(users).where(users.c.id == user_id).values(last_seen=to_micros(at)))


async def add_token(session: WriteSession, owner: User, new: NewToken) -> Token:
    """The token as it is kept; its secret is not."""
    values = {
        "user_id": owner.id,
        "name": new.name,
        "role": new.role.value,
        "digest": new.digest,
        "created_at": to_micros(new.created_at),
        "expires_at": to_micros_or_null(new.expires_at),
    }
    made = await session.scalar(insert(tokens).values(**values).returning(tokens.c.id))
    row = await session.first(_TOKENS.where(tokens.c.id == made))
    if row is None:
        raise AssertionError("a row just written is there")
    return _token(row)


async def tokens_of(session: ReadSession, user_id: int) -> tuple[Token, ...]:
    """Newest first."""
    statement = _TOKENS.where(tokens.c.user_id == user_id).order_by(tokens.c.created_at.desc(), tokens.c.id.desc())
    return tuple(map(_token, await session.rows(statement)))


async def token(session: ReadSession, token_id: int) -> Token | None:
    row = await session.first(_TOKENS.where(tokens.c.id == token_id))
    return _token(row) if row is not None else None


async def token_by_digest(session: ReadSession, digest: bytes) -> FoundToken | None:
    """The token of that hash and its user, expired and locked ones as well."""
    row = await session.first(_TOKEN_AND_USER, {"digest": digest})
    if row is None:
        return None
    return FoundToken(token=_token(row), user=_owner(row), digest=bytes(row.digest))


async def token_used(session: WriteSession, token_id: int, at: datetime) -> None:
    await session.run(change(tokens).where(tokens.c.id == token_id).values(last_used=to_micros(at)))


async def remove_token(session: WriteSession, token_id: int) -> None:
    await session.run(delete(tokens).where(tokens.c.id == token_id))


async def session_data(session: ReadSession, key: str, now: datetime) -> bytes | None:
    """What was kept under a session's key; None once it has expired."""
    data = await session.scalar(_SESSION, {"key": _key_digest(key), "now": to_micros(now)})
    return None if data is None else bytes(data)


async def save_session(
    session: WriteSession, key: str, data: bytes, expires_at: datetime, user_id: int | None = None
) -> None:
    """Keeps or replaces it; `user_id` says whose it is, so that all of theirs can be ended."""
    row = {"key_digest": _key_digest(key), "user_id": user_id, "data": data, "expires_at": to_micros(expires_at)}
    statement = upsert(session.dialect, sessions, ("key_digest",), ("user_id", "data", "expires_at"))
    await session.many(statement, [row])


async def update_session(session: WriteSession, key: str, data: bytes, expires_at: datetime) -> bool:
    """Replaces what is kept under the key; False where the session has ended meanwhile, and stays so."""
    statement = change(sessions).where(sessions.c.key_digest == _key_digest(key))
    return await session.run(statement.values(data=data, expires_at=to_micros(expires_at))) > 0


async def end_session(session: WriteSession, key: str) -> None:
    await session.run(delete(sessions).where(sessions.c.key_digest == _key_digest(key)))


async def end_sessions(session: WriteSession, user_id: int | None = None, but: str | None = None) -> None:
    """All sessions of a user, or of everybody, except the one whose key is `but`."""
    statement = delete(sessions)
    if user_id is not None:
        statement = statement.where(sessions.c.user_id == user_id)
    if but is not None:
        statement = statement.where(sessions.c.key_digest != _key_digest(but))
    await session.run(statement)


async def forget_expired(session: WriteSession, now: datetime) -> None:
    """Drops sessions and failures that mean nothing any more."""
    await session.run(delete(sessions).where(sessions.c.expires_at <= to_micros(now)))
    quiet = to_micros(now - FORGOTTEN_AFTER)
    await session.run(delete(sign_in_failure).where(sign_in_failure.c.last_at < quiet))


async def failures(session: ReadSession, key: str) -> tuple[int, datetime | None]:
    """Failed sign-ins in a row under `name:…` or `address:…`, and when the last one was."""
    row = await session.first(select(sign_in_failure).where(sign_in_failure.c.key == key))
    return (row.failures, moment_of(row.last_at)) if row is not None else (0, None)


async def count_failure(session: WriteSession, key: str, at: datetime) -> None:
    """One more; after a quiet while the count begins anew."""
    insert_here = postgresql.insert if session.dialect == "postgresql" else sqlite.insert
    statement = insert_here(sign_in_failure).values(key=key, failures=1, last_at=to_micros(at))
    quiet = sign_in_failure.c.last_at < to_micros(at - FORGOTTEN_AFTER)
    more = case((quiet, 1), else_=sign_in_failure.c.failures + 1)
    changed = {"failures": more, "last_at": statement.excluded.last_at}
    await session.run(statement.on_conflict_do_update(index_elements=["key"], set_=changed))


async def forgive_failure(session: WriteSession, key: str) -> None:
    """One fewer: an attempt that was counted beforehand turned out well."""
    fewer = change(sign_in_failure).where(sign_in_failure.c.key == key, sign_in_failure.c.failures > 0)
    await session.run(fewer.values(failures=sign_in_failure.c.failures - 1))


async def forget_failures(session: WriteSession, key: str) -> None:
    await session.run(delete(sign_in_failure).where(sign_in_failure.c.key == key))


def _key_digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _user(row: Row[Any] | None) -> User | None:
    if row is None:
        return None
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=moment_of(row.created_at),
        last_seen=from_micros(row.last_seen),
        disabled=bool(row.disabled),
    )


def _owner(row: Row[Any]) -> User:
    return User(
        id=row.user_id,
        name=row.user_name,
        role=Role(row.user_role),
        created_at=moment_of(row.user_created_at),
        last_seen=from_micros(row.user_last_seen),
        disabled=bool(row.user_disabled),
    )


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        user=row.user,
        name=row.name,
        role=Role(row.role),
        created_at=moment_of(row.created_at),
        expires_at=from_micros(row.expires_at),
        last_used=from_micros(row.last_used),
    )
