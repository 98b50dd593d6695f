"""What has been told already, by source and id, whatever time came with it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Index, PrimaryKeyConstraint

from kubedash.storage.migrations.columns import number, words

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.drop_table("event_untimed")
    op.create_table(
        "event_key",
        number("source_id"),
        words("event_id"),
        number("received_at"),
        PrimaryKeyConstraint("source_id", "event_id"),
        Index("ix_event_key_received", "received_at"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO event_key (source_id, event_id, received_at) "
        "SELECT source_id, event_id, min(received_at) FROM event GROUP BY source_id, event_id"
    )
