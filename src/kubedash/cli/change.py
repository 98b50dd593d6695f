"""`kubedash tag`, `rm`, `restore` and `history`: changes of a registry, each planned, shown and confirmed."""

from __future__ import annotations

import sys
from typing import Annotated, Final

from cyclopts import Parameter

from kubedash.cli.doors import Json, act, read_reference
from kubedash.cli.output import Cell, print_facts, print_json, print_line, print_note, print_table, size
from kubedash.errors import Conflict, InvalidInput, NotAllowed
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.policy.deletion import DeletionChoices
from kubedash.policy.retagging import ABSENT
from kubedash.records import ChangeOutcome, DeletionPlan, Page, RetagPlan, TagHistoryEntry
from kubedash.workflows import delete_tag, restore, retag, tag_history
from kubedash.workflows.outcomes import require_done

_HISTORY_TITLES: Final = ("SINCE", "UNTIL", "DIGEST", "SEEN BY", "WHO", "RESTORABLE")
_REFERENCE: Final = Parameter(name="REF", help="REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.")
_TAG_REFERENCE: Final = Parameter(name="REF", help="REGISTRY/REPOSITORY:TAG.")
DryRun = Annotated[bool, Parameter(name="--dry-run", negative="", help="Show the plan and do nothing.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Do not ask.")]
Orphans = Annotated[
    bool,
    Parameter(
        name="--with-orphans",
        negative="",
        help="Also delete signatures, SBOMs and entries of an index that nothing else needs.",
    ),
]
TagOnly = Annotated[
    bool, Parameter(name="--tag-only", negative="", help="Keep the manifest, even where no other tag leads to it.")
]


def tag(
    reference: Annotated[str, _REFERENCE],
    new_tag: Annotated[str, Parameter(name="NEWTAG", help="The tag to add or move.")],
    /,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Point a tag at what REF leads to: the same bytes, the same digest."""
    registry, source = read_reference(reference)
    wanted = Tag.parse(new_tag)
    planned = act(lambda services, actor: retag.plan(services, actor, registry, source, wanted))
    if not _shall_point(planned, dry_run=dry_run, yes=yes, json=json):
        return
    pinned = Reference(source.repository, digest=planned.digest)
    expected = planned.old_digest or ABSENT
    outcome = act(lambda services, actor: retag.execute(services, actor, registry, pinned, wanted, expected))
    _print_outcome(outcome, json)


def restore_tag(
    reference: Annotated[str, _TAG_REFERENCE],
    /,
    *,
    digest: Annotated[str | None, Parameter(help="What it pointed to once; left out: the last one.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Give a deleted tag back, or roll one back to an earlier digest."""
    registry, wanted = read_reference(reference)
    back_to = None if digest is None else Digest.parse(digest)
    planned = act(lambda services, actor: restore.plan(services, actor, registry, wanted, back_to))
    if not _shall_point(planned, dry_run=dry_run, yes=yes, json=json):
        return
    expected = planned.old_digest or ABSENT
    outcome = act(
        lambda services, actor: restore.restore_tag(services, actor, registry, wanted, planned.digest, expected)
    )
    _print_outcome(outcome, json)


def rm(
    reference: Annotated[str, _REFERENCE],
    /,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    with_orphans: Orphans = False,
    tag_only: TagOnly = False,
    json: Json = False,
) -> None:
    """Delete one tag and spare its siblings; by digest, the manifest with all of its tags."""
    registry, wanted = read_reference(reference)
    choices = DeletionChoices(take_orphans=with_orphans, tag_only=tag_only)
    planned = act(lambda services, actor: delete_tag.plan(services, actor, registry, wanted, choices))
    if dry_run:
        _print_deletion(planned, json)
        return
    if planned.refused is not None:
        raise Conflict(planned.refused, hint=planned.remedy)
    if not yes:
        if not json:
            _print_deletion(planned, json=False)
        _ask(str(wanted.tag or planned.digest), "delete it")
    outcome = act(
        lambda services, actor: delete_tag.execute(services, actor, registry, wanted, planned.digest, choices)
    )
    _print_outcome(outcome, json)


def history(reference: Annotated[str, _TAG_REFERENCE], /, *, json: Json = False) -> None:
    """Show what a tag pointed to, since when, and who did it where that is known."""
    registry, wanted = read_reference(reference)
    if wanted.tag is None:
        raise InvalidInput("A history is that of a tag.", hint="Write REGISTRY/REPOSITORY:TAG.")
    name = wanted.tag
    found = act(
        lambda services, actor: tag_history.open_tag_history(services, actor, registry, wanted.repository, name)
    )
    if json:
        print_json(
            Page[TagHistoryEntry](
                items=found.entries,
                as_of=found.freshness.as_of,
                total=len(found.entries),
                first=1 if found.entries else None,
            )
        )
        return
    print_table(_HISTORY_TITLES, [_history_row(entry) for entry in found.entries])


def _history_row(entry: TagHistoryEntry) -> tuple[Cell, ...]:
    return (
        entry.since,
        entry.until,
        entry.digest,
        entry.seen_by,
        entry.actor or entry.ended_actor,
        "yes" if entry.restorable else "no",
    )


def _shall_point(planned: RetagPlan, *, dry_run: bool, yes: bool, json: bool) -> bool:
    """Whether to go on; a move is asked about. Raises `Conflict` for a plan that is refused."""
    if dry_run:
        _print_pointing(planned, json)
        return False
    if planned.refused is not None:
        raise Conflict(planned.refused, hint=planned.remedy)
    if planned.moves and not yes:
        if not json:
            _print_pointing(planned, json=False)
        _ask(planned.tag, "move it")
    return True


def _ask(name: str, deed: str) -> None:
    """Retyped on a terminal; scripts say --yes. Raises `NotAllowed`."""
    if not sys.stdin.isatty():
        raise NotAllowed(f"Nothing was done: nobody is here to confirm. Say --yes to {deed}.")
    print_note(f"Type {name} to {deed}:")
    if sys.stdin.readline().strip() != name:
        raise NotAllowed("Nothing was done: that was something else.")


def _print_deletion(planned: DeletionPlan, json: bool) -> None:
    if json:
        print_json(planned)
        return
    print_facts(
        (
            ("digest", planned.digest),
            ("kind", planned.kind),
            ("strategy", planned.strategy),
            ("refused", planned.refused),
            ("try", planned.remedy),
            ("removes", ", ".join(planned.removes)),
            ("spares", ", ".join(planned.spares)),
            ("needed by", ", ".join(planned.parents)),
            ("frees", None if planned.bytes_freed is None else f"{size(planned.bytes_freed)}. {planned.bytes_note}"),
            ("undo", planned.undo),
        )
    )
    for orphan in planned.orphans:
        print_line(f"{'also' if planned.take_orphans else 'leaves'}: {orphan.digest} {orphan.kind}")
    for warning in planned.warnings:
        print_line(f"note: {warning}")
    for call in planned.calls:
        print_line(f"request: {call.method} {call.path}  ({call.why})")


def _print_pointing(planned: RetagPlan, json: bool) -> None:
    if json:
        print_json(planned)
        return
    print_facts(
        (
            ("tag", planned.tag),
            ("leads to", planned.old_digest),
            ("shall lead to", planned.digest),
            ("refused", planned.refused),
            ("try", planned.remedy),
            ("undo", planned.undo),
        )
    )
    for warning in planned.warnings:
        print_line(f"note: {warning}")


def _print_outcome(outcome: ChangeOutcome, json: bool) -> None:
    """Raises `NotDone` where the registry did not do it."""
    require_done(outcome)
    if json:
        print_json(outcome)
    else:
        print_line(outcome.sentence)
