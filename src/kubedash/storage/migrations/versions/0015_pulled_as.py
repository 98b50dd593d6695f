"""A pull by digest may be one of the tag that was turned into it."""

from __future__ import annotations

from alembic import op

from kubedash.storage.migrations.columns import words

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("event", words("pulled_as", null=True))
