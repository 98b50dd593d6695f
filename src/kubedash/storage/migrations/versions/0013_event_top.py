"""Top lists read the rows of one figure alone."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.drop_index("ix_event_rollup_top", "event_rollup")
    op.create_index(
        "ix_event_rollup_top", "event_rollup", ["dimension", "span", "tally", "start", "source_id", "name", "many"]
    )
