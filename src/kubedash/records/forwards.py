"""Events that are passed on to others."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.records.base import Record


class ForwardKind(StrEnum):
    """How an event is written for the one who gets it."""

    WEBHOOK = "webhook"
    """JSON, signed."""
    SLACK = "slack"
    """A sentence, as Slack and what imitates it (Mattermost, Rocket.Chat) take it."""


class ForwardSettings(Record, frozen=True, kw_only=True):
    """Which events go where. `url` and `secret` are write-only."""

    name: str
    kind: ForwardKind = ForwardKind.WEBHOOK
    url: str
    secret: str | None = None
    """Signs webhooks; made where none is given."""
    registry: str | None = None
    """None: every registry, and events that belong to none."""
    actions: tuple[str, ...] = ("push", "delete")
    pattern: str = ""
    """Of repositories, with `*` and `?`; empty: all."""

    def __repr__(self) -> str:
        return f"ForwardSettings(name={self.name!r}, …)"


class Forward(Record, frozen=True, kw_only=True):
    """One of them, and how it does."""

    id: int
    name: str
    kind: ForwardKind
    host: str
    """Of the address; the rest of it may be a secret."""
    registry: str | None
    actions: tuple[str, ...]
    pattern: str
    enabled: bool
    created_at: datetime
    waiting: int
    """Events that are to be sent."""
    sent: int
    dropped: int
    """Given up: refused for good, too old, or too many."""
    last_sent_at: datetime | None
    failures: int
    """In a row; 0: the last one went well."""
    next_at: datetime | None
    """When the next try is due, after a failure."""
    problem: str | None
    """Why the last try failed."""


class CreatedForward(Record, frozen=True, kw_only=True):
    """A new one, with its signing secret, this once."""

    forward: Forward
    secret: str | None
