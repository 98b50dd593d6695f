"""Tags that machines write: attachments of a digest kept under a name made from it.

`sha256-<hex>` is the referrers tag of registries without a referrers API
(distribution-spec, "Referrers Tag Schema"); `.sig`, `.att` and `.sbom` behind it are cosign's.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kubedash.oci.digest import Digest
from kubedash.oci.media_types import INDEX_TYPES
from kubedash.oci.reference import Tag

_OUTSIDE_TAGS: Final = re.compile(r"[^a-zA-Z0-9._-]")
_ATTACHMENT: Final = re.compile(r"(sha256|blake3)-([0-9a-f]{64})(?:\.(sig|att|sbom))?")
_TRUNCATED: Final = re.compile(r"sha(?:384|512)-[0-9a-f]{64}")
_ESTARGZ_TOC: Final = "-esgztoc"
_MAX_ALGORITHM: Final = 32
_MAX_ENCODED: Final = 64


class AttachmentTag(msgspec.Struct, frozen=True, gc=False):
    """What a machine's tag says of itself: whose attachment, and of which sort."""

    subject: Digest
    suffix: str
    """`sig`, `att` or `sbom`; empty for the referrers tag."""


def fallback_tag(digest: Digest) -> Tag:
    """The referrers tag of a subject; a sha512 is cut, so several may share one."""
    text = f"{digest.algorithm[:_MAX_ALGORITHM]}-{digest.encoded[:_MAX_ENCODED]}"
    return Tag(_OUTSIDE_TAGS.sub("-", text))


def parse_attachment_tag(tag: Tag) -> AttachmentTag | None:
    """The subject in a tag's name; None for people's tags and for cut digests."""
    match = _ATTACHMENT.fullmatch(tag)
    if match is None:
        return None
    return AttachmentTag(Digest(f"{match[1]}:{match[2]}"), match[3] or "")


def is_machine_tag(tag: Tag) -> bool:
    """Whether a tag is to be folded into its subject instead of being listed."""
    return _ATTACHMENT.fullmatch(tag) is not None or _TRUNCATED.fullmatch(tag) is not None or tag.endswith(_ESTARGZ_TOC)


def is_folded(tag: Tag, media_type: str | None) -> bool:
    """Whether a tag that leads to content of this type is folded; None: not known, so the name decides.

    A referrers tag leads to an index. Anything else under such a name is somebody's own
    image (distribution-spec, "Referrers Tag Schema").
    """
    if not is_machine_tag(tag):
        return False
    return media_type is None or media_type in INDEX_TYPES or not _is_plain(tag)


def _is_plain(tag: Tag) -> bool:
    """Without a suffix that tells who wrote it."""
    found = parse_attachment_tag(tag)
    return _TRUNCATED.fullmatch(tag) is not None if found is None else not found.suffix
