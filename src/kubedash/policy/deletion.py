"""From what is known of a tag or manifest to a plan of its deletion. Pure: nothing is asked, nothing is done.

The promise: what is not named in `removes` (and among the orphans that are taken along)
resolves afterwards as it did before. Where no way keeps it, the plan is a refusal that
says what to change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.deletion_words import (
    INDEX_CHILD,
    calls_of,
    disabled_remedy,
    note_on_bytes,
    undo_of,
    warnings_of,
)
from kubedash.policy.protection import PROTECTION_REMEDY, protection_refusal
from kubedash.records import Capabilities, DeleteAbility, DeletionPlan, Orphan, Record, Strategy

HARBOR: Final = "Harbor"
REFUSE_TAGGED: Final = frozenset({"Docker Hub", "Google Container Registry", "Google Artifact Registry"})
"""A manifest cannot be deleted here while a tag points to it."""
_OTHER_DOORS: Final = {
    "GitHub Container Registry": "Delete the version on the package's page, or by GitHub's packages API.",
    "Docker Hub": "Delete the tag on hub.docker.com, or by Docker Hub's own API.",
    "Amazon ECR": "Delete it with `aws ecr batch-delete-image --image-ids imageTag=…`.",
}


class DeletionFacts(Record, frozen=True, kw_only=True):
    """What is known, and of what it was asked just now."""

    registry: str
    repository: RepositoryName
    tag: Tag | None
    """None: the manifest itself is to go, with all of its tags."""
    digest: Digest
    media_type: str | None
    kind: str | None
    siblings: tuple[Tag, ...]
    """Other tags of the digest; of a manifest, all of its tags."""
    siblings_complete: bool
    """Whether every tag of the repository was asked, so that none can be missing among the siblings."""
    other_tags: bool
    """Whether the repository has tags of other digests."""
    parents: tuple[Digest, ...]
    """Indexes that name the manifest and that the registry still has."""
    orphans: tuple[Orphan, ...] = ()
    """What hangs on the manifest, and entries of an index that nothing else needs."""
    capabilities: Capabilities
    protected_tags: tuple[str, ...]
    bytes_alone: int | None
    """Bytes that nothing else of the registry needs."""
    recoverable: bool = True
    """Whether the manifest's bytes are kept, so that it can be put back."""


class DeletionChoices(Record, frozen=True, kw_only=True):
    """What somebody may choose about a deletion."""

    take_orphans: bool = False
    """Delete signatures, SBOMs and entries of an index that would be left without a use."""
    tag_only: bool = False
    """Never delete a manifest by digest, even where no other tag shares it."""


PLAIN: Final = DeletionChoices()


def plan_deletion(facts: DeletionFacts, choices: DeletionChoices, now: datetime) -> DeletionPlan:
    """What would be done, or why it cannot be."""
    strategy = choose_strategy(facts, choices)
    refused, remedy = _refusal(facts, strategy)
    if refused is not None:
        strategy = Strategy.REFUSE
    by_digest = strategy is Strategy.DIGEST
    orphans = _orphans(facts, by_digest)
    plan = DeletionPlan(
        registry=facts.registry,
        repository=facts.repository,
        tag=facts.tag,
        digest=facts.digest,
        media_type=facts.media_type,
        kind=facts.kind,
        strategy=strategy,
        removes=_removes(facts) if strategy is not Strategy.REFUSE else (),
        spares=_spares(facts, strategy),
        orphans=orphans,
        take_orphans=choices.take_orphans and bool(orphans) and strategy is not Strategy.REFUSE,
        parents=facts.parents,
        refused=refused,
        remedy=remedy,
        bytes_freed=_freed(facts),
        capabilities=facts.capabilities,
        planned_at=now,
    )
    if strategy is Strategy.REFUSE:
        return plan
    return msgspec.structs.replace(
        plan,
        warnings=warnings_of(plan, leaves_empty=not facts.other_tags and not plan.spares, kept=facts.recoverable),
        calls=calls_of(plan),
        undo=undo_of(plan, kept=facts.recoverable),
        bytes_note=note_on_bytes(plan),
    )


def choose_strategy(facts: DeletionFacts, choices: DeletionChoices) -> Strategy:
    """The gentlest way that this registry is known to have."""
    able = facts.capabilities
    if able.delete in (DeleteAbility.DISABLED, DeleteAbility.DENIED):
        return Strategy.REFUSE
    if facts.tag is None:
        return Strategy.DIGEST if able.delete is DeleteAbility.ENABLED else Strategy.REFUSE
    if able.product == HARBOR:
        return Strategy.HARBOR
    if able.tag_delete:
        return Strategy.NATIVE
    if able.delete is not DeleteAbility.ENABLED:
        return Strategy.REFUSE
    alone = facts.siblings_complete and not facts.siblings and not facts.parents
    if alone and not choices.tag_only and able.product not in REFUSE_TAGGED:
        return Strategy.DIGEST
    # Anything between the two steps leaves the placeholder under the tag: only where it can be taken back.
    return Strategy.PLACEHOLDER if able.distribution_like and facts.recoverable else Strategy.REFUSE


def _refusal(facts: DeletionFacts, strategy: Strategy) -> tuple[str | None, str | None]:
    """Why it cannot be done and what to change; nothing where it can."""
    for tag in _removes(facts):
        reason = protection_refusal(tag, facts.protected_tags, "deleted")
        if reason is not None:
            return reason, PROTECTION_REMEDY
    able = facts.capabilities
    if able.delete is DeleteAbility.DISABLED:
        return _told("The registry has deletion turned off.", able), disabled_remedy(able)
    if able.delete is DeleteAbility.DENIED:
        return _told("The registry does not let this account delete here.", able), (
            "Give the account that is set for this registry the right to delete, or set another account."
        )
    if facts.tag is None and facts.parents:
        return _child_refusal(facts), "Delete the index first; what it alone needs can go along with it."
    if facts.tag is None and facts.siblings and able.product in REFUSE_TAGGED:
        return f"{able.product} does not delete a manifest while tags point to it.", "Delete its tags first."
    if strategy is not Strategy.REFUSE:
        return None, None
    return _no_way(facts)


def _child_refusal(facts: DeletionFacts) -> str:
    indexes = ", ".join(parent.short for parent in facts.parents[:3])
    more = f" and {len(facts.parents) - 3} more" if len(facts.parents) > 3 else ""
    return f"This manifest is part of the index {indexes}{more}: without it that index would be broken."


def _no_way(facts: DeletionFacts) -> tuple[str, str | None]:
    able = facts.capabilities
    if able.product in _OTHER_DOORS:
        return f"{able.product} does not delete by the registry's API.", _OTHER_DOORS[able.product]
    if able.delete is DeleteAbility.UNKNOWN:
        return _told("It could not be found out whether this registry deletes.", able), (
            "Try again when it answers as usual; its own log may say more."
        )
    if not facts.recoverable:
        return "The manifest could not be read, so it could not be put back if something went wrong.", None
    return (
        "This registry cannot delete one tag alone, and other tags or indexes need the same manifest.",
        "Delete those first, or use the registry's own tools.",
    )


def _told(sentence: str, able: Capabilities) -> str:
    return f"{sentence} It answered: {able.detail.rstrip('.')}." if able.detail else sentence


def _removes(facts: DeletionFacts) -> tuple[Tag, ...]:
    return facts.siblings if facts.tag is None else (facts.tag,)


def _spares(facts: DeletionFacts, strategy: Strategy) -> tuple[Tag, ...]:
    return () if facts.tag is None and strategy is not Strategy.REFUSE else facts.siblings


def _orphans(facts: DeletionFacts, by_digest: bool) -> tuple[Orphan, ...]:
    """None while another tag or an index keeps the manifest; entries only where their index itself goes."""
    if facts.parents or (facts.tag is not None and facts.siblings):
        return ()
    return tuple(orphan for orphan in facts.orphans if by_digest or orphan.attached_by != INDEX_CHILD)


def _freed(facts: DeletionFacts) -> int | None:
    if facts.parents or (facts.tag is not None and facts.siblings):
        return 0
    return facts.bytes_alone
