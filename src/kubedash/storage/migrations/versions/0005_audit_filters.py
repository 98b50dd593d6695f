"""Indexes under the filters of the audit trail."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_audit_at", "audit", ["at", "id"])
    op.create_index("ix_audit_actor", "audit", ["actor", "at", "id"])
    op.create_index("ix_audit_action", "audit", ["action", "at", "id"])
