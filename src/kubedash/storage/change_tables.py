"""Tables of changes: what a registry can do, whose turn it is, and what was not finished."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, Table, Text

from kubedash.storage.tables import BYTEWISE, SERIAL, metadata

registry_capability: Final = Table(
    "registry_capability",
    metadata,
    Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), primary_key=True),
    Column("delete_ability", BYTEWISE, nullable=False),
    Column("tag_delete", SmallInteger, nullable=True),  # null: not known
    Column("product", BYTEWISE, nullable=True),
    Column("distribution_like", SmallInteger, nullable=False),
    Column("detail", Text, nullable=True),
    Column("probed_at", BigInteger, nullable=False),
)
"""What was found out by trying; forgotten when the registry's address or login changes."""

change_turn: Final = Table(
    "change_turn",
    metadata,
    Column("repository_id", SERIAL, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", BYTEWISE, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""Changes of one repository take turns, over all processes."""

unfinished_change: Final = Table(
    "unfinished_change",
    metadata,
    Column("id", BYTEWISE, primary_key=True),
    Column("repository_id", SERIAL, ForeignKey("repository.id", ondelete="CASCADE"), nullable=False),
    Column("tag", BYTEWISE, nullable=False),
    Column("digest", BYTEWISE, nullable=False),  # what the tag pointed to, and shall again
    Column("placeholder", BYTEWISE, nullable=False),  # empty: it is deleted in one step
    Column("actor", BYTEWISE, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("busy_until", BigInteger, nullable=False),  # somebody is still at it
    Column("problem", Text, nullable=True),
    Index("ix_unfinished_change_busy", "busy_until"),
    Index("ix_unfinished_change_repository", "repository_id"),
)
"""Deletions that began, and nobody knows yet how they ended."""
