"""Registries, their repositories and tags."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint

from kubedash.storage.migrations.columns import belongs_to, flag, identifier, number, only_where, words

revision = "0001"
down_revision = None


def upgrade() -> None:
    _registry()
    _repository()
    _namespace()
    _tag()
    _tag_name()
    _tag_history()


def _registry() -> None:
    op.create_table(
        "registry",
        identifier(),
        words("name"),
        words("title"),
        words("url"),
        words("username", null=True),
        flag("tls_verify"),
        words("ca_pem", null=True),
        words("client_certificate_pem", null=True),
        words("proxy", null=True),
        words("pull_host", null=True),
        words("repositories", default="[]"),
        words("protected_tags", default="[]"),
        Column("secrets", LargeBinary, nullable=False),
        flag("declared"),
        words("status", default="unknown"),
        words("status_detail", null=True),
        number("status_since", null=True),
        number("last_synced", null=True),
        number("repository_count", null=True),
        number("tag_count", null=True),
        number("size", null=True),
        UniqueConstraint("name"),
    )


def _repository() -> None:
    op.create_table(
        "repository",
        identifier(),
        belongs_to("registry", "registry_id"),
        words("name"),
        words("kind", null=True),
        number("tag_count", default=-1),
        words("newest_tag", null=True),
        number("size", default=-1),
        number("pushed_at", default=0),
        number("first_synced", null=True),
        number("last_synced", null=True),
        number("gone_since", null=True),
        number("failing_since", null=True),
        words("sync_error", null=True),
        words("lease_owner", null=True),
        number("lease_until", null=True),
        UniqueConstraint("registry_id", "name"),
    )
    present = only_where("gone_since IS NULL")
    for sort, columns in {
        "name": ["name"],
        "pushed_at": ["pushed_at", "name"],
        "size": ["size", "name"],
        "tag_count": ["tag_count", "name"],
    }.items():
        op.create_index(f"ix_repository_by_{sort}", "repository", ["registry_id", *columns], **present)
        op.create_index(f"ix_repository_of_kind_by_{sort}", "repository", ["registry_id", "kind", *columns], **present)
    op.create_index("ix_repository_newest", "repository", ["pushed_at"], **present)
    op.create_index("ix_repository_failing", "repository", ["failing_since"], **only_where("failing_since IS NOT NULL"))


def _namespace() -> None:
    op.create_table(
        "namespace",
        belongs_to("registry", "registry_id"),
        words("path"),
        words("parent"),
        number("repository_count"),
        PrimaryKeyConstraint("registry_id", "path"),
        Index("ix_namespace_parent", "registry_id", "parent", "path"),
    )


def _tag() -> None:
    op.create_table(
        "tag",
        identifier(),
        belongs_to("repository", "repository_id"),
        words("name"),
        words("version_key"),
        flag("machine"),
        words("subject", null=True),
        words("digest"),
        words("kind", null=True),
        number("created", default=0),
        number("size", default=-1),
        number("seen_at"),
        UniqueConstraint("repository_id", "machine", "name"),
    )
    for sort in ("version_key", "created", "size"):
        op.create_index(f"ix_tag_by_{sort}", "tag", ["repository_id", "machine", sort, "name"])
    op.create_index("ix_tag_digest", "tag", ["repository_id", "digest", "machine", "name"])
    op.create_index("ix_tag_name", "tag", ["name"])
    op.create_index("ix_tag_subject", "tag", ["repository_id", "subject"], **only_where("subject IS NOT NULL"))


def _tag_name() -> None:
    op.create_table(
        "tag_name",
        identifier(),
        words("name"),
        UniqueConstraint("name"),
    )


def _tag_history() -> None:
    op.create_table(
        "tag_history",
        identifier(),
        belongs_to("repository", "repository_id"),
        words("name"),
        words("digest"),
        number("since"),
        number("until", null=True),
        words("seen_by"),
        Index("ix_tag_history_name", "repository_id", "name", "since"),
    )
