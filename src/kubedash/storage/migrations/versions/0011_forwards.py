"""Events that are passed on to others, and what waits to be sent."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, LargeBinary, SmallInteger, Text, UniqueConstraint

from kubedash.storage.migrations.columns import SERIAL, belongs_to, identifier, number, words

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "forward",
        identifier(),
        words("name"),
        words("kind"),
        words("host"),
        Column("sealed", LargeBinary, nullable=False),
        Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), nullable=True),
        words("actions"),
        words("pattern"),
        Column("enabled", SmallInteger, nullable=False),
        *(number(name) for name in ("created_at", "after_event", "sent", "dropped")),
        number("last_sent_at", null=True),
        number("failures"),
        number("next_at"),
        words("problem", null=True),
        UniqueConstraint("name"),
    )
    op.create_table(
        "forward_delivery",
        identifier(),
        belongs_to("forward", "forward_id"),
        number("event_id"),
        Column("body", Text, nullable=False),
        number("created_at"),
        number("tries"),
        UniqueConstraint("forward_id", "event_id"),
        Index("ix_forward_delivery_order", "forward_id", "id"),
    )
