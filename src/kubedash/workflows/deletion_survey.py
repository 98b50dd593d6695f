"""What a deletion has to know, asked of the registry as it is now: siblings, indexes, and what hangs on it.

The index tells where to look, the registry what is there. Every tag of the repository is
asked only where one that was overlooked would be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from kubedash.errors import NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.oci.referrers import fallback_tag, parse_attachment_tag
from kubedash.policy.deletion import HARBOR, DeletionChoices, DeletionFacts
from kubedash.policy.deletion_words import INDEX_CHILD
from kubedash.records import Capabilities, Child, DeleteAbility, Orphan
from kubedash.registry.client import ManifestHead
from kubedash.storage import manifests, referrers, sizes, tags
from kubedash.storage.database import ReadSession
from kubedash.workflows.abilities import abilities_of
from kubedash.workflows.changing import Place, ask_each, heads_of, learn, list_tags
from kubedash.workflows.services import Services
from kubedash.workflows.sync_attachments import API, TAG

MAX_DEPTH: Final = 4
MAX_SUBJECTS: Final = 100
"""Manifests of one image that are asked for what is attached to them."""
COSIGN_TAG: Final = "cosign_tag"
_KINDS: Final = {"sig": "cosign_signature", "att": "cosign_attestation", "sbom": "sbom", "": "referrers"}


Around = Mapping[Tag, Digest]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """The repository as the registry showed it."""

    head: ManifestHead
    listing: frozenset[Tag]
    pointing: Mapping[Tag, Digest]
    """Tags that were asked, and where they lead now."""
    complete: bool
    """Whether that is every tag of the repository."""

    @property
    def same(self) -> tuple[Tag, ...]:
        """The tags that lead to what is to be deleted."""
        return tuple(sorted(tag for tag, digest in self.pointing.items() if digest == self.head.digest))


class Surveyed(msgspec.Struct, frozen=True):
    """The facts for a plan, and the names that the registry listed."""

    facts: DeletionFacts
    listing: frozenset[Tag]


async def survey(
    services: Services, place: Place, reference: Reference, choices: DeletionChoices, around: Around | None = None
) -> Surveyed:
    """Everything the plan of a deletion needs. Raises `NotFound`, and the registry's error where it cannot be asked.

    `around` is every tag of the repository and where it led moments ago, for whoever deletes
    many and looks at all of them once; those that may share the digest are asked again. Where
    one that is overlooked would be lost, every tag that is new since is asked too.
    """
    able = await abilities_of(services, place.registry, place.client, place.name)
    sight = await _look(services, place, reference, around)
    parents = await _live_parents(services, place, sight)
    if _needs_all(able, reference, sight, parents, choices):
        if not sight.complete:
            sight = await _look_at_all(services, place, sight)
        # Looking took its time, and `around` is older still: what came since is asked too.
        sight = msgspec.structs.replace(sight, listing=frozenset(await list_tags(place)))
        sight = await _look_at_all(services, place, sight)
        parents = await _live_parents(services, place, sight)
    siblings = tuple(tag for tag in sight.same if tag != reference.tag)
    alone = not parents and not (siblings and reference.tag)
    orphans = await _orphans(services, place, sight) if alone else ()
    async with services.database.read() as session:
        record = await manifests.kept(session, sight.head.digest)
        freed = await sizes.needed_by_nothing_else(session, place.registry.id, place.repository.id, sight.head.digest)
    facts = DeletionFacts(
        registry=place.registry.name,
        repository=place.name,
        tag=reference.tag,
        digest=sight.head.digest,
        media_type=sight.head.media_type,
        kind=record.kind if record else None,
        siblings=siblings,
        siblings_complete=sight.complete,
        other_tags=len(sight.listing) > len(sight.same),
        parents=parents,
        orphans=orphans,
        capabilities=able,
        protected_tags=place.registry.protected_tags,
        bytes_alone=freed,
        recoverable=record is not None,
    )
    return Surveyed(facts, sight.listing)


async def _look(services: Services, place: Place, reference: Reference, around: Around | None) -> Sight:
    """The target, and those tags that may share its digest: by the index, and those it does not know."""
    head = await place.client.head_manifest(place.name, reference.identifier)
    if head is None:
        what = "manifest" if reference.digest else "tag"
        raise NotFound(
            f"{place.registry.name}/{place.name} has no {what} {reference.identifier}.",
            hint="It may have been deleted already.",
        )
    listing = await list_tags(place) if around is None else set(around)
    async with services.database.read() as session:
        known = await tags.known(session, place.repository.id)
    likely = {tag for tag in listing if known.get(tag, head.digest) == head.digest}
    if around is not None:
        # Also tags that an event told of since, and those that only the look saw there.
        likely = {tag for source in (around, known) for tag, digest in source.items() if digest == head.digest}
    heads = await heads_of(place, likely)
    pointing = dict(around or {}) | {tag: heads[tag].digest for tag in likely if tag in heads}
    for gone in likely - heads.keys():
        pointing.pop(gone, None)
    if reference.tag:
        pointing[reference.tag] = head.digest
    await learn(services, place, {head.digest, *pointing.values()})
    complete = around is not None or likely == listing
    return Sight(head=head, listing=frozenset(listing), pointing=pointing, complete=complete)


def _needs_all(
    able: Capabilities, reference: Reference, sight: Sight, parents: Collection[Digest], choices: DeletionChoices
) -> bool:
    """Whether a tag or an index that was overlooked could be harmed."""
    if able.delete is not DeleteAbility.ENABLED:
        return False
    if reference.tag is None or choices.take_orphans:
        return True
    if able.tag_delete or able.product == HARBOR or choices.tag_only:
        return False
    return len(sight.same) <= 1 and not parents


async def _look_at_all(services: Services, place: Place, before: Sight) -> Sight:
    """Every other tag too; what they lead to is learned, so that no index goes unnoticed."""
    rest = before.listing - before.pointing.keys()
    heads = await heads_of(place, rest)
    pointing = {**before.pointing, **{Tag(name): head.digest for name, head in heads.items()}}
    await learn(services, place, set(pointing.values()))
    return msgspec.structs.replace(before, pointing=pointing, complete=True)


async def _live_parents(services: Services, place: Place, sight: Sight) -> tuple[Digest, ...]:
    """Indexes that name the manifest and are there: under a tag, or still by their digest."""
    async with services.database.read() as session:
        named = await manifests.parents(session, place.repository.id, sight.head.digest)
    return await _still_there(place, sight, named)


async def _still_there(place: Place, sight: Sight, digests: Iterable[Digest]) -> tuple[Digest, ...]:
    tagged = set(sight.pointing.values())
    wanted = set(digests)
    heads = await heads_of(place, wanted - tagged)
    return tuple(sorted((wanted & tagged) | (wanted & heads.keys())))


async def _orphans(services: Services, place: Place, sight: Sight) -> tuple[Orphan, ...]:
    """What hangs on the manifest or on its entries, and the entries that nothing else needs."""
    root = sight.head.digest
    async with services.database.read() as session:
        below = await _descendants(session, place.repository.id, root)
    lonely = await _lonely(services, place, sight, below)
    subjects = (root, *lonely)[:MAX_SUBJECTS]
    found = {orphan.digest: orphan for orphan in await _by_tags(services, place, sight, subjects)}
    for orphan in await _by_api(services, place, subjects):
        found.setdefault(orphan.digest, orphan)
    async with services.database.read() as session:
        known = await referrers.of_subjects(session, place.repository.id, subjects)
    present = await _still_there(
        place, sight, {item.digest for items in known.values() for item in items} - found.keys()
    )
    for subject, items in known.items():
        for item in items:
            if item.digest in present and item.digest not in found:
                found[item.digest] = Orphan(
                    digest=item.digest, subject=subject, kind=item.kind, size=item.size, attached_by=item.attached_by
                )
    entries = [_entry(child, root) for child in lonely.values()]
    attached = sorted(found.values(), key=lambda orphan: (orphan.kind, orphan.digest))
    return tuple(orphan for orphan in (*attached, *entries) if _is_free(orphan, sight, root))


def _is_free(orphan: Orphan, sight: Sight, root: Digest) -> bool:
    """Whether no tag leads to it but that of the tool that attached it: what somebody named is no orphan."""
    pointing = {tag for tag, digest in sight.pointing.items() if digest == orphan.digest}
    return orphan.digest != root and pointing <= {orphan.tag}


def _entry(child: Child, root: Digest) -> Orphan:
    return Orphan(
        digest=child.digest,
        subject=root,
        kind=child.kind or "image",
        platform=child.platform,
        size=child.size,
        attached_by=INDEX_CHILD,
    )


async def _descendants(session: ReadSession, repository_id: int, root: Digest) -> dict[Digest, Child]:
    """The entries of an index and, where indexes nest, theirs; without those that are missing."""
    found: dict[Digest, Child] = {}
    level = [root]
    for _ in range(MAX_DEPTH):
        below = [child for digest in level for child in await manifests.children(session, digest, repository_id)]
        fresh = {child.digest: child for child in below if child.digest not in found and not child.missing}
        if not fresh:
            break
        found.update(fresh)
        level = list(fresh)
    return found


async def _lonely(services: Services, place: Place, sight: Sight, below: Mapping[Digest, Child]) -> dict[Digest, Child]:
    """Those entries that neither a tag nor another index needs."""
    going = {sight.head.digest, *below}
    tagged = set(sight.pointing.values())
    found: dict[Digest, Child] = {}
    for digest, child in below.items():
        async with services.database.read() as session:
            named = await manifests.parents(session, place.repository.id, digest)
            listed = await tags.sharing(session, place.repository.id, digest)
        others = await _still_there(place, sight, set(named) - going)
        if not others and digest not in tagged and not (set(listed) & sight.listing):
            found[digest] = child
    return found


async def _by_tags(services: Services, place: Place, sight: Sight, subjects: Collection[Digest]) -> list[Orphan]:
    """Machines' tags that speak of the subjects: cosign's, and the referrers tags with what they list."""
    plain = {fallback_tag(subject): subject for subject in subjects}
    speaking = {}
    for tag in sight.listing:
        parsed = parse_attachment_tag(tag)
        if parsed is not None and parsed.suffix and parsed.subject in subjects:
            speaking[tag] = (parsed.subject, parsed.suffix)
        elif tag in plain:
            speaking[tag] = (plain[tag], "")
    heads = await heads_of(place, speaking)
    await learn(services, place, {head.digest for head in heads.values()})
    found = []
    for tag, (subject, suffix) in speaking.items():
        if tag not in heads:
            continue
        digest = heads[tag].digest
        how = COSIGN_TAG if suffix else TAG
        found.append(Orphan(digest=digest, subject=subject, kind=_KINDS[suffix], tag=tag, attached_by=how))
        if not suffix:
            found += await _listed(services, place, digest, subject)
    return found


async def _listed(services: Services, place: Place, index: Digest, subject: Digest) -> list[Orphan]:
    async with services.database.read() as session:
        entries = await manifests.children(session, index, place.repository.id)
    return [
        Orphan(digest=entry.digest, subject=subject, kind=entry.kind or "artifact", size=entry.size, attached_by=TAG)
        for entry in entries
        if not entry.missing
    ]


async def _by_api(services: Services, place: Place, subjects: Collection[Digest]) -> list[Orphan]:
    """What the registry itself lists as referrers, where it has such a list."""
    found: dict[Digest, Digest] = {}

    async def ask(subject: Digest) -> None:
        for descriptor in await place.client.referrers(place.name, subject) or ():
            found[descriptor.digest] = subject

    first, *rest = subjects
    await ask(first)
    await ask_each(rest, ask)
    await learn(services, place, found)
    orphans = []
    async with services.database.read() as session:
        for digest, subject in found.items():
            record = await manifests.get(session, place.repository.id, digest)
            kind, size = (record.kind, record.size) if record else ("artifact", None)
            orphans.append(Orphan(digest=digest, subject=subject, kind=kind, size=size, attached_by=API))
    return orphans
