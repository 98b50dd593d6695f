"""What lists and the search are asked for, and what a search finds."""

from __future__ import annotations

from datetime import datetime

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record


class SearchHit(Record, frozen=True, kw_only=True):
    """One find: `what` is repository, tag, digest, label, …"""

    what: str
    registry: str
    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None
    text: str = ""
    """What matched, to be shown beside the name."""


class RepositoryQuery(Record, frozen=True, kw_only=True):
    """What an image list is asked for."""

    q: str | None = None
    namespace: str | None = None
    """Only below this namespace."""
    kind: str | None = None
    sort: str = "name"
    """`name`, `pushed_at`, `size`, `tag_count`; a leading `-` reverses."""
    limit: int = 100
    cursor: str | None = None


class TagQuery(Record, frozen=True, kw_only=True):
    """What a tag list is asked for."""

    q: str | None = None
    """A part of the name, or a pattern with `*` and `?`."""
    sort: str = "-version"
    """`version`, `name`, `created`, `size`; a leading `-` reverses."""
    limit: int = 100
    cursor: str | None = None
    folded: bool = False
    """Show the machine tags (`sha256-…`) too, which are folded into their subject otherwise."""


class AuditQuery(Record, frozen=True, kw_only=True):
    """What the audit trail is asked for; everything that is given must hold."""

    actor: str | None = None
    """The very name."""
    action: str | None = None
    """Such as `tag.delete`; `tag.*` for all of a family."""
    target: str | None = None
    """A part of it, or a pattern with `*` and `?`."""
    outcome: str | None = None
    """`done`, `refused`, `failed` …"""
    since: datetime | None = None
    """Not before."""
    until: datetime | None = None
    """Before."""
    limit: int = 100
    cursor: str | None = None
