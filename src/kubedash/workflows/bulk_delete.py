"""Deleting many tags of a repository: chosen by rules, planned in one exact dry run, done by one durable job.

The plan asks the registry about every tag of the repository, so it shows what is there now;
the job (`bulk_run`) deletes them one by one as `delete_tag` does, with all its care.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kubedash.errors import Conflict, InvalidInput, Moved, NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy import access, bulk
from kubedash.policy.access import Actor, Permission
from kubedash.policy.bulk import Candidate, Chosen, Ground
from kubedash.policy.deletion import PLAIN, DeletionChoices
from kubedash.records import (
    BulkJob,
    BulkOutcome,
    BulkPlan,
    BulkTag,
    ItemState,
    Job,
    JobItem,
    Record,
    Selection,
)
from kubedash.storage import candidates, jobs, pulls, referrers, sizes, tags
from kubedash.storage.jobs import Piece
from kubedash.workflows.abilities import abilities_of
from kubedash.workflows.changing import SEEN_ON_THE_WAY, Place, find_place, heads_of, learn, list_tags
from kubedash.workflows.services import Services
from kubedash.workflows.settle_changes import settle_place
from kubedash.workflows.work import DELETE_TAGS, new_order, plain, text_subclass

MAX_PROBLEMS: Final = 100
_FREED_LATER: Final = (
    "The bytes are free when the registry has collected its garbage; until then every tag can be restored from its "
    "history."
)


class BulkSpec(Record, frozen=True, kw_only=True):
    """What the job was asked for; its tags are its pieces."""

    registry_id: int
    registry: str
    repository: RepositoryName
    selection: Selection
    take_orphans: bool
    expected: str
    """What was shown, so that another choice is not taken for this one."""


async def plan(
    services: Services,
    actor: Actor,
    registry: str,
    repository: RepositoryName,
    selection: Selection,
    choices: DeletionChoices = PLAIN,
) -> BulkPlan:
    """What deleting the chosen tags would do, asked of the registry now; nothing is done.

    Raises `InvalidInput` for a selection that chooses nothing by itself, `NotFound`, and the
    registry's error where it cannot be asked.
    """
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)
    bulk.check_selection(selection)
    place = await find_place(services, registry, repository)
    await settle_place(services, place)
    return await _plan(services, place, selection, choices)


async def execute(
    services: Services,
    actor: Actor,
    registry: str,
    repository: RepositoryName,
    selection: Selection,
    shown: Shown,
) -> Job:
    """Plan anew and queue the deletion of exactly what was shown.

    Raises `Moved` where the tags or what they lead to are not those any more, `Conflict`
    where nothing can be deleted, and as `plan` does; nothing is done then.
    """
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)
    bulk.check_selection(selection)
    if shown.expected is None:
        raise InvalidInput(
            "What was shown has to be confirmed.",
            fields={"expected": "is needed"},
            hint="Plan it first, and give the plan's `expected` back.",
        )
    place = await find_place(services, registry, repository)
    await settle_place(services, place)
    choices = DeletionChoices(take_orphans=shown.take_orphans)
    planned = await _plan(services, place, selection, choices)
    if planned.refused is not None:
        raise Conflict(planned.refused, hint=planned.remedy)
    if planned.expected != shown.expected:
        raise Moved(
            f"What this chooses has changed since it was shown: it is {planned.removes} tags now. Nothing was done.",
            hint="Look at the plan again.",
        )
    spec = BulkSpec(
        registry_id=place.registry.id,
        registry=place.registry.name,
        repository=place.name,
        selection=selection,
        take_orphans=shown.take_orphans,
        expected=planned.expected,
    )
    key = f"{DELETE_TAGS} {place.registry.name}/{place.name}"
    order = new_order(actor, DELETE_TAGS, key, (place.registry.name, place.name), plain(spec))
    return await services.jobs.begin(order, [_piece(number, tag) for number, tag in enumerate(_going(planned.tags))])


class Shown(Record, frozen=True, kw_only=True):
    """What somebody saw and confirmed: the plan's `expected`, and the choice that was made with it."""

    expected: str | None
    take_orphans: bool = False


async def open_bulk(services: Services, actor: Actor, job_id: str) -> BulkJob:
    """A bulk deletion as it stands. Raises `NotFound`."""
    access.require(actor, Permission.JOBS_READ)
    job = await services.jobs.find(job_id) if job_id.isprintable() else None
    async with services.database.read() as session:
        order = await jobs.order(session, job_id)
        if job is None or order is None or job.kind != DELETE_TAGS:
            raise NotFound(f"No bulk deletion has the id {job_id[:80]!r}.", hint="They are forgotten after some weeks.")
        tally = await jobs.tally(session, job_id)
        problems = await jobs.items(session, job_id, ItemState.FAILED, limit=MAX_PROBLEMS)
    spec = spec_of(order)
    return BulkJob(
        job=job,
        registry=spec.registry,
        repository=spec.repository,
        selection=spec.selection,
        take_orphans=spec.take_orphans,
        outcome=outcome_of(tally),
        problems=problems,
    )


def spec_of(order: jobs.Order) -> BulkSpec:
    """The specification of a bulk deletion's order."""
    return msgspec.convert(order.spec, BulkSpec, dec_hook=text_subclass)


def outcome_of(tally: dict[ItemState, tuple[int, int]]) -> BulkOutcome:
    """How many pieces stand how."""
    counts = {state: number for state, (number, _) in tally.items()}
    return BulkOutcome(
        tags=sum(counts.values()),
        deleted=counts.get(ItemState.DONE, 0),
        skipped=counts.get(ItemState.SKIPPED, 0),
        failed=counts.get(ItemState.FAILED, 0),
        waiting=counts.get(ItemState.WAITING, 0) + counts.get(ItemState.DOING, 0),
    )


async def look_around(services: Services, place: Place) -> dict[Tag, Digest]:
    """Every tag of the repository and where it leads now; the index learns what it did not know."""
    listing = await list_tags(place)
    heads = await heads_of(place, listing)
    pointing = {Tag(name): head.digest for name, head in heads.items()}
    await learn(services, place, set(pointing.values()))
    async with services.database.write() as session:
        await tags.observe(session, place.repository.id, list(pointing.items()), services.clock(), SEEN_ON_THE_WAY)
    return pointing


async def _plan(services: Services, place: Place, selection: Selection, choices: DeletionChoices) -> BulkPlan:
    pointing = await look_around(services, place)
    now = services.clock()
    async with services.database.read() as session:
        known = await candidates.of_repository(session, place.repository.id)
        since = await pulls.watched_since(session, place.registry.id)
    present = [found for found in known if pointing.get(found.name) == found.digest]
    chosen = bulk.choose(present, selection, since, now)
    ground = await _ground(services, place, pointing, chosen.tags)
    planned = bulk.plan_tags(bulk.order(chosen.tags), ground, choices, now)
    alone = bulk.left_alone(planned, ground)
    async with services.database.read() as session:
        freed = await sizes.needed_by_none_but(session, place.registry.id, place.repository.id, alone)
        attached = await referrers.of_subjects(session, place.repository.id, alone)
    refused, remedy = _refusal(planned)
    removes = len(_going(planned))
    return BulkPlan(
        registry=place.registry.name,
        repository=place.name,
        selection=selection,
        expected=bulk.fingerprint(planned),
        tags=planned,
        removes=removes,
        conflicts=len(planned) - removes,
        strategies=bulk.strategies_of(planned),
        digests=len(alone),
        stays=len(pointing) - len(planned),
        unknown_age=chosen.unknown_age,
        unknown_pulls=chosen.unknown_pulls,
        take_orphans=choices.take_orphans,
        orphans=sum(map(len, attached.values())),
        bytes_freed=freed,
        warnings=_warnings(planned, chosen, len(pointing), attached=bool(attached) and not choices.take_orphans),
        refused=refused,
        remedy=remedy,
        capabilities=ground.capabilities,
        planned_at=now,
    )


async def _ground(services: Services, place: Place, pointing: dict[Tag, Digest], chosen: Sequence[Candidate]) -> Ground:
    able = await abilities_of(services, place.registry, place.client, place.name)
    async with services.database.read() as session:
        named = await candidates.parents_of(session, place.repository.id, {found.digest for found in chosen})
    tagged = set(pointing.values())
    untagged = {parent for parents in named.values() for parent in parents} - tagged
    live = tagged | {Digest(name) for name in await heads_of(place, untagged)}
    return Ground(
        registry=place.registry.name,
        repository=place.name,
        pointing=pointing,
        parents={digest: parents & live for digest, parents in named.items()},
        capabilities=able,
        protected_tags=place.registry.protected_tags,
    )


def _refusal(planned: Sequence[BulkTag]) -> tuple[str | None, str | None]:
    """Why nothing of it can be done; nothing where something can."""
    if not planned:
        return "No tag is chosen by this.", (
            "Look at the rules: a pattern is of the whole name, upper and lower case are different, and what is not"
            " known never counts against a tag."
        )
    if all(tag.refused is not None for tag in planned):
        first = planned[0]
        same = all(tag.refused == first.refused for tag in planned)
        return (first.refused, first.remedy) if same else ("None of these tags can be deleted.", first.remedy)
    return None, None


def _warnings(planned: Sequence[BulkTag], chosen: Chosen, tags_now: int, *, attached: bool) -> tuple[str, ...]:
    going = len(_going(planned))
    found = [_FREED_LATER] if going else []
    if going == tags_now and going:
        found.append("No tag is left then; most registries go on listing the empty repository.")
    if attached:
        found.append("Signatures, SBOMs and other attachments stay behind, unless they are taken along.")
    if chosen.unknown_age:
        found.append(_left_out(chosen.unknown_age, "when", "made"))
    if chosen.unknown_pulls:
        found.append(_left_out(chosen.unknown_pulls, "whether", "pulled"))
    return tuple(found)


def _left_out(number: int, word: str, done: str) -> str:
    tags_were, they_were = ("1 tag was", "it was") if number == 1 else (f"{number} tags were", "they were")
    return f"{tags_were} left out: it is not known {word} {they_were} {done}."


def _going(planned: Sequence[BulkTag]) -> list[BulkTag]:
    return [tag for tag in planned if tag.refused is None]


def _piece(position: int, tag: BulkTag) -> Piece:
    return Piece(item=JobItem(position=position, name=tag.name, digest=tag.digest, size=tag.size))
