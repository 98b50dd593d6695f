"""People, their tokens and sessions, and the audit trail."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint

from kubedash.storage.migrations.columns import belongs_to, flag, identifier, number, words

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _user()
    _token()
    _session()
    _sign_in_failure()
    _audit()


def _user() -> None:
    op.create_table(
        "user_account",
        identifier(),
        words("name"),
        words("role"),
        words("password_hash"),
        number("created_at"),
        number("last_seen", null=True),
        flag("disabled"),
        UniqueConstraint("name"),
    )


def _token() -> None:
    op.create_table(
        "token",
        identifier(),
        belongs_to("user_account", "user_id"),
        words("name"),
        words("role"),
        Column("digest", LargeBinary, nullable=False),
        number("created_at"),
        number("expires_at", null=True),
        number("last_used", null=True),
        UniqueConstraint("digest"),
        Index("ix_token_user", "user_id"),
    )


def _session() -> None:
    op.create_table(
        "session",
        Column("key_digest", LargeBinary, primary_key=True),
        belongs_to("user_account", "user_id", null=True),
        Column("data", LargeBinary, nullable=False),
        number("expires_at"),
        Index("ix_session_user", "user_id"),
        Index("ix_session_expires", "expires_at"),
    )


def _sign_in_failure() -> None:
    op.create_table(
        "sign_in_failure",
        words("key", key=True),
        number("failures"),
        number("last_at"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        identifier(),
        number("at"),
        words("actor"),
        words("via"),
        words("address", null=True),
        words("action"),
        words("target"),
        words("outcome"),
        words("detail", default="{}"),
    )
