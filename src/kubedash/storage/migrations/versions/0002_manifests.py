"""Manifests by digest and what was read out of them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint

from kubedash.storage.migrations.columns import belongs_to, flag, identifier, number, words

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _manifest()
    _repository_manifest()
    _missing_manifest()
    _manifest_child()
    _blob()
    _manifest_blob()
    _label_text()
    _label()
    _referrer()


def _manifest() -> None:
    op.create_table(
        "manifest",
        identifier(),
        words("digest"),
        words("media_type"),
        words("kind"),
        words("artifact_type", null=True),
        number("size", default=-1),
        number("created", default=0),
        words("platform", null=True),
        Column("raw", LargeBinary, nullable=False),
        words("config_digest", null=True),
        Column("config_raw", LargeBinary, nullable=True),
        words("subject", null=True),
        words("problem", null=True),
        UniqueConstraint("digest"),
    )


def _repository_manifest() -> None:
    op.create_table(
        "repository_manifest",
        belongs_to("repository", "repository_id"),
        belongs_to("manifest", "manifest_id"),
        PrimaryKeyConstraint("repository_id", "manifest_id"),
        Index("ix_repository_manifest_manifest", "manifest_id", "repository_id"),
    )


def _missing_manifest() -> None:
    op.create_table(
        "missing_manifest",
        belongs_to("repository", "repository_id"),
        words("digest"),
        number("since"),
        PrimaryKeyConstraint("repository_id", "digest"),
    )


def _manifest_child() -> None:
    op.create_table(
        "manifest_child",
        belongs_to("manifest", "manifest_id"),
        number("position"),
        words("digest"),
        words("media_type", null=True),
        number("size", default=-1),
        words("platform", null=True),
        words("attests", null=True),
        words("artifact_type", null=True),
        PrimaryKeyConstraint("manifest_id", "position"),
        Index("ix_manifest_child_digest", "digest", "manifest_id"),
    )


def _blob() -> None:
    op.create_table(
        "blob",
        identifier(),
        words("digest"),
        number("size", default=-1),
        words("media_type", null=True),
        UniqueConstraint("digest"),
    )


def _manifest_blob() -> None:
    op.create_table(
        "manifest_blob",
        belongs_to("manifest", "manifest_id"),
        number("position"),
        belongs_to("blob", "blob_id"),
        PrimaryKeyConstraint("manifest_id", "position"),
        Index("ix_manifest_blob_blob", "blob_id", "manifest_id"),
    )


def _label_text() -> None:
    op.create_table(
        "label_text",
        identifier(),
        words("value"),
        UniqueConstraint("value"),
    )


def _label() -> None:
    op.create_table(
        "label",
        belongs_to("manifest", "manifest_id"),
        number("position"),
        words("key"),
        words("value"),
        belongs_to("label_text", "text_id"),
        words("source"),
        words("meaning", null=True),
        words("family", null=True),
        flag("shadowed"),
        PrimaryKeyConstraint("manifest_id", "position"),
        Index("ix_label_text", "text_id", "manifest_id"),
    )


def _referrer() -> None:
    op.create_table(
        "referrer",
        belongs_to("repository", "repository_id"),
        words("subject"),
        words("attached_by"),
        words("digest"),
        words("kind"),
        words("artifact_type", null=True),
        number("size", default=-1),
        number("created", default=0),
        PrimaryKeyConstraint("repository_id", "subject", "attached_by", "digest"),
    )
