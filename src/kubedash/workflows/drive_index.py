"""Registry events keep the index current: pushes and deletions at once, pulls as counts.

Events are worked off in the order of their arrival. How far is written together with the
counts, so that a process that dies counts nothing twice and forgets nothing; what is
asked of registries may be asked again after a crash, which does no harm.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from kubedash.errors import KubedashError, RegistryError
from kubedash.live import REGISTRIES_TOPIC, registry_topic, repository_topic
from kubedash.oci.reference import RepositoryName
from kubedash.policy import gaps
from kubedash.policy.touches import Report, Repositories, Told, Touched, touched_by
from kubedash.registry.client import RegistryClient
from kubedash.storage import event_feed, event_rollups, events, pulls, registries, repositories
from kubedash.storage.database import ReadSession, WriteSession
from kubedash.storage.event_feed import Arrived
from kubedash.workflows.connections import client_of
from kubedash.workflows.services import Services
from kubedash.workflows.sync_manifests import explain
from kubedash.workflows.sync_tools import each
from kubedash.workflows.sync_touched import bring_up_to_date

CURSOR: Final = "index"
BATCH: Final = 1_000
LEASE: Final = timedelta(seconds=20)
SIDE_BY_SIDE: Final = 8
"""Repositories of one registry that are brought up to date at once."""
REGISTRIES_AT_ONCE: Final = 32
PATIENCE_SECONDS: Final = 15.0
"""How long one registry may keep the others' events waiting."""
PAUSE_AFTER_FAILURE: Final = timedelta(seconds=30)
MAX_STRANGERS: Final = 20
"""Unknown repositories of one registry that are asked about for one batch: anybody may name one."""
FORGET_STRANGERS: Final = timedelta(minutes=10)
_MAX_REMEMBERED: Final = 10_000
_PULL: Final = "pull"

log = structlog.get_logger(__name__)
Key = tuple[int, RepositoryName]


class IndexDriver:
    """One in each process; `owner` names it. Only one of them works at a time."""

    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._owner = owner
        self._renew_at: datetime | None = None
        self._failing: dict[int, datetime] = {}
        self._strangers: dict[Key, datetime] = {}
        self._later: dict[Key, Touched] = {}
        self._targets: set[tuple[int, str]] = set()
        """Repository and tag or digest, of those that were found to be known."""

    async def step(self) -> bool:
        """Work off some events; whether there may be more at once. Costs one query where there are none."""
        position, newest = await self._services.database.read_in_one(_position_and_newest)
        idle = not self._later and newest <= position
        if idle or not await self._is_our_turn():
            return False
        counted = await self._services.counting.beyond(position)
        position, arrived = await self._services.database.read_in_one(lambda session: _next(session, counted))
        await self._do_later()
        if not arrived:
            return False
        known = [arrival for arrival in arrived if arrival.registry_id is not None]
        await self._bring_up_to_date(touched_by(map(_report, filter(_names_repository, known))))
        await self._fill_gaps(known)
        await self._keep(position, arrived[-1].id, known)
        return arrived[-1].id < newest

    async def _is_our_turn(self) -> bool:
        now = self._services.clock()
        if self._renew_at is None or now >= self._renew_at:
            async with self._services.database.write() as session:
                ours = await event_feed.take_turn(session, CURSOR, self._owner, now, LEASE)
            self._renew_at = now + LEASE / 2 if ours else None
        return self._renew_at is not None

    async def close(self) -> None:
        """Let another process go on at once."""
        self._renew_at = None
        async with self._services.database.write() as session:
            await event_feed.give_turn(session, CURSOR, self._owner)

    async def _bring_up_to_date(self, touched: Repositories) -> None:
        by_registry: defaultdict[int, dict[RepositoryName, Touched]] = defaultdict(dict)
        for (registry_id, name), what in touched.items():
            by_registry[registry_id][name] = what
        await each(by_registry.items(), lambda item: self._registry(*item), REGISTRIES_AT_ONCE)

    async def _registry(self, registry_id: int, touched: dict[RepositoryName, Touched]) -> None:
        """All that events said of one registry; what cannot be found out now is left to a crawl."""
        async with self._services.database.read() as session:
            registry = await registries.by_id(session, registry_id)
            ids = await repositories.ids_of(session, registry_id, touched)
        if registry is None:
            return
        waiting = self._worth_asking(registry_id, touched, ids)
        if not waiting:
            return
        changed = await _Visit(self, registry_id, registry.name, frozenset(ids)).run(waiting)
        if changed:
            async with self._services.database.write() as session:
                await registries.recount(session, registry_id)
            self._services.live.publish(registry_topic(registry.name))
            self._services.live.publish(REGISTRIES_TOPIC)

    def _worth_asking(
        self, registry_id: int, touched: dict[RepositoryName, Touched], ids: Collection[RepositoryName]
    ) -> dict[RepositoryName, Touched]:
        """Changes, and a few of the repositories that are not known here."""
        now = self._services.clock()
        self._strangers = {key: at for key, at in self._strangers.items() if now - at < FORGET_STRANGERS}
        found: dict[RepositoryName, Touched] = {}
        strangers = 0
        for name, what in touched.items():
            if name in ids:
                if what.changes:
                    found[name] = what
            elif strangers < MAX_STRANGERS and ((registry_id, name) not in self._strangers or what.changes):
                strangers += 1
                found[name] = what
        return found

    def is_failing(self, registry_id: int) -> bool:
        until = self._failing.get(registry_id)
        return until is not None and self._services.clock() < until

    def failed(self, registry_id: int, error: RegistryError) -> None:
        log.info("a registry could not be asked about its events", registry=registry_id, reason=explain(error))
        self._failing[registry_id] = self._services.clock() + PAUSE_AFTER_FAILURE

    def unknown(self, key: Key) -> None:
        """The registry has no such repository: not asked again for a while."""
        if len(self._strangers) < _MAX_REMEMBERED:
            self._strangers[key] = self._services.clock()

    def try_later(self, key: Key, touched: Touched) -> None:
        """When the registry answers again, and no crawl is at the repository that asked before the event.

        Kept in memory alone: what a crash loses here, a crawl finds.
        """
        if key in self._later:
            self._later[key].tags.update(touched.tags)
            self._later[key].pushed.update(touched.pushed)
        elif len(self._later) < _MAX_REMEMBERED:
            self._later[key] = touched

    async def _do_later(self) -> None:
        waiting = [key for key in self._later if not self.is_failing(key[0])]
        if not waiting:
            return
        async with self._services.database.read() as session:
            now = self._services.clock()
            free = [key for key in waiting if not await repositories.is_claimed(session, *key, now)]
        await self._bring_up_to_date({key: self._later.pop(key) for key in free})

    @property
    def services(self) -> Services:
        return self._services

    async def _fill_gaps(self, arrived: Sequence[Arrived]) -> None:
        """Crawls the registries whose events may have holes."""
        for registry_id, told in _by_registry(arrived).items():
            named = {arrival.instance for arrival in told if arrival.instance}
            async with self._services.database.read() as session:
                watch = await event_feed.watch(session, registry_id)
                known = await event_feed.instances(session, registry_id)
                registry = await registries.by_id(session, registry_id)
            now = self._services.clock()
            if registry is None or watch is None or not gaps.may_crawl(watch.crawled_at, now):
                continue
            if gaps.is_gap(known, named, watch.last_at, min(arrival.received_at for arrival in told)):
                log.info("events may be missing, so the registry is crawled", registry=registry.name)
                await self._services.jobs.sync_registry(registry.name)
                async with self._services.database.write() as session:
                    await event_feed.note_crawl(session, registry_id, now)

    async def _keep(self, position: int, upto: int, arrived: Sequence[Arrived]) -> None:
        """Counts, and how far we are, in one transaction; nothing where another process was first."""
        counted = await self._of_known(await self._pulls(arrived))

        async def keep(session: WriteSession) -> None:
            if await event_feed.is_at(session, CURSOR, position):
                await self._note(session, arrived)
                await pulls.add(session, counted)
                await event_rollups.move(session, CURSOR, upto, self._services.clock())

        await self._services.database.write_in_one(keep)

    async def _pulls(self, arrived: Sequence[Arrived]) -> list[pulls.Counted]:
        """The pulls among them, of repositories that are known; no later than now."""
        async with self._services.database.read() as session:
            ids = await _repository_ids(session, arrived)
        now = self._services.clock()
        return [
            pulls.Counted(where, arrival.pulled, min(arrival.at, now))
            for arrival in arrived
            if arrival.is_pull and (where := ids.get((arrival.registry_id or 0, arrival.repository or "")))
        ]

    async def _of_known(self, counted: list[pulls.Counted]) -> list[pulls.Counted]:
        """The same, each of a tag or digest that is known, or of its repository alone."""
        fresh = [pull for pull in counted if (pull.repository_id, pull.target) not in self._targets]
        if not fresh:
            return counted
        async with self._services.database.read() as session:
            found = await pulls.of_known(session, fresh)
        self._targets.update((pull.repository_id, pull.target) for pull in found if pull.target != pulls.WHOLE)
        known = [pull for pull in counted if (pull.repository_id, pull.target) in self._targets]
        if len(self._targets) > _MAX_REMEMBERED:
            self._targets.clear()
        return [*known, *_whole(found)]

    async def _note(self, session: WriteSession, arrived: Sequence[Arrived]) -> None:
        for registry_id, told in _by_registry(arrived).items():
            if await registries.by_id(session, registry_id) is None:
                continue
            await event_feed.note_watch(session, registry_id, told)
            named = {arrival.instance for arrival in told if arrival.instance}
            await event_feed.note_instances(session, registry_id, named, told[-1].received_at)


async def _position_and_newest(session: ReadSession) -> tuple[int, int]:
    return (await event_rollups.position(session, CURSOR))[0], await events.last_id(session)


async def _next(session: ReadSession, counted: int) -> tuple[int, Sequence[Arrived]]:
    """Where we are, and the next events behind it that are counted."""
    position, _ = await event_rollups.position(session, CURSOR)
    return position, await event_feed.behind(session, position, counted, BATCH)


class _Visit:
    """The events of one registry; `known` are its repositories that we know of."""

    def __init__(self, driver: IndexDriver, registry_id: int, registry: str, known: Collection[RepositoryName]) -> None:
        self._driver = driver
        self._services = driver.services
        self._registry_id = registry_id
        self._registry = registry
        self._known = known
        self._changed = False

    async def run(self, touched: dict[RepositoryName, Touched]) -> bool:
        """Whether anything changed."""
        waiting = dict(touched)
        if self._driver.is_failing(self._registry_id):
            await self._postpone(waiting)
            return False
        try:
            client = await client_of(self._services, self._registry_id)
        except KubedashError as error:
            log.warning("events of a registry cannot be followed", registry=self._registry, reason=error.message)
            await self._postpone(waiting)
            return False

        async def visit(item: tuple[RepositoryName, Touched]) -> None:
            await self._repository(client, *item)
            waiting.pop(item[0], None)

        work = asyncio.create_task(each(list(touched.items()), visit, SIDE_BY_SIDE))
        done, _ = await asyncio.wait((work,), timeout=PATIENCE_SECONDS)
        if done:
            work.result()
        else:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self._postpone(waiting)
        return self._changed

    async def _repository(self, client: RegistryClient, name: RepositoryName, touched: Touched) -> None:
        if self._driver.is_failing(self._registry_id):
            await self._postpone({name: touched})
            return
        try:
            outcome = await bring_up_to_date(self._services, client, self._registry_id, name, touched)
        except RegistryError as error:
            self._driver.failed(self._registry_id, error)
            await self._postpone({name: touched})
            return
        if outcome.repository_id is None:
            self._driver.unknown((self._registry_id, name))
            return
        self._changed = True
        async with self._services.database.read() as session:
            claimed = await repositories.is_claimed(session, self._registry_id, name, self._services.clock())
        if claimed:
            # The crawl may have asked before the event: ask once more after it.
            again = Touched(tags=dict.fromkeys(touched.tags, Told()))
            self._driver.try_later((self._registry_id, name), again)
        if outcome.new or outcome.doubtful or touched.whole:
            await self._services.jobs.sync_repository(self._registry, name, again=True)
        self._services.live.publish(repository_topic(self._registry, name))

    async def _postpone(self, touched: dict[RepositoryName, Touched]) -> None:
        """Left to crawls; what we do not know is not crawled, as anybody may have made it up."""
        for name, what in touched.items():
            if name in self._known:
                await self._services.jobs.sync_repository(self._registry, name, again=True)
            elif what.changes:
                self._driver.try_later((self._registry_id, name), what)


async def _repository_ids(session: ReadSession, arrived: Sequence[Arrived]) -> dict[tuple[int, str], int]:
    """Ids of the repositories that were pulled from and are known here."""
    names: defaultdict[int, set[str]] = defaultdict(set)
    for arrival in arrived:
        if arrival.is_pull and arrival.repository and arrival.registry_id is not None:
            names[arrival.registry_id].add(arrival.repository)
    found: dict[tuple[int, str], int] = {}
    for registry_id, wanted in names.items():
        ids = await repositories.ids_of(session, registry_id, wanted)
        found.update({(registry_id, name): identifier for name, identifier in ids.items()})
    return found


def _whole(counted: Iterable[pulls.Counted]) -> list[pulls.Counted]:
    return [pull for pull in counted if pull.target == pulls.WHOLE]


def _by_registry(arrived: Iterable[Arrived]) -> dict[int, list[Arrived]]:
    found: defaultdict[int, list[Arrived]] = defaultdict(list)
    for arrival in arrived:
        if arrival.registry_id is not None:
            found[arrival.registry_id].append(arrival)
    return dict(found)


def _names_repository(arrival: Arrived) -> bool:
    """Our own looking at something teaches nothing."""
    return bool(arrival.repository) and not (arrival.own and arrival.action == _PULL)


def _report(arrival: Arrived) -> Report:
    return Report(
        arrival.registry_id or 0,
        arrival.action,
        arrival.repository or "",
        arrival.tag,
        arrival.digest,
        arrival.media_type,
        arrival.actor,
    )
