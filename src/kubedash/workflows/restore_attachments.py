"""What was deleted along with a tag comes back with it: signatures, SBOMs, and the lists that lead to them."""

from __future__ import annotations

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import INDEX_TYPES
from kubedash.oci.reference import Tag
from kubedash.oci.referrers import parse_attachment_tag
from kubedash.records import Attachment, ChangeOutcome, ManifestRecord
from kubedash.storage import audit, manifests, referrers, tags
from kubedash.storage.database import WriteSession
from kubedash.workflows.changing import SEEN_BY_US, Place, sum_up
from kubedash.workflows.services import Services
from kubedash.workflows.stock import Inventory, take_stock
from kubedash.workflows.sync_attachments import SUBJECT, TAG

DELETION = "tag.delete"


class _Taken(msgspec.Struct, frozen=True):
    """As much of an audit line as tells what went along."""

    old_digest: str | None = None
    taken: tuple[tuple[str, str | None], ...] = ()


class _Detail(msgspec.Struct, frozen=True):
    outcome: _Taken = _Taken()


async def put_attachments(services: Services, place: Place, outcome: ChangeOutcome) -> ChangeOutcome:
    """Puts back what the last deletion of this very tag and digest took along, as far as the registry has its parts.

    What fails is left out: the tag itself is back, and the outcome names what came with it.
    """
    if outcome.tag is None or outcome.digest is None:
        return outcome
    async with services.database.read() as session:
        line = await audit.last(session, DELETION, place.target(outcome.tag))
    told = msgspec.convert(line.detail, _Detail).outcome if line else _Taken()
    if told.old_digest != outcome.digest or not told.taken:
        return outcome
    back: list[tuple[ManifestRecord, Tag | None]] = []
    for digest, name in sorted(told.taken, key=lambda pair: pair[1] is not None):
        record = await _put(services, place, Digest(digest), Tag(name) if name else None)
        if record is not None:
            back.append((record, Tag(name) if name else None))
    async with services.database.write() as session:
        await _remember(session, place, back, outcome)
    many = len(back)
    sentence = f"{outcome.sentence} {many} of {len(told.taken)} things that were deleted along with it are back."
    return msgspec.structs.replace(outcome, sentence=sentence, put_back=tuple(record.digest for record, _ in back))


async def _put(services: Services, place: Place, digest: Digest, tag: Tag | None) -> ManifestRecord | None:
    """The manifest that is back; None where its parts are gone, or the registry does not take it."""
    async with services.database.read() as session:
        record = await manifests.kept(session, digest)
    if record is None:
        return None
    inventory = Inventory()
    try:
        await take_stock(services, place, record, inventory)
        if inventory.missing:
            return None
        await place.client.put_manifest(place.name, tag or digest, record.raw, record.media_type)
    except RegistryError:
        return None
    return record


async def _remember(
    session: WriteSession, place: Place, back: list[tuple[ManifestRecord, Tag | None]], outcome: ChangeOutcome
) -> None:
    """A crawl looks no more at what it knows, so all that it would find of these is noted here."""
    repository_id = place.repository.id
    await manifests.link(session, repository_id, [record.digest for record, _ in back])
    named = [(tag, record.digest) for record, tag in back if tag is not None]
    await tags.observe(session, repository_id, named, outcome.at, SEEN_BY_US)
    own = [_attached(record, record.subject, SUBJECT) for record, _ in back if record.subject is not None]
    await referrers.add(session, repository_id, own)
    for record, tag in back:
        parsed = parse_attachment_tag(tag) if tag else None
        if parsed is not None and not parsed.suffix and record.media_type in INDEX_TYPES:
            listed = await manifests.children(session, record.digest, repository_id)
            kept = [await manifests.get(session, repository_id, child.digest) for child in listed]
            found = [_attached(entry, parsed.subject, TAG) for entry in kept if entry is not None]
            await referrers.replace(session, repository_id, parsed.subject, found, TAG)
    await sum_up(session, place)


def _attached(record: ManifestRecord, subject: Digest, how: str) -> Attachment:
    return Attachment(
        digest=record.digest,
        subject=subject,
        kind=record.kind,
        artifact_type=record.artifact_type,
        size=record.size,
        created=record.created,
        attached_by=how,
    )
