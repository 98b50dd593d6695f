"""Entries of indexes: whether the registry still has what an index names.

An index stays when somebody deletes a platform of it; it is pulled without complaint, and
fails on that platform alone. A registry says so only where it is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.registry.client import RegistryClient
from kubedash.storage import manifests
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.workflows.sync_manifests import is_gone
from kubedash.workflows.sync_tools import each

MOST: Final = 500
"""Entries that one crawl of one repository looks for."""
WORKERS: Final = 16


class Changed(msgspec.Struct):
    """What is otherwise than it was known."""

    missing: set[Digest] = set()
    back: set[Digest] = set()


async def entries_of(session: ReadSession, repository_id: int, indexes: Collection[Digest]) -> dict[Digest, bool]:
    """The entries of these, and whether each was known to be missing. What is no index has none."""
    found: dict[Digest, bool] = {}
    for digest in indexes:
        for child in await manifests.children(session, digest, repository_id):
            if len(found) < MOST:
                found[child.digest] = child.missing
    return found


async def look_for(client: RegistryClient, name: RepositoryName, entries: Mapping[Digest, bool]) -> Changed:
    """Asks for each. A failure leaves what was known; gone is only what the registry itself says is gone."""
    changed = Changed()

    async def look(digest: Digest) -> None:
        try:
            there = await client.head_manifest(name, digest) is not None
            if not there and not entries[digest]:
                # A proxy's 404 looks the same without a body: asked again, the registry has to say it in words.
                await client.get_manifest(name, digest)
                return
        except RegistryError as error:
            if is_gone(error):
                changed.missing.add(digest)
            return
        if there and entries[digest]:
            changed.back.add(digest)

    await each(entries, look, WORKERS)
    return changed


async def record(session: WriteSession, repository_id: int, changed: Changed, now: datetime) -> None:
    """The index of images shows it; linking an entry takes the mark away."""
    await manifests.link(session, repository_id, sorted(changed.back))
    await manifests.mark_missing(session, repository_id, changed.missing, now)
