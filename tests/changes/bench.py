"""A registry, a house that knows it, and short words for what tests do to both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.deletion import PLAIN, DeletionChoices
from kubedash.records import (
    AuditQuery,
    ChangeOutcome,
    DeletionPlan,
    Page,
    RegistrySecrets,
    RegistrySettings,
    RetagPlan,
    TagHistory,
)
from kubedash.registry.client import RegistryClient
from kubedash.workflows import audit, change_results, delete_tag, registries, restore, retag, tag_history
from kubedash.workflows.change_results import ChangeResult
from kubedash.workflows.connections import client_of
from kubedash.workflows.services import Services
from tests.support.browsing import settle
from tests.support.services import ADMIN, open_house

NAME = "sample"


class Bench:
    """One repository of the registry `sample`, looked at through the house and through the registry itself."""

    def __init__(self, services: Services, client: RegistryClient, repository: str) -> None:
        self.services = services
        self.client = client
        self.repository = RepositoryName(repository)

    def reference(self, text: str) -> Reference:
        if ":" in text:
            return Reference(self.repository, digest=Digest(text))
        return Reference(self.repository, tag=Tag(text))

    async def crawl(self) -> None:
        await settle(self.services, NAME)

    async def plan(self, text: str, choices: DeletionChoices = PLAIN) -> DeletionPlan:
        return await delete_tag.plan(self.services, ADMIN, NAME, self.reference(text), choices)

    async def delete(self, text: str, expected: str | None = None, choices: DeletionChoices = PLAIN) -> ChangeOutcome:
        wanted = Digest(expected) if expected else None
        return await delete_tag.execute(self.services, ADMIN, NAME, self.reference(text), wanted, choices)

    async def retag(self, source: str, tag: str, expected: str | None = None) -> ChangeOutcome:
        return await retag.execute(self.services, ADMIN, NAME, self.reference(source), Tag(tag), expected)

    async def plan_retag(self, source: str, tag: str) -> RetagPlan:
        return await retag.plan(self.services, ADMIN, NAME, self.reference(source), Tag(tag))

    async def restore(self, tag: str, digest: str | None = None, expected: str | None = None) -> ChangeOutcome:
        wanted = Digest(digest) if digest else None
        return await restore.restore_tag(self.services, ADMIN, NAME, self.reference(tag), wanted, expected)

    async def plan_restore(self, tag: str, digest: str | None = None) -> RetagPlan:
        wanted = Digest(digest) if digest else None
        return await restore.plan(self.services, ADMIN, NAME, self.reference(tag), wanted)

    async def result(self, outcome: ChangeOutcome) -> ChangeResult:
        """What the page of a deletion says when it is opened later."""
        reference = self.reference(outcome.tag or outcome.old_digest or "")
        return await change_results.open_deletion_result(self.services, ADMIN, NAME, reference, outcome.at)

    async def history(self, tag: str) -> TagHistory:
        return await tag_history.open_tag_history(self.services, ADMIN, NAME, self.repository, Tag(tag))

    async def digest(self, identifier: str) -> str | None:
        """What it leads to in the registry itself."""
        head = await self.client.head_manifest(self.repository, identifier)
        return head.digest if head else None

    async def tags(self) -> dict[str, str | None]:
        """Every tag of the registry itself, and what it leads to."""
        names = [tag async for page in self.client.tags(self.repository) for tag in page]
        return {tag: await self.digest(tag) for tag in sorted(names)}

    async def audit(self, **filters: Any) -> Page[Any]:
        return await audit.open_audit(self.services, ADMIN, AuditQuery(**filters))


@asynccontextmanager
async def bench_at(
    folder: Path, url: str, repository: str, *, protected: tuple[str, ...] = (), **environ: str
) -> AsyncIterator[Bench]:
    """With the registry added and not yet read; deleting is turned on unless `environ` says otherwise."""
    async with open_house(folder, **{"DELETE_IMAGES": "true", "KUBEDASH_SYNC_INTERVAL": "0", **environ}) as services:
        settings = RegistrySettings(name=NAME, title="Sample", url=url, protected_tags=protected)
        added = await registries.add_registry(services, ADMIN, settings, RegistrySecrets(), test=False)
        yield Bench(services, await client_of(services, added.id), repository)
