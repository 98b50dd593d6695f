"""One image, index, chart or other artifact, with everything that its documents say.

The index answers. A manifest that it does not know is fetched live once, recorded and
shown, so that any address of the registry can be opened.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from kubedash.errors import InvalidInput, NotAllowed, NotFound, RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import (
    Attachment,
    Child,
    ConfigView,
    Image,
    ManifestRecord,
    Record,
    Registry,
    Repository,
    TagRow,
)
from kubedash.registry.errors import Absent
from kubedash.storage import manifests, referrers, repositories, tags
from kubedash.workflows import pull_figures
from kubedash.workflows.browse import discover, refresh_if_due, repository_freshness
from kubedash.workflows.connections import client_of
from kubedash.workflows.image_record import Gathered, compose_image, config_of, holds_secrets
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import Loader

PREFERRED_PLATFORM: Final = "linux/amd64"


class _Place(Record, frozen=True, kw_only=True):
    """Where a reference leads: the repository, the digest, and the tag's row where it has one."""

    registry: Registry
    repository: Repository
    digest: Digest
    row: TagRow | None


async def open_image(
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    platform: str | None = None,
    *,
    reveal: bool = False,
) -> Image:
    """The whole of one image. Of an index, configuration and layers are those of `platform`.

    Without a `platform` that is linux/amd64, else the first one. `reveal` shows values
    that look secret and needs a role that may see them. Raises `NotFound`, and the
    registry's own error where something has to be fetched and cannot be.
    """
    access.require(actor, Permission.IMAGES_READ)
    if reveal:
        access.require(actor, Permission.IMAGES_REVEAL)
    place, record = await _open(services, registry, reference)
    gathered = await _gather(services, place, record, platform)
    job = await refresh_if_due(services, place.registry, place.repository)
    freshness = repository_freshness(services, place.registry, place.repository, job)
    return compose_image(gathered, reference, freshness, reveal=reveal)


async def open_manifest(services: Services, actor: Actor, registry: str, reference: Reference) -> ManifestRecord:
    """The manifest with its exact bytes. Raises like `open_image`.

    A manifest of schema 1 holds the image's configuration: where values of it look secret,
    the bytes are for those who may see them. Raises `NotAllowed` for others.
    """
    access.require(actor, Permission.IMAGES_READ)
    _, record = await _open(services, registry, reference)
    if not access.allows(actor, Permission.IMAGES_REVEAL) and holds_secrets(record):
        raise NotAllowed(
            "This manifest repeats the image's environment, with values that look secret.",
            hint="A maintainer may see it. The other tabs show the same with those values masked.",
        )
    return record


async def open_config(
    services: Services,
    actor: Actor,
    registry: str,
    reference: Reference,
    platform: str | None = None,
    *,
    reveal: bool = False,
) -> ConfigView:
    """What a container of the image starts with. Raises `NotFound` where it has no image config."""
    access.require(actor, Permission.IMAGES_READ)
    if reveal:
        access.require(actor, Permission.IMAGES_REVEAL)
    place, record = await _open(services, registry, reference)
    children = await _children(services, place, record)
    shown, _ = await _shown(services, place, record, children, platform)
    view = config_of(shown, reveal=reveal)
    if view is None:
        raise NotFound(f"{reference} has no image configuration.")
    return view


async def open_platforms(
    services: Services, actor: Actor, registry: str, repository: RepositoryName, digest: Digest
) -> tuple[Child, ...]:
    """The entries of an index that run somewhere, in its order; attestations are left out."""
    access.require(actor, Permission.IMAGES_READ)
    reference = Reference(repository, digest=digest)
    place, record = await _open(services, registry, reference)
    return tuple(child for child in await _children(services, place, record) if child.attests is None)


async def _open(services: Services, registry: str, reference: Reference) -> tuple[_Place, ManifestRecord]:
    """The manifest a reference leads to: from the index, else fetched once."""
    async with services.database.read() as session:
        owner = await registry_named(session, registry)
        found = await repositories.find(session, owner.id, reference.repository)
        row = await tags.find(session, found.id, reference.tag) if found and reference.tag else None
        digest = row.digest if row else reference.digest
        record = await manifests.get(session, found.id, digest) if found and digest else None
    if found is None:
        found = await discover(services, owner, reference.repository)
    if record is None:
        record = await _fetch(services, owner, found, row.digest if row else reference.identifier)
    place = _Place(registry=owner, repository=found, digest=record.digest, row=row)
    if row is None and reference.tag:
        place = await _note_tag(services, place, reference.tag)
    return place, record


async def _note_tag(services: Services, place: _Place, tag: Tag) -> _Place:
    """A tag that was fetched by name is a tag that exists: remember it."""
    async with services.database.write() as session:
        await tags.observe(session, place.repository.id, ((tag, place.digest),), services.clock(), "page")
        row = await tags.find(session, place.repository.id, tag)
    return msgspec.structs.replace(place, row=row)


async def _fetch(services: Services, registry: Registry, repository: Repository, identifier: str) -> ManifestRecord:
    """Fetches, records and answers one manifest with all that it needs.

    Raises `NotFound` or the registry's error.
    """
    client = await client_of(services, registry.id)

    async def known(digests: Collection[Digest]) -> set[Digest]:
        async with services.database.read() as session:
            return await manifests.known(session, digests, repository.id)

    try:
        fetched = await client.get_manifest(repository.name, identifier)
    except Absent as error:
        raise _absent(registry, repository, identifier) from error
    loader, wanted = Loader(client, repository.name, known), {fetched.digest}
    while wanted:
        loaded = await loader.load({fetched.digest: fetched}, wanted)
        if fetched.digest in loaded.failures:
            raise loaded.failures[fetched.digest]
        wanted = loaded.postponed
        async with services.database.write() as session:
            now = services.clock()
            await manifests.add(session, repository.id, tuple(loaded.manifests.values()), now)
            await manifests.mark_missing(session, repository.id, loaded.missing, now)
    async with services.database.write() as session:
        await manifests.link(session, repository.id, (fetched.digest,))
        record = await manifests.get(session, repository.id, fetched.digest)
    if record is None:
        raise _absent(registry, repository, identifier)
    return record


def _absent(registry: Registry, repository: Repository, identifier: str) -> NotFound:
    what = "manifest" if ":" in identifier else "tag"
    return NotFound(
        f"{registry.name}/{repository.name} has no {what} {identifier}.", hint="It may have been deleted or moved."
    )


async def _children(services: Services, place: _Place, record: ManifestRecord) -> tuple[Child, ...]:
    async with services.database.read() as session:
        return await manifests.children(session, record.digest, place.repository.id)


async def _shown(
    services: Services, place: _Place, record: ManifestRecord, children: tuple[Child, ...], platform: str | None
) -> tuple[ManifestRecord, str | None]:
    """The manifest whose configuration and layers are shown: itself, or a platform of the index.

    A platform that cannot be had leaves the index itself, with the reason.
    """
    chosen = choose_child(children, platform)
    if chosen is None:
        return record, None
    async with services.database.read() as session:
        known = await manifests.get(session, place.repository.id, chosen.digest)
    if known is not None:
        return known, None
    try:
        return await _fetch(services, place.registry, place.repository, chosen.digest), None
    except (RegistryError, NotFound) as error:
        return record, f"{chosen.platform or chosen.digest} cannot be shown: {error.message}"


def choose_child(children: tuple[Child, ...], platform: str | None) -> Child | None:
    """The entry of an index to show. Raises `InvalidInput` where no entry has that platform."""
    runnable = [child for child in children if child.attests is None]
    if platform is not None:
        for child in runnable:
            if platform in (child.platform, child.digest):
                return child
        raise InvalidInput(f"There is no platform {platform[:80]!r} in it.", fields={"platform": "not in the index"})
    preferred = [child for child in runnable if child.platform == PREFERRED_PLATFORM]
    return next(iter(preferred or runnable), None)


async def _gather(services: Services, place: _Place, record: ManifestRecord, platform: str | None) -> Gathered:
    children = await _children(services, place, record)
    shown, problem = await _shown(services, place, record, children, platform)
    row = place.row
    async with services.database.read() as session:
        if row is not None:
            row = await pull_figures.beside_tag(session, place.registry, place.repository, row, services.clock())
        same = await tags.of_digest(session, place.repository.id, record.digest)
        parents = await manifests.parents(session, place.repository.id, record.digest)
        attached = await referrers.of_subjects(session, place.repository.id, {record.digest, shown.digest})
    attachments: dict[Digest, Attachment] = {}
    for digest in (record.digest, shown.digest):
        for attachment in attached.get(digest, ()):
            attachments.setdefault(attachment.digest, attachment)
    return Gathered(
        registry=place.registry.name,
        row=row,
        record=record,
        shown=shown,
        shown_problem=problem,
        children=children,
        tags=same,
        parents=parents,
        attachments=tuple(attachments.values()),
    )
