"""An index for timelines without what KubeDash itself only read."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0011"
_QUIET = "own = 0 OR action <> 'pull'"


def upgrade() -> None:
    op.create_index(
        "ix_event_by_quiet",
        "event",
        ["occurred_at", "id"],
        sqlite_where=text(_QUIET),
        postgresql_where=text(_QUIET),
    )
