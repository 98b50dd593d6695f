"""What was fetched of a repository goes into the store; for crawls and events alike."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kubedash.oci.digest import Digest
from kubedash.storage import manifests
from kubedash.storage.database import WriteSession
from kubedash.workflows.sync_manifests import Loaded


async def store_manifests(
    session: WriteSession,
    repository_id: int,
    pointed_to: Collection[Digest],
    held_before: Collection[Digest],
    loaded: Loaded,
    now: datetime,
) -> None:
    """What was fetched, and links to what was known from elsewhere, down to the last child.

    `pointed_to` is what tags lead to now, `held_before` what the repository was known to hold.
    """
    await manifests.add(session, repository_id, tuple(loaded.manifests.values()), now)
    held = set(pointed_to).difference(loaded.manifests, held_before)
    children = {child.digest for summary in loaded.manifests.values() for child in summary.children}
    for digest in held:
        children.update(child.digest for child in await manifests.children(session, digest, repository_id))
    linked = held | children.difference(loaded.manifests, loaded.missing)
    if linked:
        await manifests.link(session, repository_id, tuple(linked))
    if loaded.missing:
        await manifests.mark_missing(session, repository_id, tuple(loaded.missing), now)
