"""Pulls counted by day, when something was last pulled, and since when a registry tells us events."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint

from kubedash.storage.migrations.columns import SERIAL, belongs_to, number, only_where, words

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _columns()
    op.create_table(
        "pull_day",
        belongs_to("repository", "repository_id"),
        words("target"),
        number("day"),
        number("many"),
        PrimaryKeyConstraint("repository_id", "target", "day"),
        Index("ix_pull_day_day", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pull_target",
        belongs_to("repository", "repository_id"),
        words("target"),
        number("first_at"),
        number("last_at"),
        number("many"),
        PrimaryKeyConstraint("repository_id", "target"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_watch",
        Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), primary_key=True),
        number("first_at"),
        number("last_at"),
        number("pulls_since", null=True),
        number("crawled_at", null=True),
    )
    op.create_table(
        "event_instance",
        belongs_to("registry", "registry_id"),
        words("instance"),
        number("last_at"),
        PrimaryKeyConstraint("registry_id", "instance"),
    )
    op.create_table("event_worker", words("name", key=True), words("owner"), number("until"))


def _columns() -> None:
    present = only_where("gone_since IS NULL")
    op.add_column("repository", number("last_pulled", default=0))
    by_pull = ["last_pulled", "name"]
    op.create_index("ix_repository_by_last_pulled", "repository", ["registry_id", *by_pull], **present)
    op.create_index("ix_repository_of_kind_by_last_pulled", "repository", ["registry_id", "kind", *by_pull], **present)
    op.add_column("tag", number("last_pulled", default=0))
    op.create_index("ix_tag_by_last_pulled", "tag", ["repository_id", "machine", "last_pulled", "name"])
