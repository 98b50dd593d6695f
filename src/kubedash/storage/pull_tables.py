"""The schema of what events taught us besides themselves; see `kubedash.storage.event_tables`.

None of it goes when the events go.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from kubedash.storage.tables import BYTEWISE, SERIAL, metadata


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _text(name: str) -> Column[str]:
    return Column(name, BYTEWISE, nullable=False)


def _belongs_to(table: str, name: str) -> Column[int]:
    return Column(name, SERIAL, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)


pull_day: Final = Table(
    "pull_day",
    metadata,
    _belongs_to("repository", "repository_id"),
    _text("target"),  # a tag, a digest, or empty for all of the repository
    _number("day"),  # since 1970, UTC
    _number("many"),
    PrimaryKeyConstraint("repository_id", "target", "day"),
    Index("ix_pull_day_day", "day"),
    sqlite_with_rowid=False,
)

pull_target: Final = Table(
    "pull_target",
    metadata,
    _belongs_to("repository", "repository_id"),
    _text("target"),
    _number("first_at"),
    _number("last_at"),
    _number("many"),
    PrimaryKeyConstraint("repository_id", "target"),
    sqlite_with_rowid=False,
)

event_watch: Final = Table(
    "event_watch",
    metadata,
    Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    _number("first_at"),
    _number("last_at"),
    _number("pulls_since", null=True),  # the first pull that it told of, a HEAD included
    _number("crawled_at", null=True),  # when a gap in its events last asked for a crawl
)
"""Since when a registry tells us events, and which sorts. Times are ours."""

event_instance: Final = Table(
    "event_instance",
    metadata,
    _belongs_to("registry", "registry_id"),
    _text("instance"),
    _number("last_at"),
    PrimaryKeyConstraint("registry_id", "instance"),
)

event_worker: Final = Table(
    "event_worker",
    metadata,
    Column("name", BYTEWISE, primary_key=True),
    _text("owner"),
    _number("until"),
)
"""Which process works events off."""
