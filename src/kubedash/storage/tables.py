"""The schema on one page. Migrations build it; a test holds the two to each other.

Text is compared byte by byte on both databases (`COLLATE "C"` on PostgreSQL), so that
a page's order, its index and its cursor always agree. Times and "not known" are
explained in `kubedash.storage.values`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
BYTEWISE: Final[TypeEngine[str]] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SERIAL: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows itself only where the type reads INTEGER."""
_PRESENT: Final = text("gone_since IS NULL")
_FAILS: Final = text("failing_since IS NOT NULL")


def _id() -> Column[int]:
    return Column("id", SERIAL, Identity(), primary_key=True)


def _text(name: str, *, null: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, BYTEWISE, nullable=null, server_default=default)


def _number(name: str, *, null: bool = False, default: int | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=null, server_default=None if default is None else text(str(default)))


def _flag(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def _belongs_to(table: str, name: str, *, null: bool = False) -> Column[int]:
    return Column(name, SERIAL, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=null)


registry: Final = Table(
    "registry",
    metadata,
    _id(),
    _text("name"),
    _text("title"),
    _text("url"),
    _text("username", null=True),
    _flag("tls_verify"),
    _text("ca_pem", null=True),
    _text("client_certificate_pem", null=True),
    _text("proxy", null=True),
    _text("pull_host", null=True),
    _text("repositories", default="[]"),  # JSON list
    _text("protected_tags", default="[]"),  # JSON list
    Column("secrets", LargeBinary, nullable=False),  # sealed; empty: there are none
    _flag("declared"),
    _text("status", default="unknown"),
    _text("status_detail", null=True),
    _number("status_since", null=True),
    _number("last_synced", null=True),
    _number("repository_count", null=True),
    _number("tag_count", null=True),
    _number("size", null=True),
    UniqueConstraint("name"),
)

repository: Final = Table(
    "repository",
    metadata,
    _id(),
    _belongs_to("registry", "registry_id"),
    _text("name"),
    _text("kind", null=True),
    _number("tag_count", default=-1),
    _text("newest_tag", null=True),
    _number("size", default=-1),
    _number("pushed_at", default=0),
    _number("last_pulled", default=0),
    _number("first_synced", null=True),
    _number("last_synced", null=True),
    _number("gone_since", null=True),
    _number("failing_since", null=True),
    _text("sync_error", null=True),
    _text("lease_owner", null=True),
    _number("lease_until", null=True),
    UniqueConstraint("registry_id", "name"),
)
REPOSITORY_SORTS: Final = ("name", "pushed_at", "last_pulled", "size", "tag_count")
for _sort in REPOSITORY_SORTS:
    _rest = () if _sort == "name" else ("name",)
    Index(
        f"ix_repository_by_{_sort}",
        *(repository.c[name] for name in ("registry_id", _sort, *_rest)),
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
    Index(
        f"ix_repository_of_kind_by_{_sort}",
        *(repository.c[name] for name in ("registry_id", "kind", _sort, *_rest)),
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    )
Index("ix_repository_newest", repository.c.pushed_at, sqlite_where=_PRESENT, postgresql_where=_PRESENT)
Index("ix_repository_failing", repository.c.failing_since, sqlite_where=_FAILS, postgresql_where=_FAILS)

namespace: Final = Table(
    "namespace",
    metadata,
    _belongs_to("registry", "registry_id"),
    _text("path"),
    _text("parent"),  # empty at the top
    _number("repository_count"),
    PrimaryKeyConstraint("registry_id", "path"),
    Index("ix_namespace_parent", "registry_id", "parent", "path"),
)

tag: Final = Table(
    "tag",
    metadata,
    _id(),
    _belongs_to("repository", "repository_id"),
    _text("name"),
    _text("version_key"),
    _flag("machine"),  # written by tools, such as sha256-….sig: folded into its subject
    _text("subject", null=True),  # of a tag of cosign's: the digest that it speaks of
    _text("digest"),
    _text("kind", null=True),
    _number("created", default=0),
    _number("size", default=-1),
    _number("last_pulled", default=0),
    _number("seen_at"),
    UniqueConstraint("repository_id", "machine", "name"),
)
TAG_SORTS: Final = ("name", "version_key", "created", "size", "last_pulled")
for _sort in TAG_SORTS[1:]:
    Index(f"ix_tag_by_{_sort}", tag.c.repository_id, tag.c.machine, tag.c[_sort], tag.c.name)
Index("ix_tag_digest", tag.c.repository_id, tag.c.digest, tag.c.machine, tag.c.name)
Index("ix_tag_name", tag.c.name)
Index(
    "ix_tag_subject",
    tag.c.repository_id,
    tag.c.subject,
    sqlite_where=text("subject IS NOT NULL"),
    postgresql_where=text("subject IS NOT NULL"),
)

tag_name: Final = Table("tag_name", metadata, _id(), _text("name"), UniqueConstraint("name"))
"""Every name once, for the search: most tags share theirs with thousands of others."""

tag_history: Final = Table(
    "tag_history",
    metadata,
    _id(),
    _belongs_to("repository", "repository_id"),
    _text("name"),
    _text("digest"),
    _number("since"),
    _number("until", null=True),
    _text("seen_by"),
    _text("actor", null=True),
    _text("ended_by", null=True),
    _text("ended_actor", null=True),
    Index("ix_tag_history_name", "repository_id", "name", "since"),
    Index("ix_tag_history_until", "repository_id", "until"),
)

manifest: Final = Table(
    "manifest",
    metadata,
    _id(),
    _text("digest"),
    _text("media_type"),
    _text("kind"),
    _text("artifact_type", null=True),
    _number("size", default=-1),
    _number("created", default=0),
    _text("platform", null=True),
    Column("raw", LargeBinary, nullable=False),  # zstd
    _text("config_digest", null=True),
    Column("config_raw", LargeBinary, nullable=True),  # zstd
    _text("subject", null=True),
    _text("problem", null=True),
    UniqueConstraint("digest"),
)

repository_manifest: Final = Table(
    "repository_manifest",
    metadata,
    _belongs_to("repository", "repository_id"),
    _belongs_to("manifest", "manifest_id"),
    PrimaryKeyConstraint("repository_id", "manifest_id"),
    Index("ix_repository_manifest_manifest", "manifest_id", "repository_id"),
)

missing_manifest: Final = Table(
    "missing_manifest",
    metadata,
    _belongs_to("repository", "repository_id"),
    _text("digest"),
    _number("since"),
    PrimaryKeyConstraint("repository_id", "digest"),
)
"""What an index of the repository names and the registry no longer has."""

manifest_child: Final = Table(
    "manifest_child",
    metadata,
    _belongs_to("manifest", "manifest_id"),
    _number("position"),
    _text("digest"),
    _text("media_type", null=True),
    _number("size", default=-1),
    _text("platform", null=True),
    _text("attests", null=True),
    _text("artifact_type", null=True),
    PrimaryKeyConstraint("manifest_id", "position"),
    Index("ix_manifest_child_digest", "digest", "manifest_id"),
)

blob: Final = Table(
    "blob",
    metadata,
    _id(),
    _text("digest"),
    _number("size", default=-1),
    _text("media_type", null=True),
    UniqueConstraint("digest"),
)

manifest_blob: Final = Table(
    "manifest_blob",
    metadata,
    _belongs_to("manifest", "manifest_id"),
    _number("position"),
    _belongs_to("blob", "blob_id"),
    PrimaryKeyConstraint("manifest_id", "position"),
    Index("ix_manifest_blob_blob", "blob_id", "manifest_id"),
)

label_text: Final = Table("label_text", metadata, _id(), _text("value"), UniqueConstraint("value"))
"""Every label value once, cut to what a search looks at."""

label: Final = Table(
    "label",
    metadata,
    _belongs_to("manifest", "manifest_id"),
    _number("position"),
    _text("key"),
    _text("value"),
    _belongs_to("label_text", "text_id"),
    _text("source"),
    _text("meaning", null=True),
    _text("family", null=True),
    _flag("shadowed"),
    PrimaryKeyConstraint("manifest_id", "position"),
    Index("ix_label_text", "text_id", "manifest_id"),
)

referrer: Final = Table(
    "referrer",
    metadata,
    _belongs_to("repository", "repository_id"),
    _text("subject"),
    _text("attached_by"),
    _text("digest"),
    _text("kind"),
    _text("artifact_type", null=True),
    _number("size", default=-1),
    _number("created", default=0),
    PrimaryKeyConstraint("repository_id", "subject", "attached_by", "digest"),
)

user: Final = Table(
    "user_account",
    metadata,
    _id(),
    _text("name"),
    _text("role"),
    _text("password_hash"),
    _number("created_at"),
    _number("last_seen", null=True),
    _flag("disabled"),
    UniqueConstraint("name"),
)

token: Final = Table(
    "token",
    metadata,
    _id(),
    _belongs_to("user_account", "user_id"),
    _text("name"),
    _text("role"),
    Column("digest", LargeBinary, nullable=False),
    _number("created_at"),
    _number("expires_at", null=True),
    _number("last_used", null=True),
    UniqueConstraint("digest"),
    Index("ix_token_user", "user_id"),
)

session: Final = Table(
    "session",
    metadata,
    Column("key_digest", LargeBinary, primary_key=True),
    _belongs_to("user_account", "user_id", null=True),
    Column("data", LargeBinary, nullable=False),
    _number("expires_at"),
    Index("ix_session_user", "user_id"),
    Index("ix_session_expires", "expires_at"),
)

sign_in_failure: Final = Table(
    "sign_in_failure",
    metadata,
    Column("key", BYTEWISE, primary_key=True),  # name:… or address:…
    _number("failures"),
    _number("last_at"),
)

audit: Final = Table(
    "audit",
    metadata,
    _id(),
    _number("at"),
    _text("actor"),
    _text("via"),
    _text("address", null=True),
    _text("action"),
    _text("target"),
    _text("outcome"),
    _text("detail", default="{}"),  # JSON object
    Index("ix_audit_at", "at", "id"),
    Index("ix_audit_actor", "actor", "at", "id"),
    Index("ix_audit_action", "action", "at", "id"),
)
