"""What events say of a repository, before the registry is asked whether it is so. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.notifications import Action
from kubedash.oci.reference import RepositoryName, Tag

BLOB: Final = "application/octet-stream"
_CREATED: Final = "create"
_MOVED: Final = "rename"


class Told(msgspec.Struct, frozen=True, gc=False):
    """What an event says of a tag. Neither: it was pushed, and the event does not say what."""

    digest: Digest | None = None
    gone: bool = False
    actor: str | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """The part of an event that the index cares for."""

    registry_id: int
    action: str
    repository: str
    tag: str | None
    digest: str | None
    media_type: str | None
    actor: str | None = None


class Touched(msgspec.Struct):
    """All that a batch of events says of one repository."""

    tags: dict[Tag, Told] = {}
    pushed: set[Digest] = set()
    """Without a tag: parts of an index, attachments."""
    deleted: dict[Digest, str | None] = {}
    """With who did it, as far as the registry knows."""
    whole: bool = False
    """Something happened that only a crawl can find out."""
    hint: Tag | Digest | None = None
    """Something that was pulled: shows that the repository exists."""

    @property
    def changes(self) -> bool:
        return bool(self.tags or self.pushed or self.deleted or self.whole)


Repositories = dict[tuple[int, RepositoryName], Touched]


def touched_by(reports: Iterable[Report]) -> Repositories:
    """The reports in their order, the last word on a tag counting, by repository.

    Events whose names do not follow the grammar can be about nothing that is in an index.
    """
    found: Repositories = {}
    for report in reports:
        try:
            name = RepositoryName.parse(report.repository)
            tag = Tag.parse(report.tag) if report.tag else None
        except InvalidInput:
            continue
        _add(found.setdefault((report.registry_id, name), Touched()), report, tag, Digest.try_parse(report.digest))
    return found


def _add(touched: Touched, report: Report, tag: Tag | None, digest: Digest | None) -> None:
    if report.action == Action.PUSH:
        _add_push(touched, report, tag, digest)
    elif report.action == Action.DELETE:
        _add_deletion(touched, report, tag, digest)
    elif report.action == Action.PULL and report.media_type != BLOB:
        touched.hint = tag or digest or touched.hint
    elif report.action in (_CREATED, _MOVED):
        touched.whole = True


def _add_push(touched: Touched, report: Report, tag: Tag | None, digest: Digest | None) -> None:
    if report.media_type == BLOB:
        return
    if tag is not None:
        touched.tags[tag] = Told(digest, actor=report.actor)
        if digest is not None:
            touched.deleted.pop(digest, None)
    elif digest is not None:
        touched.pushed.add(digest)
        touched.deleted.pop(digest, None)
    else:
        touched.whole = True


def _add_deletion(touched: Touched, report: Report, tag: Tag | None, digest: Digest | None) -> None:
    if tag is not None:
        touched.tags[tag] = Told(gone=True, actor=report.actor)
    if digest is not None:
        touched.deleted[digest] = report.actor
        touched.pushed.discard(digest)
    if tag is None and digest is None:
        touched.whole = True
