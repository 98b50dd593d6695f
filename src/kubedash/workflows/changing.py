"""What all changes of a registry share: the place, whose turn it is, and learning what is there now."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import msgspec

from kubedash.errors import Conflict, RegistryError
from kubedash.live import REGISTRIES_TOPIC, registry_topic, repository_topic
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Registry, Repository
from kubedash.registry.client import ManifestHead, RegistryClient
from kubedash.storage import changes, manifests, registries, repositories, tags
from kubedash.storage.database import WriteSession
from kubedash.workflows.browse import discover
from kubedash.workflows.connections import client_of
from kubedash.workflows.lookup import registry_named
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import Loader, is_gone
from kubedash.workflows.sync_tools import each

SEEN_BY_US: Final = "us"
SEEN_ON_THE_WAY: Final = "page"
TURN_SECONDS: Final = 60.0
"""How long somebody who died keeps the others waiting."""
PATIENCE_SECONDS: Final = 65.0
FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 0.5
WORKERS: Final = 48
T = TypeVar("T")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is to be changed."""

    registry: Registry
    repository: Repository
    client: RegistryClient

    @property
    def name(self) -> RepositoryName:
        return self.repository.name

    def target(self, identifier: str) -> str:
        """As the audit trail names it."""
        return target_of(self.registry.name, self.repository.name, identifier)


def target_of(registry: str, repository: RepositoryName, identifier: str) -> str:
    """As the audit trail names a tag or manifest."""
    mark = "@" if ":" in identifier else ":"
    return f"{registry}/{repository}{mark}{identifier}"


async def find_place(services: Services, registry: str, repository: RepositoryName) -> Place:
    """Raises `NotFound`, and the registry's error where the repository is new here and it does not answer."""
    async with services.database.read() as session:
        owner = await registry_named(session, registry)
        found = await repositories.find(session, owner.id, repository)
    if found is None:
        found = await discover(services, owner, repository)
    return Place(registry=owner, repository=found, client=await client_of(services, owner.id))


@asynccontextmanager
async def turn(
    services: Services, repository_id: int, owner: str | None = None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Changes of a repository go one after the other, whichever process makes them.

    An `owner` that died and comes back under its name has its turn again at once.

    Yields what makes the turn last longer; call it before each step. Raises `Conflict`
    where it does not come within a minute.
    """
    owner, pause = owner or uuid.uuid4().hex, FIRST_PAUSE
    give_up = time.monotonic() + PATIENCE_SECONDS

    async def take() -> bool:
        async with services.database.write() as session:
            return await changes.take_turn(session, repository_id, owner, services.clock(), TURN_SECONDS)

    async def renew() -> None:
        if not await take():
            raise Conflict("Another change of this repository took over.", hint="Look at what is there, and try again.")

    while not await take():
        if time.monotonic() > give_up:
            raise Conflict("Another change of this repository is under way.", hint="Try again in a minute.")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    try:
        yield renew
    finally:
        async with services.database.write() as session:
            await changes.end_turn(session, repository_id, owner)


async def ask_each(items: Iterable[T], ask: Callable[[T], Awaitable[None]]) -> None:
    """Side by side. Raises the first error as it is, not as a group."""
    try:
        await each(items, ask, WORKERS)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def list_tags(place: Place) -> set[Tag]:
    """Every tag of a complete listing; none where the registry knows no such repository."""
    found: set[Tag] = set()
    try:
        async for page in place.client.tags(place.name):
            found.update(page)
    except RegistryError as error:
        if not is_gone(error):
            raise
        return set()
    return found


async def heads_of(place: Place, identifiers: Collection[str]) -> dict[str, ManifestHead]:
    """What each leads to now; those that lead nowhere are left out. Raises where one cannot be told."""
    found: dict[str, ManifestHead] = {}

    async def look(identifier: str) -> None:
        head = await place.client.head_manifest(place.name, identifier)
        if head is not None:
            found[identifier] = head

    await ask_each(identifiers, look)
    return found


async def learn(services: Services, place: Place, digests: Collection[Digest]) -> None:
    """Fetches and keeps what the index does not know of these, and all below them.

    What goes must be kept first, and an index that somebody just pushed names what must
    stay. Raises the registry's error where one of them cannot be read now.
    """
    repository_id = place.repository.id

    async def known(wanted: Collection[Digest]) -> set[Digest]:
        async with services.database.read() as session:
            return await manifests.known(session, wanted, repository_id)

    wanted = set(digests)
    unknown = wanted - await known(wanted)
    loader = Loader(place.client, place.name, known)
    while unknown:
        loaded = await loader.load({}, unknown)
        if loaded.failures:
            raise next(iter(loaded.failures.values()))
        async with services.database.write() as session:
            now = services.clock()
            await manifests.add(session, repository_id, tuple(loaded.manifests.values()), now)
            await manifests.mark_missing(session, repository_id, loaded.missing, now)
        unknown = loaded.postponed
    async with services.database.write() as session:
        await manifests.link(session, repository_id, tuple(wanted))


async def note(services: Services, place: Place, pairs: Sequence[tuple[Tag, Digest]]) -> None:
    """What the registry showed just now, so that the history of what is about to change begins with it."""
    async with services.database.write() as session:
        await tags.observe(session, place.repository.id, pairs, services.clock(), SEEN_ON_THE_WAY)


async def sum_up(session: WriteSession, place: Place) -> None:
    """What the lists show of the repository and its registry, after a change."""
    await manifests.refresh_sizes(session, place.repository.id)
    await repositories.recount(session, place.repository.id)
    await registries.tally(session, place.registry.id)


def tell(services: Services, place: Place) -> None:
    """Pages that show the place look again."""
    services.live.publish(repository_topic(place.registry.name, place.name))
    services.live.publish(registry_topic(place.registry.name))
    services.live.publish(REGISTRIES_TOPIC)
