"""From what is known of a tag and of what it shall lead to, to a plan. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.protection import PROTECTION_REMEDY, protecting_pattern, protection_refusal
from kubedash.records import ApiCall, Record, RetagPlan

ABSENT: Final = "absent"
"""In place of a digest: the tag is expected not to exist."""


class RetagFacts(Record, frozen=True, kw_only=True):
    """What is known, and of what the registry was asked just now."""

    registry: str
    repository: RepositoryName
    tag: Tag
    source: str
    digest: Digest
    old_digest: Digest | None
    media_type: str | None
    kind: str | None
    is_schema1: bool
    leaves_untagged: bool
    """Whether what the tag leads to now has no other tag."""
    protected_tags: tuple[str, ...]
    missing: tuple[Digest, ...] = ()
    """Parts that neither the registry nor we have any more."""
    children: tuple[Digest, ...] = ()
    """Parts that we put back first."""


def plan_retag(facts: RetagFacts, now: datetime) -> RetagPlan:
    """What would be done, or why it cannot be."""
    moves = facts.old_digest is not None and facts.old_digest != facts.digest
    refused, remedy = _refusal(facts, moves)
    return RetagPlan(
        registry=facts.registry,
        repository=facts.repository,
        tag=facts.tag,
        source=facts.source,
        digest=facts.digest,
        old_digest=facts.old_digest,
        media_type=facts.media_type,
        kind=facts.kind,
        moves=moves,
        nothing_to_do=facts.old_digest == facts.digest,
        missing=facts.missing,
        warnings=() if refused else _warnings(facts, moves),
        refused=refused,
        remedy=remedy,
        calls=() if refused else _calls(facts),
        undo=None if refused else _undo(facts, moves),
        planned_at=now,
    )


def _refusal(facts: RetagFacts, moves: bool) -> tuple[str | None, str | None]:
    if moves:
        reason = protection_refusal(facts.tag, facts.protected_tags, "moved")
        if reason is not None:
            return reason, PROTECTION_REMEDY
    if facts.is_schema1 and facts.source != facts.tag:
        return (
            "This is an image of Docker's oldest format: its signed content names its tag, so it cannot get another.",
            "Pull it and push it again with a current tool.",
        )
    if facts.missing:
        named = ", ".join(digest.short for digest in facts.missing[:3])
        more = f" and {len(facts.missing) - 3} more" if len(facts.missing) > 3 else ""
        return (
            f"The registry no longer has all parts of it: {named}{more}. Its garbage collection has taken them.",
            "Push the image again from where it was built or pulled.",
        )
    return None, None


def _warnings(facts: RetagFacts, moves: bool) -> tuple[str, ...]:
    if moves and facts.leaves_untagged and facts.old_digest is not None:
        return (f"{facts.old_digest.short} has no other tag: the registry may delete it when it collects its garbage.",)
    return ()


def _calls(facts: RetagFacts) -> tuple[ApiCall, ...]:
    manifests = f"/v2/{facts.repository}/manifests"
    children = [
        ApiCall(method="PUT", path=f"{manifests}/{child}", why="put back an entry of the index")
        for child in facts.children
    ]
    return (
        *children,
        ApiCall(method="PUT", path=f"{manifests}/{facts.tag}", why="the very bytes of the manifest, under the tag"),
        ApiCall(method="HEAD", path=f"{manifests}/{facts.tag}", why="see that it leads to the same digest"),
    )


def _undo(facts: RetagFacts, moves: bool) -> str | None:
    if moves:
        return f"The tag's history keeps {facts.old_digest}: it can be rolled back while the registry has its layers."
    if facts.old_digest is not None:
        return None
    pattern = protecting_pattern(facts.tag, facts.protected_tags)
    if pattern is not None:
        under = f"the pattern {pattern} protects it" if pattern != facts.tag else "it is protected by its name"
        return (
            f"None as it is now: once it is there {under}, and it can be neither moved nor deleted. {PROTECTION_REMEDY}"
        )
    return "Delete the tag again, where this server and the registry allow it."
