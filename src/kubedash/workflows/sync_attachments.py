"""What hangs on an image: found by the referrers API, the referrers tag, or a manifest's own subject.

cosign's tags (`sha256-….sig`) need nothing here: storage reads them from their names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.oci.referrers import is_machine_tag, parse_attachment_tag
from kubedash.records import Attachment
from kubedash.registry.client import RegistryClient
from kubedash.storage import manifests, referrers
from kubedash.storage.database import WriteSession
from kubedash.workflows.sync_manifests import Loaded, Loader
from kubedash.workflows.sync_tools import each

MAX_REFERRERS: Final = 100
"""Artifacts of one subject that are fetched and kept."""
WORKERS: Final = 16
API: Final = "referrers_api"
TAG: Final = "referrers_tag"
SUBJECT: Final = "subject"


class ReferrersApi:
    """The registry's list of what refers to a digest (distribution-spec, "Listing Referrers")."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._probed = False
        self._first = asyncio.Lock()

    async def of(self, repository: RepositoryName, subject: Digest) -> tuple[Digest, ...] | None:
        """Digests of what refers to the subject; None where the registry cannot say."""
        if not self._probed:
            # One question shows whether there is an API at all; the client remembers the answer.
            async with self._first:
                found = await self._client.referrers(repository, subject)
                self._probed = True
        else:
            found = await self._client.referrers(repository, subject)
        return None if found is None else tuple(descriptor.digest for descriptor in found[:MAX_REFERRERS])


class Attachments:
    """The attachments of one repository, as its crawl meets them."""

    def __init__(self, api: ReferrersApi, loader: Loader, repository: RepositoryName, repository_id: int) -> None:
        self._api = api
        self._loader = loader
        self._repository = repository
        self._repository_id = repository_id
        self._asked: set[Digest] = set()

    async def find(self, digests: dict[Tag, Digest], loaded: Loaded) -> dict[Digest, tuple[Digest, ...]]:
        """Ask the API about every new image; what refers to it is loaded too, and answered by subject.

        A failure counts as nothing found: the image itself is not worse for it.
        """
        subjects = {digest for tag, digest in digests.items() if digest in loaded.manifests and not is_machine_tag(tag)}
        answers = await self._ask(sorted(subjects))
        found = {subject: answer for subject, answer in answers.items() if answer}
        wanted = {digest for answer in found.values() for digest in answer} - loaded.manifests.keys()
        if wanted:
            more = await self._loader.load({}, wanted)
            loaded.manifests.update(more.manifests)
            loaded.missing.update(more.missing)
        return found

    async def look_again(
        self, tagged: Sequence[Digest], before: dict[Digest, frozenset[Digest]], loaded: Loaded
    ) -> dict[Digest, tuple[Digest, ...]]:
        """Ask about images that were known before; answers those on which something else hangs now.

        What is new is put into `loaded`. Nothing is asked twice in a crawl, and no more
        than one question goes to a registry without such an API.
        """
        waiting = [subject for subject in tagged if subject not in self._asked]
        answers = await self._ask(waiting[:1])
        if answers:
            answers |= await self._ask(waiting[1:])
        changed = {
            subject: answer for subject, answer in answers.items() if set(answer) != before.get(subject, frozenset())
        }
        wanted = {digest for answer in changed.values() for digest in answer}
        if wanted:
            more = await self._loader.load({}, wanted)
            loaded.manifests.update(more.manifests)
            loaded.missing.update(more.missing)
        return changed

    async def _ask(self, subjects: Sequence[Digest]) -> dict[Digest, tuple[Digest, ...]]:
        """What the API says of each; those that failed, or that it cannot say, are left out."""
        found: dict[Digest, tuple[Digest, ...]] = {}

        async def ask(subject: Digest) -> None:
            self._asked.add(subject)
            try:
                answer = await self._api.of(self._repository, subject)
            except RegistryError:
                return
            if answer is not None:
                found[subject] = answer

        await each(subjects, ask, WORKERS)
        return found

    async def store_again(
        self, session: WriteSession, by_api: dict[Digest, tuple[Digest, ...]], loaded: Loaded, now: datetime
    ) -> None:
        """Record what `look_again` found."""
        await manifests.add(session, self._repository_id, tuple(loaded.manifests.values()), now)
        await self.store(session, (), by_api, loaded)

    async def store(
        self,
        session: WriteSession,
        moved: Iterable[tuple[Tag, Digest]],
        by_api: dict[Digest, tuple[Digest, ...]],
        loaded: Loaded,
    ) -> None:
        """Record them; the manifests are stored already."""
        for subject, answer in by_api.items():
            await self._replace(session, subject, answer, API)
        for tag, digest in moved:
            machine = parse_attachment_tag(tag)
            if machine is not None and not machine.suffix:
                entries = await manifests.children(session, digest, self._repository_id)
                listed = [entry.digest for entry in entries[:MAX_REFERRERS]]
                await self._replace(session, machine.subject, listed, TAG)
        own = [
            Attachment(
                digest=summary.digest,
                subject=summary.subject,
                kind=str(summary.kind),
                artifact_type=summary.artifact_type,
                size=summary.size,
                created=summary.created,
                attached_by=SUBJECT,
            )
            for summary in loaded.manifests.values()
            if summary.subject is not None
        ]
        await referrers.add(session, self._repository_id, own)

    async def forget(self, session: WriteSession, vanished: Iterable[Tag], unused: Collection[Digest]) -> None:
        """Tags that went: what only they told of is not attached any more."""
        for tag in vanished:
            machine = parse_attachment_tag(tag)
            if machine is not None and not machine.suffix:
                await referrers.replace(session, self._repository_id, machine.subject, (), TAG)
        await referrers.remove(session, self._repository_id, unused, SUBJECT)

    async def _replace(self, session: WriteSession, subject: Digest, digests: Iterable[Digest], how: str) -> None:
        listed = list(digests)
        await manifests.link(session, self._repository_id, listed)
        found = []
        for digest in listed:
            record = await manifests.get(session, self._repository_id, digest)
            if record is not None:
                found.append(
                    Attachment(
                        digest=digest,
                        subject=subject,
                        kind=record.kind,
                        artifact_type=record.artifact_type,
                        size=record.size,
                        created=record.created,
                        attached_by=how,
                    )
                )
        await referrers.replace(session, self._repository_id, subject, found, how)
