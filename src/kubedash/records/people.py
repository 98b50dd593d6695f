"""Who uses this, and what they did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from kubedash.records.base import Record


class Role(StrEnum):
    """Each may do all that the next may."""

    ADMIN = "admin"
    MAINTAINER = "maintainer"
    VIEWER = "viewer"


class User(Record, frozen=True, kw_only=True):
    id: int
    name: str
    role: Role
    created_at: datetime
    last_seen: datetime | None = None
    disabled: bool = False


class Token(Record, frozen=True, kw_only=True):
    """A personal API token; the secret itself is shown once and kept as a hash."""

    id: int
    user: str
    name: str
    role: Role
    """No more than this, and never more than its user's role."""
    created_at: datetime
    expires_at: datetime | None
    last_used: datetime | None = None


class CreatedUser(Record, frozen=True, kw_only=True):
    """A new user; `password` only where it was generated, and only this once."""

    user: User
    password: str | None

    def __repr__(self) -> str:
        return f"CreatedUser(user={self.user!r}, …)"


class CreatedToken(Record, frozen=True, kw_only=True):
    """A new token; `secret` cannot be read again."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"CreatedToken(token={self.token!r}, …)"


class AuditEntry(Record, frozen=True, kw_only=True):
    id: int
    at: datetime
    actor: str
    via: str
    address: str | None
    action: str
    target: str
    outcome: str
    detail: dict[str, Any] = {}
