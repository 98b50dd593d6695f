"""What of an image the registry still has, what can be put back, and what nobody has any more."""

from __future__ import annotations

from typing import Final

import msgspec

from kubedash.oci.digest import Digest
from kubedash.oci.manifest import ArtifactManifest, Descriptor, ImageIndex, ImageManifest, parse_manifest
from kubedash.records import ManifestRecord
from kubedash.storage import manifests
from kubedash.workflows.changing import Place, ask_each, heads_of
from kubedash.workflows.services import Services

MAX_PARTS: Final = 2000
"""Blobs and entries of one image that are asked for."""
MAX_DEPTH: Final = 4


class Inventory(msgspec.Struct):
    """What of an image the registry has, what we can put back, and what nobody has."""

    absent: list[ManifestRecord] = []
    """Manifests to put back, entries before their index."""
    missing: set[Digest] = set()


async def take_stock(
    services: Services, place: Place, record: ManifestRecord, found: Inventory, depth: int = MAX_DEPTH
) -> None:
    """Asks for the manifest and, where the registry has it no more, for all that it is made of."""
    if record.digest in await heads_of(place, (record.digest,)):
        return
    manifest = parse_manifest(record.raw, record.media_type)
    if isinstance(manifest, ImageIndex):
        for entry in manifest.manifests[:MAX_PARTS]:
            await _take_stock_of_entry(services, place, entry.digest, found, depth)
    elif isinstance(manifest, ImageManifest):
        await _ask_blobs(place, (*((manifest.config,) if manifest.config else ()), *manifest.layers), found)
    elif isinstance(manifest, ArtifactManifest):
        await _ask_blobs(place, manifest.blobs, found)
    found.absent.append(record)


async def _take_stock_of_entry(services: Services, place: Place, digest: Digest, found: Inventory, depth: int) -> None:
    async with services.database.read() as session:
        entry = await manifests.kept(session, digest)
    if entry is not None and depth:
        await take_stock(services, place, entry, found, depth - 1)
    elif not await heads_of(place, (digest,)):
        found.missing.add(digest)


async def _ask_blobs(place: Place, parts: tuple[Descriptor, ...], found: Inventory) -> None:
    """Layers that may be fetched elsewhere (`urls`) need not be in the registry."""
    wanted = {part.digest for part in parts[:MAX_PARTS] if not part.urls}

    async def ask(digest: Digest) -> None:
        if not await place.client.has_blob(place.name, digest):
            found.missing.add(digest)

    await ask_each(wanted, ask)
