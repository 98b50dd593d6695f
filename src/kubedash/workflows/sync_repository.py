"""The crawl of one repository: list, look at each tag, fetch what is new, prune, sum up.

Nothing that was known changes unless the registry said so clearly: tags go only after
a complete listing, and what failed keeps its old picture and is named in the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy.attachments import to_ask_again, to_look_into
from kubedash.registry.client import FetchedManifest, RegistryClient
from kubedash.registry.errors import TooLarge
from kubedash.storage import manifests, referrers, repositories, tags
from kubedash.storage.database import Database, WriteSession
from kubedash.workflows.sync_attachments import API, Attachments, ReferrersApi
from kubedash.workflows.sync_entries import entries_of, look_for, record
from kubedash.workflows.sync_manifests import (
    PORTION_BYTES,
    WORKERS,
    Loaded,
    Loader,
    explain,
    is_gone,
    take_placeholders,
    unreadable,
)
from kubedash.workflows.sync_store import store_manifests
from kubedash.workflows.sync_tools import Writer, each

BATCH: Final = 128
"""Tags that are looked at, fetched and written together."""
PIPELINE: Final = 3
"""Batches under way at once, so that one fetches while another one writes."""
SEEN_BY: Final = "crawl"


class Watch(Protocol):
    """Who wants to know how far a repository's crawl is, and may stop it."""

    def listed(self, name: RepositoryName, total: int) -> None: ...

    def looked_at(self, name: RepositoryName, count: int) -> None: ...

    def settled(self, name: RepositoryName, tag: Tag) -> None:
        """Everything up to `tag` (in byte order) is stored: a resumed crawl goes on behind it."""
        ...

    def fine(self) -> None:
        """A request worked."""
        ...

    def failed(self, error: RegistryError) -> None:
        """A request failed; some failures stop the whole crawl."""
        ...

    @property
    def stopped(self) -> bool: ...

    async def may_empty(self) -> bool:
        """Whether the registry is well enough to believe it when a repository has become empty."""
        ...


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What the crawl of one repository needs."""

    repository_id: int
    name: RepositoryName
    client: RegistryClient
    database: Database
    writer: Writer
    api: ReferrersApi
    watch: Watch
    clock: Callable[[], datetime]
    resume_after: str = ""
    """Tags up to this one (in byte order) were settled before a restart."""


class Look(msgspec.Struct):
    """What a batch of tags turned out to point at."""

    digests: dict[Tag, Digest]
    fetched: dict[Digest, FetchedManifest]
    broken: dict[Digest, RegistryError]
    absent: list[Tag]
    failures: dict[Tag, RegistryError]
    postponed: list[Tag] = []
    """Not looked at, as the others fill the portion."""
    weight: int = 0
    """Bytes of `fetched`."""


async def crawl_repository(visit: Visit) -> str | None:
    """Brings the index up to the registry. Answers why it could not in full, or None.

    The outcome is recorded at the repository. Registry errors do not leave it.
    """
    try:
        crawl = await _open(visit)
        reason = await crawl.run()
    except RegistryError as error:
        visit.watch.failed(error)
        reason = explain(error)
        await visit.writer.submit(lambda session: _record_failure(session, visit, reason))
    return reason


async def _record_failure(session: WriteSession, visit: Visit, reason: str) -> None:
    await repositories.record_failure(session, visit.repository_id, reason, visit.clock())


async def _open(visit: Visit) -> _RepositoryCrawl:
    async with visit.database.read() as session:
        known = await tags.known(session, visit.repository_id)
    listing = await _list(visit)
    if not listing and known and not await visit.watch.may_empty():
        raise _doubtful(visit.name)
    visit.watch.listed(visit.name, len(listing))
    return _RepositoryCrawl(visit, known, listing)


async def _list(visit: Visit) -> set[Tag]:
    """All tags of a complete listing; none where the registry says that there is no such repository."""
    found: set[Tag] = set()
    try:
        async for page in visit.client.tags(visit.name):
            found.update(page)
    except RegistryError as error:
        if not is_gone(error):
            raise
        found.clear()
    return found


def _doubtful(name: RepositoryName) -> RegistryError:
    return RegistryError(
        f"The registry says that {name} has no tags any more, but its catalog does not answer: "
        "what was known is kept until it does."
    )


class _RepositoryCrawl:
    def __init__(self, visit: Visit, known: dict[Tag, Digest], listing: set[Tag]) -> None:
        self._visit = visit
        self._known = known
        self._listing = listing
        self._loader = Loader(visit.client, visit.name, self._known_digests)
        self._attachments = Attachments(visit.api, self._loader, visit.name, visit.repository_id)
        self._absent: list[Tag] = []
        self._failures: dict[Tag, RegistryError] = {}
        self._batches: list[list[Tag]] = []
        self._settled: set[int] = set()
        self._next = 0

    async def run(self) -> str | None:
        waiting = sorted(tag for tag in self._listing if tag > self._visit.resume_after)
        self._visit.watch.looked_at(self._visit.name, len(self._listing) - len(waiting))
        self._batches = [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]
        gate = asyncio.Semaphore(PIPELINE)
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._batches)):
                await gate.acquire()
                group.create_task(self._batch(number, gate))
        await self._look_again()
        await self._look_into_indexes()
        gone = await self._confirm_absent()
        reason = self._reason()
        await self._visit.writer.submit(lambda session: self._finish(session, self._listing - gone, reason))
        return reason

    async def _batch(self, number: int, gate: asyncio.Semaphore) -> None:
        batch = waiting = self._batches[number]
        try:
            while waiting and not self._visit.watch.stopped:
                waiting = await self._portion(waiting)
        finally:
            gate.release()
        if waiting:
            return
        self._visit.watch.looked_at(self._visit.name, len(batch))
        self._settle(number, whole=self._failures.keys().isdisjoint(batch))

    async def _portion(self, waiting: Sequence[Tag]) -> list[Tag]:
        """Looks at as many tags as memory has room for, and stores what they point at. Answers the others."""
        look = Look({}, {}, {}, [], {})
        await each(waiting, lambda tag: self._look_at(tag, look), WORKERS)
        wanted = set(look.digests.values()) - look.broken.keys()
        while True:
            loaded = await self._loader.load(look.fetched, wanted)
            self._keep_unreadable(look, loaded)
            self._collect_failures(look, loaded)
            wanted = loaded.postponed
            ready = {tag: digest for tag, digest in look.digests.items() if digest not in wanted}
            await self._store(ready, loaded)
            if not wanted or self._visit.watch.stopped:
                break
        self._absent.extend(look.absent)
        return look.postponed

    async def _look_at(self, tag: Tag, look: Look) -> None:
        """One request: a HEAD where the tag is known, else the manifest at once."""
        if self._visit.watch.stopped:
            return
        if look.weight >= PORTION_BYTES:
            look.postponed.append(tag)
            return
        client, name = self._visit.client, self._visit.name
        try:
            if tag in self._known:
                head = await client.head_manifest(name, tag)
                if head is None:
                    look.absent.append(tag)
                else:
                    look.digests[tag] = head.digest
            else:
                found = await client.get_manifest(name, tag)
                look.digests[tag] = found.digest
                look.fetched[found.digest] = found
                look.weight += len(found.raw)
            self._visit.watch.fine()
        except RegistryError as error:
            await self._look_failed(tag, look, error)

    async def _look_failed(self, tag: Tag, look: Look, error: RegistryError) -> None:
        if is_gone(error):
            look.absent.append(tag)
            return
        if isinstance(error, TooLarge):
            digest = await self._digest_of(tag)
            if digest is not None:
                look.digests[tag] = digest
                look.broken[digest] = error
                return
        look.failures[tag] = error
        self._visit.watch.failed(error)

    async def _digest_of(self, tag: Tag) -> Digest | None:
        try:
            head = await self._visit.client.head_manifest(self._visit.name, tag)
        except RegistryError:
            return None
        return head.digest if head else None

    def _keep_unreadable(self, look: Look, loaded: Loaded) -> None:
        for digest, error in look.broken.items():
            loaded.manifests[digest] = unreadable(digest, error)

    def _collect_failures(self, look: Look, loaded: Loaded) -> None:
        """Tags whose manifest did not arrive keep what they pointed at."""
        for tag, digest in list(look.digests.items()):
            error = loaded.failures.get(digest)
            if error is not None:
                del look.digests[tag]
                look.failures[tag] = error
                self._visit.watch.failed(error)
        self._failures.update(look.failures)

    async def _store(self, digests: dict[Tag, Digest], loaded: Loaded) -> None:
        passing = take_placeholders(loaded)
        changed = [
            (tag, digest)
            for tag, digest in digests.items()
            if (self._known.get(tag) != digest or digest in loaded.manifests) and digest not in passing
        ]
        if not changed and not loaded.manifests:
            return
        by_api = await self._attachments.find(dict(changed), loaded)

        async def write(session: WriteSession) -> None:
            now = self._visit.clock()
            repository_id, pointed_to = self._visit.repository_id, {digest for _, digest in changed}
            await store_manifests(session, repository_id, pointed_to, self._known.values(), loaded, now)
            await tags.observe(session, repository_id, changed, now, SEEN_BY)
            await self._attachments.store(session, changed, by_api, loaded)

        await self._visit.writer.submit(write)

    async def _look_again(self) -> None:
        """Signatures and the like that came to images which were known before."""
        if self._visit.watch.stopped:
            return
        repository_id, now = self._visit.repository_id, self._visit.clock()
        async with self._visit.database.read() as session:
            subjects = to_ask_again(await tags.newest_digests(session, repository_id), now)
            before = await referrers.listed(session, repository_id, subjects, API)
        loaded = Loaded()
        changed = await self._attachments.look_again(subjects, before, loaded)
        if changed:
            await self._visit.writer.submit(
                lambda session: self._attachments.store_again(session, changed, loaded, now)
            )

    async def _look_into_indexes(self) -> None:
        """Entries that were deleted under an index which was known before."""
        if self._visit.watch.stopped:
            return
        repository_id, now = self._visit.repository_id, self._visit.clock()
        async with self._visit.database.read() as session:
            due = to_look_into(await tags.newest_digests(session, repository_id), now)
            before = await entries_of(session, repository_id, due)
        changed = await look_for(self._visit.client, self._visit.name, before)
        if changed.missing or changed.back:
            await self._visit.writer.submit(lambda session: record(session, repository_id, changed, now))

    def _settle(self, number: int, *, whole: bool) -> None:
        """Move the mark for a resumed crawl behind all batches that are stored without a gap."""
        if whole:
            self._settled.add(number)
        while self._next in self._settled:
            self._visit.watch.settled(self._visit.name, self._batches[self._next][-1])
            self._next += 1

    async def _confirm_absent(self) -> set[Tag]:
        """Tags that were listed and then not there: gone where a second listing agrees."""
        if not self._absent or self._visit.watch.stopped:
            return set()
        again = await _list(self._visit)
        gone = {tag for tag in self._absent if tag not in again}
        for tag in self._absent:
            if tag in again:
                self._failures[tag] = RegistryError(
                    "The registry lists the tag and answers 404 for its manifest.",
                    asked=f"manifest of {self._visit.name}:{tag}",
                )
        return gone

    def _reason(self) -> str | None:
        if self._failures:
            tag, error = min(self._failures.items())
            return f"{len(self._failures)} of {len(self._listing)} tags could not be read; {tag}: {explain(error)}"
        return "The crawl was stopped before its end." if self._visit.watch.stopped else None

    async def _finish(self, session: WriteSession, present: set[Tag], reason: str | None) -> None:
        """The listing was complete, so what it lacks is gone, even where some tags failed.

        What came or moved since the crawl began is newer than the listing: an event told of it.
        """
        repository_id, now = self._visit.repository_id, self._visit.clock()
        kept = await tags.known(session, repository_id)
        present = present | {tag for tag, digest in kept.items() if self._known.get(tag) != digest}
        vanished = self._known.keys() - present
        if vanished:
            unused = {self._known[tag] for tag in vanished} - {kept[tag] for tag in kept.keys() - vanished}
            await self._attachments.forget(session, vanished, unused)
        await tags.finish_listing(session, repository_id, present, now)
        await manifests.refresh_sizes(session, repository_id)
        await repositories.recount(session, repository_id)
        if reason is None:
            await repositories.record_synced(session, repository_id, now)
        else:
            await repositories.record_failure(session, repository_id, reason, now)

    async def _known_digests(self, digests: Collection[Digest]) -> set[Digest]:
        if not digests:
            return set()
        async with self._visit.database.read() as session:
            return await manifests.known(session, digests, self._visit.repository_id)
