"""The schema of registry events, apart from `kubedash.storage.tables` for its length alone.

On PostgreSQL `event` is partitioned by week of `occurred_at`, so that old weeks go in
one step; see `kubedash.storage.event_retention`. A partitioned table cannot be unique by
the event's id alone, so `event_key` is.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from kubedash.storage.tables import BYTEWISE, SERIAL, metadata


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, BYTEWISE, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _small(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False)


event_source: Final = Table(
    "event_source",
    metadata,
    Column("id", SERIAL, Identity(), primary_key=True),
    Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="SET NULL"), nullable=True),
    _text("name"),  # of a registry that has gone; empty without a registry: unattributed
    UniqueConstraint("registry_id"),
)
"""Who told an event. It outlives its registry, as the events do."""

event: Final = Table(
    "event",
    metadata,
    Column("id", SERIAL, Identity(), primary_key=True),
    _number("occurred_at"),
    _number("claimed_at", null=True),  # the registry's time where it cannot be believed
    _number("received_at"),
    _number("source_id"),
    _text("event_id"),
    _text("action"),
    _small("tally"),
    _text("repository", null=True),
    _text("tag", null=True),
    _text("digest", null=True),
    _text("media_type", null=True),
    _number("size", null=True),
    _text("actor", null=True),
    _text("address", null=True),
    _text("user_agent", null=True),
    _text("method", null=True),
    _text("from_repository", null=True),
    _text("host", null=True),
    _text("instance", null=True),
    _text("sender", null=True),
    _text("format"),
    _text("strange", null=True),
    _text("raw", null=True),
    _small("authenticated"),
    _small("own"),
    _small("address_claimed"),
    _small("timed"),
    _text("pulled_as", null=True),  # the tag of a pull by digest that a HEAD turned into one before
    UniqueConstraint("source_id", "occurred_at", "event_id"),
    sqlite_autoincrement=True,  # a number never comes twice: viewers go on behind the last they saw
)
INDEXED: Final[tuple[tuple[str, ...], ...]] = (
    ("occurred_at",),
    ("digest", "occurred_at"),
    ("repository", "tag", "occurred_at"),
    ("repository", "occurred_at"),
    ("address", "occurred_at"),
    ("actor", "occurred_at"),
    ("action", "occurred_at"),
)
"""Each goes on with the id."""
for _columns in INDEXED:
    _partial = None if _columns[0] in ("occurred_at", "action") else text(f"{_columns[-2]} IS NOT NULL")
    Index(
        f"ix_event_by_{'_'.join(_columns[:-1]) or 'time'}",
        *(event.c[name] for name in (*_columns, "id")),
        sqlite_where=_partial,
        postgresql_where=_partial,
    )

QUIET: Final = "own = 0 OR action <> 'pull'"
"""What KubeDash itself only read is left out of most timelines: a crawl would fill them."""
Index(
    "ix_event_by_quiet",
    event.c.occurred_at,
    event.c.id,
    sqlite_where=text(QUIET),
    postgresql_where=text(QUIET),
)

event_key: Final = Table(
    "event_key",
    metadata,
    _number("source_id"),
    _text("event_id"),
    _number("received_at"),
    PrimaryKeyConstraint("source_id", "event_id"),
    Index("ix_event_key_received", "received_at"),
    sqlite_with_rowid=False,
)
"""What has been told already; kept for weeks, not for as long as the events."""

event_rollup: Final = Table(
    "event_rollup",
    metadata,
    _small("dimension"),
    _text("name"),
    _number("source_id"),  # 0: all of them
    _number("span"),
    _number("start"),  # seconds since 1970
    _small("tally"),
    _number("many"),
    PrimaryKeyConstraint("dimension", "name", "source_id", "span", "start", "tally"),
    Index("ix_event_rollup_top", "dimension", "span", "tally", "start", "source_id", "name", "many"),
    sqlite_with_rowid=False,
)
"""Counted once, kept when the events have gone."""

event_cursor: Final = Table(
    "event_cursor",
    metadata,
    Column("name", BYTEWISE, primary_key=True),
    _number("position"),
    _number("moved_at"),
)
"""How far each of those who work events off has come, by event id."""

event_secret: Final = Table(
    "event_secret",
    metadata,
    Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    _number("created_at"),
    UniqueConstraint("digest"),
)
