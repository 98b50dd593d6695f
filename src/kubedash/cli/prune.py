"""`kubedash prune`: many tags of a repository at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from kubedash.cli.doors import DryRun, Json, Yes, act, confirm, read_place
from kubedash.cli.output import print_facts, print_json, print_line, print_note, print_table, size
from kubedash.cli.sync import Watch, follow_to_its_end, watching
from kubedash.errors import Conflict, InvalidInput, Unavailable
from kubedash.oci.reference import Tag
from kubedash.policy.access import Actor
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import BulkJob, BulkPlan, BulkTag, JobState, Selection
from kubedash.workflows import bulk_delete
from kubedash.workflows.bulk_delete import Shown
from kubedash.workflows.services import Services

_TITLES: Final = ("TAG", "KIND", "CREATED", "SIZE", "HOW", "DIGEST")
Attached = Annotated[
    bool, Parameter(negative="", help="Take signatures, SBOMs and entries of an index along, where nothing needs them.")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which tags; everything that is given must hold."""

    tag: Annotated[tuple[str, ...], Parameter(negative="", help="This tag; may be repeated.")] = ()
    match: Annotated[
        tuple[str, ...], Parameter(negative="", help="Tags like this, with * and ?; may be repeated.")
    ] = ()
    older_than: Annotated[int | None, Parameter(help="Made at least so many days ago, as far as that is known.")] = None
    not_pulled: Annotated[int | None, Parameter(help="Known not to have been pulled for so many days.")] = None
    keep: Annotated[int | None, Parameter(help="Leave the so many that were made last.")] = None
    all: Annotated[bool, Parameter(negative="", help="The whole repository.")] = False


NO_RULES: Final = Rules()


def prune(
    place: Annotated[str, Parameter(name="PLACE", help="REGISTRY/REPOSITORY.")],
    /,
    *,
    rules: Rules = NO_RULES,
    take_orphans: Attached = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete the tags that all rules choose, as one job; other tags of their digests stay."""
    registry, repository = read_place(place)
    if repository is None:
        raise InvalidInput(f"{place[:200]!r} is no repository.", hint="Write REGISTRY/REPOSITORY.")
    choices = DeletionChoices(take_orphans=take_orphans)
    plan = act(
        lambda services, actor: bulk_delete.plan(services, actor, registry, repository, _selection(rules), choices)
    )
    _show(plan, json=json, dry_run=dry_run)
    if plan.refused is not None:
        raise Conflict(plan.refused, hint=plan.remedy)
    if dry_run:
        return
    if not yes:
        confirm(f"{plan.removes} tags of {registry}/{repository} would be deleted.", str(plan.removes))
    with watching(quiet=json) as watch:
        done = act(lambda services, actor: _delete(services, actor, plan, watch))
    _end(done, json=json)


def _selection(rules: Rules) -> Selection:
    return Selection(
        tags=tuple(map(Tag.parse, rules.tag)),
        patterns=rules.match,
        older_than_days=rules.older_than,
        not_pulled_days=rules.not_pulled,
        keep_newest=rules.keep,
        everything=rules.all,
    )


async def _delete(services: Services, actor: Actor, plan: BulkPlan, watch: Watch) -> BulkJob:
    shown = Shown(expected=plan.expected, take_orphans=plan.take_orphans)
    job = await bulk_delete.execute(services, actor, plan.registry, plan.repository, plan.selection, shown)
    job = await follow_to_its_end(services, actor, job, watch)
    return await bulk_delete.open_bulk(services, actor, job.id)


def _show(plan: BulkPlan, *, json: bool, dry_run: bool) -> None:
    if json:
        if dry_run:
            print_json(plan)
        return
    print_table(_TITLES, [_row(tag) for tag in plan.tags])
    ways = ", ".join(f"{number} by {way}" for way, number in plan.strategies.items())
    print_facts(
        (
            ("deletes", f"{plan.removes} tags ({ways})" if plan.removes else "nothing"),
            ("cannot be deleted", f"{plan.conflicts} tags" if plan.conflicts else None),
            ("stays", f"{plan.stays} tags"),
            ("freed by garbage collection", f"{size(plan.bytes_freed)} of {plan.digests} manifests"),
            ("attached to them", plan.orphans or None),
        )
    )
    for warning in plan.warnings:
        print_line(f"warning: {warning}")


def _row(tag: BulkTag) -> tuple[str | int | None, ...]:
    created = None if tag.created is None else f"{tag.created:%Y-%m-%d}"
    return (tag.name, tag.kind, created, size(tag.size), tag.refused or tag.strategy, tag.digest)


def _end(done: BulkJob, *, json: bool) -> None:
    if json:
        print_json(done)
    else:
        found = done.outcome
        print_line(f"{found.deleted} of {found.tags} tags deleted, {found.skipped} were gone, {found.failed} failed.")
    for item in done.problems:
        print_note(f"kubedash: {item.name}: {item.detail}")
    if done.job.state is not JobState.DONE:
        print_note(f"kubedash: {done.job.error or done.job.state}")
    if done.job.state is not JobState.DONE or done.problems:
        raise SystemExit(Unavailable.exit_code)
