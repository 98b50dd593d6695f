"""Changes of registries: what they can do, whose turn it is, what was not finished, and who moved a tag."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, Text

from kubedash.storage.migrations.columns import SERIAL, belongs_to, number, words

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("actor", "ended_by", "ended_actor"):
        op.add_column("tag_history", words(name, null=True))
    op.create_table(
        "registry_capability",
        Column("registry_id", SERIAL, ForeignKey("registry.id", ondelete="CASCADE"), primary_key=True),
        words("delete_ability"),
        Column("tag_delete", SmallInteger, nullable=True),
        words("product", null=True),
        Column("distribution_like", SmallInteger, nullable=False),
        Column("detail", Text, nullable=True),
        number("probed_at"),
    )
    op.create_table(
        "change_turn",
        Column("repository_id", SERIAL, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        words("owner"),
        Column("until", BigInteger, nullable=False),
    )
    op.create_table(
        "unfinished_change",
        words("id", key=True),
        belongs_to("repository", "repository_id"),
        words("tag"),
        words("digest"),
        words("placeholder"),
        words("actor"),
        number("begun_at"),
        number("busy_until"),
        Column("problem", Text, nullable=True),
    )
    op.create_index("ix_unfinished_change_busy", "unfinished_change", ["busy_until"])
    op.create_index("ix_unfinished_change_repository", "unfinished_change", ["repository_id"])
