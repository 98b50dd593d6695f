"""What a change of a registry would do, what it did, and what a tag pointed to before."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records.base import Record
from kubedash.records.registries import Freshness


class Strategy(StrEnum):
    """How one tag goes without its siblings."""

    NATIVE = "native_tag_delete"
    """The registry deletes a tag by its name."""
    PLACEHOLDER = "placeholder"
    """The tag is moved to a manifest made for the occasion, and that one is deleted by digest."""
    DIGEST = "digest_delete"
    """The manifest is deleted by digest, with every tag of it."""
    HARBOR = "harbor_api"
    """Harbor's own API deletes one tag."""
    REFUSE = "refuse"


class DeleteAbility(StrEnum):
    """Whether a registry deletes manifests by digest, as far as we found out."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DENIED = "denied"
    """It may, but not for this account."""
    UNKNOWN = "unknown"


class Capabilities(Record, frozen=True, kw_only=True):
    """What a registry turned out to be able to do, and when that was tried."""

    delete: DeleteAbility
    tag_delete: bool | None
    """Whether a single tag can be deleted by name; None: not known."""
    product: str | None
    distribution_like: bool = False
    """Answers as the distribution registry does, so that the placeholder route is safe there."""
    detail: str | None = None
    """What it answered where deletion is not enabled."""
    probed_at: datetime


class Orphan(Record, frozen=True, kw_only=True):
    """Something that belongs to what goes, and would stay behind without a use."""

    digest: Digest
    subject: Digest
    kind: str
    tag: Tag | None = None
    """The machine's tag that leads to it (`sha256-….sig`), where it has one."""
    platform: str | None = None
    """Set on an entry of an index that goes."""
    size: int | None = None
    attached_by: str


class ApiCall(Record, frozen=True, kw_only=True):
    """A request that the plan would send to the registry, in order."""

    method: str
    path: str
    why: str


class DeletionPlan(Record, frozen=True, kw_only=True):
    """What deleting would do. Nothing has been done yet."""

    registry: str
    repository: RepositoryName
    tag: Tag | None
    """None where a manifest is to be deleted by its digest."""
    digest: Digest | None
    """What the tag points to now: `expected` of the execution. None where it is not there."""
    media_type: str | None
    kind: str | None
    strategy: Strategy
    removes: tuple[Tag, ...]
    """Tags that go."""
    spares: tuple[Tag, ...]
    """Other tags of the same digest, which stay."""
    orphans: tuple[Orphan, ...] = ()
    """Signatures, SBOMs and entries of an index that would be left without a use."""
    take_orphans: bool = False
    """Whether the orphans are deleted too."""
    parents: tuple[Digest, ...] = ()
    """Indexes of the repository that name this manifest and keep it."""
    warnings: tuple[str, ...] = ()
    refused: str | None = None
    """Why it cannot be done; None where it can."""
    remedy: str | None = None
    """What to change, and where, so that it can be done."""
    calls: tuple[ApiCall, ...] = ()
    undo: str | None = None
    """How to get it back, and until when."""
    bytes_freed: int | None = None
    """Bytes that nothing else of the repository needs: freed by the registry's garbage collection."""
    bytes_note: str | None = None
    """Why they are not free sooner, or what else has to happen for it."""
    capabilities: Capabilities | None = None
    planned_at: datetime


class RetagPlan(Record, frozen=True, kw_only=True):
    """What pointing a tag at a manifest would do: a new tag, a move, or a roll-back."""

    registry: str
    repository: RepositoryName
    tag: Tag
    source: str
    """As it was asked for: a tag or a digest."""
    digest: Digest
    """What the tag will point to."""
    old_digest: Digest | None
    """What it points to now: `expected` of the execution. None: it is new."""
    media_type: str | None
    kind: str | None
    moves: bool
    """The tag is there and points elsewhere: this needs a confirmation."""
    nothing_to_do: bool = False
    """It points there already."""
    missing: tuple[Digest, ...] = ()
    """Parts that the registry no longer has and that are not kept here either."""
    warnings: tuple[str, ...] = ()
    refused: str | None = None
    remedy: str | None = None
    calls: tuple[ApiCall, ...] = ()
    undo: str | None = None
    planned_at: datetime


class ChangeState(StrEnum):
    """How a change ended."""

    DONE = "done"
    UNDONE = "undone"
    """It failed half way, and everything is as it was before."""
    UNDO_PENDING = "undo_pending"
    """It failed half way, and what was there is put back as soon as the registry answers."""
    FAILED = "failed"
    """Nothing was changed."""
    UNKNOWN = "unknown"
    """The registry stopped answering before it showed how it ended; it is asked again until it does."""


class ChangeOutcome(Record, frozen=True, kw_only=True):
    """What a change did, as the registry itself showed afterwards."""

    action: str
    """`tag.delete`, `tag.add`, `tag.move`, `tag.restore`, `manifest.delete`."""
    registry: str
    repository: RepositoryName
    tag: Tag | None
    digest: Digest | None
    """What the tag points to now; None where it is gone."""
    old_digest: Digest | None
    """What it pointed to before."""
    state: ChangeState
    sentence: str
    """What happened, for people."""
    strategy: Strategy | None = None
    removed: tuple[Tag, ...] = ()
    verified: tuple[Tag, ...] = ()
    """Siblings that were asked for afterwards and still resolve to the same digest."""
    repaired: tuple[Tag, ...] = ()
    """Siblings that the registry had dropped, and that were put back."""
    orphans_removed: tuple[Digest, ...] = ()
    orphans_left: tuple[Digest, ...] = ()
    """Those that were to go and could not."""
    put_back: tuple[Digest, ...] = ()
    """Of a restore: signatures, SBOMs and the like that had been deleted along with it."""
    restorable: bool = False
    """Whether `restore` can be offered."""
    detail: str | None = None
    """What the registry answered where something failed."""
    hint: str | None = None
    at: datetime


class TagHistoryEntry(Record, frozen=True, kw_only=True):
    """A stretch of time in which a tag pointed to one digest."""

    digest: Digest
    since: datetime
    until: datetime | None
    """None: it still does."""
    seen_by: str
    """How its beginning was seen: `crawl`, `page`, `event` or `us`."""
    actor: str | None = None
    """Who did it, where that is known."""
    ended_by: str | None = None
    """How its end was seen."""
    ended_actor: str | None = None
    kind: str | None = None
    media_type: str | None = None
    size: int | None = None
    restorable: bool = False
    """Whether its bytes are kept here, so that a roll-back can be tried."""


class DeletedTag(Record, frozen=True, kw_only=True):
    """A tag that was there and is not any more."""

    name: Tag
    last: TagHistoryEntry
    """What it led to last, and how its end was seen."""


class TagHistory(Record, frozen=True, kw_only=True):
    """What a tag pointed to, newest first."""

    registry: str
    repository: RepositoryName
    tag: Tag
    digest: Digest | None
    """What it points to now; None where it is deleted."""
    entries: tuple[TagHistoryEntry, ...]
    freshness: Freshness
