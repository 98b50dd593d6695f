"""After a deletion: what was to stay is asked for, and put back where the registry dropped it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.records import Capabilities, ManifestRecord, Orphan
from kubedash.registry.errors import Absent
from kubedash.workflows.changing import Place, ask_each, heads_of, list_tags
from kubedash.workflows.sync_manifests import explain

MAX_MISSED: Final = 10


class Spared(msgspec.Struct, frozen=True, kw_only=True):
    """How those do that were to stay."""

    verified: tuple[Tag, ...] = ()
    repaired: tuple[Tag, ...] = ()
    problem: str | None = None
    """Why not all of them could be asked, or put back."""


async def check_siblings(
    place: Place, siblings: Collection[Tag], digest: Digest, record: ManifestRecord | None
) -> Spared:
    """Asks for every sibling. One that is gone is put back from the kept bytes."""
    verified: list[Tag] = []
    lost: list[Tag] = []
    problems: list[str] = []

    async def look(tag: Tag) -> None:
        try:
            head = await place.client.head_manifest(place.name, tag)
        except RegistryError as error:
            problems.append(f"{tag}: {explain(error)}")
            return
        if head is None:
            lost.append(tag)
        elif head.digest == digest:
            verified.append(tag)

    await ask_each(siblings, look)
    repaired = []
    for tag in sorted(lost):
        problem = await _put_back(place, tag, record)
        if problem is None:
            repaired.append(tag)
        else:
            problems.append(f"{tag}: {problem}")
    return Spared(verified=tuple(sorted(verified)), repaired=tuple(repaired), problem="; ".join(problems[:3]) or None)


async def check_listing(
    place: Place, before: Collection[Tag], removed: Collection[Tag], record: ManifestRecord | None
) -> Spared:
    """What others did to the repository while a manifest of it was deleted by its digest.

    Tags that were pushed for it would lead nowhere: it is put back under its digest where one
    of them needs it. Tags that are listed no more may have gone with it, and are named.
    """
    listing = await list_tags(place)
    newcomers = listing - set(before)
    broken = newcomers - (await heads_of(place, newcomers)).keys()
    saved = await _save(place, broken, record) if broken and record is not None else ()
    missed = sorted(set(before) - listing - set(removed))
    return Spared(repaired=saved, problem=_missed(missed) if missed else None)


async def _save(place: Place, broken: Collection[str], record: ManifestRecord) -> tuple[Tag, ...]:
    await place.client.put_manifest(place.name, record.digest, record.raw, record.media_type)
    heads = await heads_of(place, broken)
    saved = tuple(sorted(Tag(tag) for tag in broken if tag in heads and heads[tag].digest == record.digest))
    if not saved:
        await place.client.delete_manifest(place.name, record.digest)
    return saved


def _missed(tags: Sequence[Tag]) -> str:
    named = ", ".join(tags[:MAX_MISSED]) + (f" and {len(tags) - MAX_MISSED} more" if len(tags) > MAX_MISSED else "")
    return f"no longer listed: {named}, which somebody deleted meanwhile, or had moved to this manifest right before"


async def _put_back(place: Place, tag: Tag, record: ManifestRecord | None) -> str | None:
    """None where it is there again, else why not."""
    if record is None:
        return "the registry dropped it, and its bytes are not kept here"
    try:
        await place.client.put_manifest(place.name, tag, record.raw, record.media_type)
    except RegistryError as error:
        return explain(error)
    return None


async def remove_orphans(
    place: Place, orphans: Sequence[Orphan], able: Capabilities | None
) -> tuple[tuple[Orphan, ...], tuple[Orphan, ...], str | None]:
    """Deletes what hung on the manifest: those that went, those that could not, and why the first could not."""
    gone, left, problem = [], [], None
    ordered = sorted(orphans, key=lambda orphan: orphan.tag is None)
    for orphan in ordered:
        try:
            if orphan.tag is not None and able is not None and able.tag_delete:
                await _delete(place, orphan.tag)
            await _delete(place, orphan.digest)
            gone.append(orphan)
        except RegistryError as error:
            left.append(orphan)
            problem = problem or explain(error)
    return tuple(gone), tuple(left), problem


async def _delete(place: Place, identifier: str) -> None:
    try:
        await place.client.delete_manifest(place.name, identifier)
    except Absent:
        # It went with its subject (Harbor), or somebody else was faster.
        return
