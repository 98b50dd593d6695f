"""The schema of what is passed on: who wants which events, and what waits to be sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from kubedash.storage.tables import BYTEWISE, SERIAL, metadata


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, BYTEWISE, nullable=null)


forward: Final = Table(
    "forward",
    metadata,
    Column("id", SERIAL, Identity(), primary_key=True),
    _text("name"),
    _text("kind"),
    _text("host"),  # of the address, which is a secret itself
    Column("sealed", LargeBinary, nullable=False),  # address and signing secret
    Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), nullable=True),  # null: all
    _text("actions"),  # JSON list
    _text("pattern"),  # empty: every repository
    Column("enabled", SmallInteger, nullable=False),
    _number("created_at"),
    _number("after_event"),  # events up to this one are older than the wish
    _number("sent"),
    _number("dropped"),
    _number("last_sent_at", null=True),
    _number("failures"),  # in a row
    _number("next_at"),
    _text("problem", null=True),
    UniqueConstraint("name"),
)

forward_delivery: Final = Table(
    "forward_delivery",
    metadata,
    Column("id", SERIAL, Identity(), primary_key=True),
    Column("forward_id", SERIAL, ForeignKey("forward.id", ondelete="CASCADE"), nullable=False),
    _number("event_id"),
    Column("body", Text, nullable=False),  # the event as JSON
    _number("created_at"),
    _number("tries"),
    UniqueConstraint("forward_id", "event_id"),
    Index("ix_forward_delivery_order", "forward_id", "id"),
)
