"""What differs between two images."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.records.base import Record


class Change(StrEnum):
    """Seen from the first image, the `before`, to the second, the `after`."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"


class ValueChange(Record, frozen=True, kw_only=True):
    """A setting, variable or label that the two do not have in common."""

    name: str
    change: Change
    before: str | None
    """None: it is not set there. Lists are told as JSON."""
    after: str | None
    masked: bool = False
    """A part of a value is hidden because it looks secret; that it differs is not hidden."""


class LayerChange(Record, frozen=True, kw_only=True):
    """A layer of either, in the order of the `after`; `same` is one that both have."""

    digest: Digest
    change: Change
    size: int | None
    media_type: str | None
    created_by: str | None
    title: str | None = None
    """The file name, in artifacts that carry files."""


class LayerSums(Record, frozen=True, kw_only=True):
    """Distinct layers and their compressed bytes; None where a size is not known."""

    shared: int
    shared_size: int | None
    added: int
    added_size: int | None
    """What a machine that has the `before` fetches for the `after`."""
    removed: int
    removed_size: int | None


class PlatformComparison(Record, frozen=True, kw_only=True):
    """One platform of either; of two plain images the only one."""

    platform: str | None
    change: Change
    before: Digest | None
    """The manifest there; None where the `before` has no such platform."""
    after: Digest | None
    before_size: int | None
    after_size: int | None
    config: tuple[ValueChange, ...] = ()
    env: tuple[ValueChange, ...] = ()
    labels: tuple[ValueChange, ...] = ()
    layers: tuple[LayerChange, ...] = ()
    """Empty where the manifest is the same, or only one of the two has the platform."""
    sums: LayerSums | None = None
    problem: str | None = None
    """Why not all of it could be compared."""


class ComparedImage(Record, frozen=True, kw_only=True):
    """One of the two, as it was asked for."""

    registry: str
    repository: RepositoryName
    reference: str
    """`repository:tag` or `repository@digest`."""
    name: str
    """The tag, or the digest."""
    digest: Digest
    media_type: str
    kind: str
    artifact_type: str | None
    created: datetime | None
    size: int | None
    platforms: tuple[str, ...]


class Comparison(Record, frozen=True, kw_only=True):
    """Two images, or two indexes platform by platform. What they have in common is left out, but for layers."""

    before: ComparedImage
    after: ComparedImage
    same: bool
    """Both are the very same manifest."""
    platforms: tuple[PlatformComparison, ...]
    left_out: int = 0
    """Platforms that were not looked into because there are too many."""
