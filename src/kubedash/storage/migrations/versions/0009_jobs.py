"""Durable work that people ask for, and the pieces it consists of."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, SmallInteger, Text

from kubedash.storage.migrations.columns import BYTEWISE, number, only_where, words

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "job",
        words("id", key=True),
        words("kind"),
        words("key"),
        words("registry"),
        words("repository", null=True),
        Column("actor", Text, nullable=False),
        Column("spec", Text, nullable=False),
        words("state"),
        number("run"),
        Column("inline", SmallInteger, nullable=False),
        number("done"),
        number("total"),
        words("unit", null=True),
        words("doing", null=True),
        words("error", null=True),
        Column("result", Text, nullable=True),
        number("created_at"),
        number("seen_at"),
        number("finished_at", null=True),
    )
    op.create_index("ix_job_open_key", "job", ["key"], unique=True, **only_where("finished_at IS NULL"))
    op.create_index("ix_job_created", "job", ["created_at"])
    op.create_index("ix_job_finished", "job", ["finished_at"])
    op.create_table(
        "job_item",
        Column("job_id", BYTEWISE, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        number("position"),
        words("name"),
        words("digest", null=True),
        number("size"),
        words("state"),
        Column("spec", Text, nullable=True),
        words("detail", null=True),
        PrimaryKeyConstraint("job_id", "position"),
    )
    op.create_index("ix_job_item_state", "job_item", ["job_id", "state", "position"])
