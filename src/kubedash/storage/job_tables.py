"""The tables of durable work that people asked for; crawls are the engine's own affair."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, PrimaryKeyConstraint, SmallInteger, Table, Text, text

from kubedash.storage.tables import BYTEWISE, metadata

_OPEN: Final = text("finished_at IS NULL")

job: Final = Table(
    "job",
    metadata,
    Column("id", BYTEWISE, primary_key=True),
    Column("kind", BYTEWISE, nullable=False),
    Column("key", BYTEWISE, nullable=False),  # of two open jobs with the same one the second is refused
    Column("registry", BYTEWISE, nullable=False),
    Column("repository", BYTEWISE, nullable=True),
    Column("actor", Text, nullable=False),  # JSON: in whose name it works
    Column("spec", Text, nullable=False),  # JSON: what was asked for
    Column("state", BYTEWISE, nullable=False),
    Column("run", BigInteger, nullable=False),  # how often it was set to work
    Column("inline", SmallInteger, nullable=False),  # ends with the process that took it on
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),  # -1: not known yet
    Column("unit", BYTEWISE, nullable=True),
    Column("doing", BYTEWISE, nullable=True),
    Column("error", BYTEWISE, nullable=True),
    Column("result", Text, nullable=True),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # when it last said how far it is
    Column("finished_at", BigInteger, nullable=True),
)
Index("ix_job_open_key", job.c.key, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("ix_job_created", job.c.created_at)
Index("ix_job_finished", job.c.finished_at)

job_item: Final = Table(
    "job_item",
    metadata,
    Column("job_id", BYTEWISE, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("name", BYTEWISE, nullable=False),
    Column("digest", BYTEWISE, nullable=True),
    Column("size", BigInteger, nullable=False),  # -1: not known
    Column("state", BYTEWISE, nullable=False),
    Column("spec", Text, nullable=True),  # JSON: what the job keeps of it
    Column("detail", BYTEWISE, nullable=True),  # how it ended, for people
    PrimaryKeyConstraint("job_id", "position"),
    Index("ix_job_item_state", "job_id", "state", "position"),
)
