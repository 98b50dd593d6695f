"""Words for kinds, attachments and states, shared by the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.records import Freshness, PullCounts, Registry, SyncState
from kubedash.web.formatting import UNKNOWN, ago, exact_time, iso_time, plural

KIND_LABELS: Final = {str(kind): kind.label for kind in ArtifactKind}
"""Slug of a kind → what people call it."""
SIGNATURES: Final = frozenset(
    {ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.NOTATION_SIGNATURE}
)
ATTESTATIONS: Final = frozenset(
    {ArtifactKind.COSIGN_ATTESTATION, ArtifactKind.SIGSTORE_ATTESTATION, ArtifactKind.BUILDKIT_ATTESTATION}
)
_TELLING: Final = timedelta(days=2)
"""That nothing was pulled in so short a time says nothing yet."""
SIGNED_WORDS: Final = {
    "unchecked": "present, not checked",
    "verified": "verified",
    "failed": "does not verify",
    "unreadable": "unreadable",
}


class AttachmentWord(msgspec.Struct, frozen=True):
    """What is attached to an image, said in a few words."""

    text: str
    """Such as `signature: present, not checked` or `SBOM`."""
    tone: str
    """`plain`, `good` or `bad`: colour only repeats the words."""


def kind_label(kind: str | None) -> str | None:
    """What people call a kind; the slug itself for one that is newer than this page."""
    return None if kind is None else KIND_LABELS.get(kind, kind)


def broken_words(missing: Sequence[str]) -> tuple[AttachmentWord, ...]:
    """Of an index that the registry no longer has in full; nothing of one that is whole."""
    if not missing:
        return ()
    named = missing[0] if len(missing) == 1 else f"{len(missing)} entries"
    return (AttachmentWord(f"broken: {named} missing", "bad"),)


def attachment_words(kinds: Iterable[str], signed: str | None) -> tuple[AttachmentWord, ...]:
    """Presence is never called trust: a signature that nobody checked says so."""
    found = set(kinds)
    words = []
    if signed or found & SIGNATURES:
        state = signed or "unchecked"
        tone = {"verified": "good", "failed": "bad"}.get(state, "plain")
        words.append(AttachmentWord(f"signature: {SIGNED_WORDS.get(state, state)}", tone))
    if ArtifactKind.SBOM in found:
        words.append(AttachmentWord("SBOM", "plain"))
    if found & ATTESTATIONS:
        words.append(AttachmentWord("attestation", "plain"))
    if ArtifactKind.VULNERABILITY_REPORT in found:
        words.append(AttachmentWord("vulnerability report", "plain"))
    named = SIGNATURES | ATTESTATIONS | {ArtifactKind.SBOM, ArtifactKind.VULNERABILITY_REPORT, ArtifactKind.REFERRERS}
    others = sorted((kind_label(kind) or kind).lower() for kind in found - named)
    return (*words, *(AttachmentWord(text, "plain") for text in others))


class PullWords(msgspec.Struct, frozen=True, gc=False):
    """When something was last pulled, and how often."""

    iso: str | None
    """For the `datetime` attribute; None: it was not."""
    text: str
    title: str


def pull_words(last: datetime | None, counts: PullCounts | None, now: datetime) -> PullWords:
    """`2 h ago`, or `none in 3 weeks` where nothing was pulled since we are told of pulls."""
    if counts is None:
        return PullWords(None, UNKNOWN, "The registry never told us of a pull.")
    often = f"{plural(counts.days_7, 'pull')} in 7 days, {counts.days_30:,} in 30, {counts.days_90:,} in 90"
    since = f"counted since {exact_time(counts.since)}"
    if last is None:
        told_for = now - counts.since
        text = f"none in {ago(counts.since, now).removesuffix(' ago')}" if told_for >= _TELLING else "none yet"
        return PullWords(None, text, f"{often}; {since}")
    return PullWords(iso_time(last), ago(last, now), f"{exact_time(last)}; {often}; {since}")


def show_old_picture(freshness: Freshness, *, empty: bool) -> bool:
    """Whether to say above a list that it is an old picture."""
    return freshness.state is SyncState.FAILED and not empty


def live_topics(registry: Registry, repository: str | None = None, job_id: str | None = None) -> str:
    """The topics whose messages redraw a page, as `data-live` takes them; those of a job show its progress."""
    of_job = f" job:{job_id}" if job_id else ""
    if repository is None:
        return f"registry:{registry.name} registries{of_job}"
    return f"repository:{registry.name}/{repository} registry:{registry.name}{of_job}"
