"""Words for kinds, attachments and states, shared by the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.records import Freshness, Registry, SyncState

KIND_LABELS: Final = {str(kind): kind.label for kind in ArtifactKind}
"""Slug of a kind → what people call it."""
SIGNATURES: Final = frozenset(
    {ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.NOTATION_SIGNATURE}
)
ATTESTATIONS: Final = frozenset(
    {ArtifactKind.COSIGN_ATTESTATION, ArtifactKind.SIGSTORE_ATTESTATION, ArtifactKind.BUILDKIT_ATTESTATION}
)
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


def show_old_picture(freshness: Freshness, *, empty: bool) -> bool:
    """Whether to say above a list that it is an old picture."""
    return freshness.state is SyncState.FAILED and not empty


def live_topics(registry: Registry, repository: str | None = None, job_id: str | None = None) -> str:
    """The topics whose messages redraw a page, as `data-live` takes them; those of a job show its progress."""
    of_job = f" job:{job_id}" if job_id else ""
    if repository is None:
        return f"registry:{registry.name} registries{of_job}"
    return f"repository:{registry.name}/{repository} registry:{registry.name}{of_job}"
