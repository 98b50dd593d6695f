"""An index under the list of tags that are not there any more."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index("ix_tag_history_until", "tag_history", ["repository_id", "until"])
