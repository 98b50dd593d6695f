"""Brings single tags and digests of a repository up to date, because an event told of them.

An event is a reason to ask, never an answer: a tag is set to what the registry says. A
registry reports a push before it moves the tag (distribution, `PutManifest`), so while it
still says what we knew before, it is asked again a few times.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.touches import Told, Touched
from kubedash.registry.client import RegistryClient
from kubedash.storage import manifests, referrers, repositories, tags, touched_tags
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.workflows.services import Services
from kubedash.workflows.sync_attachments import API, SUBJECT, TAG, Attachments, ReferrersApi
from kubedash.workflows.sync_manifests import Loaded, Loader, is_gone, take_placeholders
from kubedash.workflows.sync_store import store_manifests
from kubedash.workflows.sync_tools import each

SEEN_BY: Final = "event"
PAUSES: Final = (0.0, 0.1, 0.3, 0.8)
"""Seconds before each look at a tag that the registry has not moved yet."""
WORKERS: Final = 16
LARGE: Final = 2_000
"""Tags from which on the bytes of a repository are summed by crawls alone."""


class Outcome(msgspec.Struct, frozen=True):
    """How a repository stands after its events."""

    repository_id: int | None
    """None: neither we nor the registry know it."""
    new: bool = False
    """It was learned by these events; only a crawl knows what else is in it."""
    doubtful: bool = False
    """The registry does not say what an event told, or could not say anything: a crawl should look."""


class Before(msgspec.Struct, frozen=True):
    """What the index knew of the touched."""

    repository_id: int | None
    tags: dict[Tag, Digest]
    """Those that are touched, by themselves or by their digest."""


async def bring_up_to_date(
    services: Services, client: RegistryClient, registry_id: int, name: RepositoryName, touched: Touched
) -> Outcome:
    """One repository. Raises the registry's error where it cannot be reached."""
    async with services.database.read() as session:
        before = await _before(session, registry_id, name, touched)
    by_digest = {tag: Told(gone=True, actor=touched.deleted.get(digest)) for tag, digest in before.tags.items()}
    told = {**by_digest, **touched.tags}
    look = _Look(client, name, before.tags)
    await look.at(told)
    if before.repository_id is None and not await _exists(client, name, look.present, touched):
        return Outcome(None)
    loader = Loader(client, name, lambda digests: _known(services, before.repository_id, digests))
    loaded = await loader.load({}, {*look.present.values(), *touched.pushed})
    passing = take_placeholders(loaded)
    look.present = {tag: digest for tag, digest in look.present.items() if digest not in passing}
    lost = await _lost(client, name, touched.deleted)
    for tag in [tag for tag, digest in look.present.items() if digest in loaded.failures]:
        del look.present[tag]
        look.doubtful = True
    async with services.database.write() as session:
        made = await repositories.ensure(session, registry_id, (name,), services.clock())
        change = _Change(services, Attachments(ReferrersApi(client), loader, name, made[name]), made[name], before)
        await change.store(session, look, loaded, lost, told)
    return Outcome(made[name], new=before.repository_id is None, doubtful=look.doubtful)


async def _before(session: ReadSession, registry_id: int, name: RepositoryName, touched: Touched) -> Before:
    found = await repositories.find(session, registry_id, name)
    if found is None or found.gone_since is not None:
        return Before(None, {})
    pointing = await touched_tags.by_digest(session, found.id, touched.deleted)
    return Before(found.id, {**pointing, **await touched_tags.by_name(session, found.id, touched.tags)})


async def _known(services: Services, repository_id: int | None, digests: Collection[Digest]) -> set[Digest]:
    if not digests:
        return set()
    async with services.database.read() as session:
        return await manifests.known(session, digests, repository_id)


async def _exists(
    client: RegistryClient, name: RepositoryName, present: Mapping[Tag, Digest], touched: Touched
) -> bool:
    """Whether the registry shows anything of a repository that we do not know; anybody can name one."""
    if present:
        return True
    proof = next(iter(touched.pushed), None) or touched.hint
    if proof is not None and await client.head_manifest(name, proof) is not None:
        return True
    return touched.whole and await _has_tags(client, name)


async def _has_tags(client: RegistryClient, name: RepositoryName) -> bool:
    try:
        async for _ in client.tags(name):
            return True
    except RegistryError as error:
        if not is_gone(error):
            raise
    return False


async def _lost(client: RegistryClient, name: RepositoryName, deleted: Collection[Digest]) -> set[Digest]:
    """Those that the registry does not hold any more."""
    lost: set[Digest] = set()

    async def look(digest: Digest) -> None:
        if await client.head_manifest(name, digest) is None and await _surely_gone(client, name, digest):
            lost.add(digest)

    await each(sorted(deleted), look, WORKERS)
    return lost


async def _surely_gone(client: RegistryClient, name: RepositoryName, identifier: str) -> bool:
    """A HEAD has no words: a 404 of some proxy looks like the registry's own."""
    try:
        await client.get_manifest(name, identifier)
    except RegistryError as error:
        if is_gone(error):
            return True
        raise
    return False


class _Look:
    """Asks where tags point, until the registry says something new or patience ends."""

    def __init__(self, client: RegistryClient, name: RepositoryName, before: Mapping[Tag, Digest]) -> None:
        self.present: dict[Tag, Digest] = {}
        self.absent: set[Tag] = set()
        """Known before, and surely gone now."""
        self.doubtful = False
        self._client = client
        self._name = name
        self._before = before

    async def at(self, told: Mapping[Tag, Told]) -> None:
        waiting = dict(told)
        for pause in PAUSES:
            await asyncio.sleep(pause)
            await each(sorted(waiting), self._ask, WORKERS)
            waiting = {tag: what for tag, what in waiting.items() if self._is_as_before(tag, what)}
            if not waiting:
                break
        self.doubtful = bool(waiting)
        await each([tag for tag in told if tag not in self.present and tag in self._before], self._confirm, WORKERS)

    async def _ask(self, tag: Tag) -> None:
        head = await self._client.head_manifest(self._name, tag)
        if head is None:
            self.present.pop(tag, None)
        else:
            self.present[tag] = head.digest

    def _is_as_before(self, tag: Tag, told: Told) -> bool:
        """Whether the registry says what we knew, and the event something else."""
        now, before = self.present.get(tag), self._before.get(tag)
        as_told = now is None if told.gone else now is not None and told.digest in (None, now)
        return not as_told and now == before

    async def _confirm(self, tag: Tag) -> None:
        if await _surely_gone(self._client, self._name, tag):
            self.absent.add(tag)
        else:
            self.doubtful = True


class _Change:
    """What goes into the store, in one transaction."""

    def __init__(self, services: Services, attachments: Attachments, repository_id: int, before: Before) -> None:
        self._services = services
        self._attachments = attachments
        self._repository_id = repository_id
        self._before = before

    async def store(
        self, session: WriteSession, look: _Look, loaded: Loaded, lost: Collection[Digest], told: Mapping[Tag, Told]
    ) -> None:
        repository_id, now = self._repository_id, self._services.clock()
        pointed_to = set(look.present.values())
        await store_manifests(session, repository_id, pointed_to, (), loaded, now)
        for actor, pairs in _by_actor(look.present, told).items():
            await tags.observe(session, repository_id, pairs, now, SEEN_BY, actor)
        await self._attachments.store(session, self._moved(look), {}, loaded)
        await self._forget(session, look.absent, told)
        await self._lose(session, lost)
        await manifests.refresh_sizes(session, repository_id, only=pointed_to | loaded.manifests.keys())
        found = await repositories.by_id(session, repository_id)
        large = found is not None and (found.tag_count or 0) > LARGE
        await repositories.recount(session, repository_id, sized=not large)

    def _moved(self, look: _Look) -> list[tuple[Tag, Digest]]:
        return [(tag, digest) for tag, digest in look.present.items() if self._before.tags.get(tag) != digest]

    async def _forget(self, session: WriteSession, absent: Collection[Tag], told: Mapping[Tag, Told]) -> None:
        if not absent:
            return
        for tag in sorted(absent):
            actor = told[tag].actor if told[tag].gone else None
            await tags.forget(session, self._repository_id, (tag,), self._services.clock(), SEEN_BY, actor)
        digests = {self._before.tags[tag] for tag in absent}
        unused = digests - set((await touched_tags.by_digest(session, self._repository_id, digests)).values())
        await self._attachments.forget(session, absent, unused)

    async def _lose(self, session: WriteSession, lost: Collection[Digest]) -> None:
        """Manifests that went: nothing hangs on them, and indexes that name them are broken."""
        if not lost:
            return
        for how in (API, TAG, SUBJECT):
            await referrers.remove(session, self._repository_id, lost, how)
        parts = {digest for digest in lost if await manifests.parents(session, self._repository_id, digest)}
        await manifests.mark_missing(session, self._repository_id, parts, self._services.clock())


def _by_actor(present: Mapping[Tag, Digest], told: Mapping[Tag, Told]) -> dict[str | None, list[tuple[Tag, Digest]]]:
    """Who moved a tag is known where the registry says what the event told."""
    found: defaultdict[str | None, list[tuple[Tag, Digest]]] = defaultdict(list)
    for tag, digest in sorted(present.items()):
        found[told[tag].actor if told[tag].digest == digest else None].append((tag, digest))
    return found
