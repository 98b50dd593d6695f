"""`kubedash audit`: who changed what, from where, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from kubedash.cli.doors import Json, act
from kubedash.cli.output import Cell, print_json, print_note, print_table
from kubedash.records import AuditEntry, AuditQuery
from kubedash.workflows.audit import open_audit

_TITLES: Final = ("AT", "WHO", "BY", "ACTION", "TARGET", "OUTCOME")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which lines."""

    actor: str | None = None
    "Only what this one did."
    action: str | None = None
    "Such as tag.delete; tag.* for all of a family."
    target: str | None = None
    "A part of it, or a pattern with * and ?."
    outcome: str | None = None
    "done, refused, moved, failed, undone …"


EVERYTHING: Final = Filter()


def audit(
    *,
    which: Filter = EVERYTHING,
    limit: Annotated[int, Parameter(help="Most lines to show at once, 1 to 1000.")] = 100,
    cursor: Annotated[str | None, Parameter(help="`next` of the page before.")] = None,
    json: Json = False,
) -> None:
    """Show who changed what, newest first."""
    query = AuditQuery(
        actor=which.actor,
        action=which.action,
        target=which.target,
        outcome=which.outcome,
        limit=limit,
        cursor=cursor,
    )
    found = act(lambda services, who: open_audit(services, who, query))
    if json:
        print_json(found)
        return
    print_table(_TITLES, [_row(entry) for entry in found.items])
    if found.next is not None:
        print_note(f"There is more: --cursor {found.next}")


def _row(entry: AuditEntry) -> tuple[Cell, ...]:
    return (entry.at, entry.actor, entry.via, entry.action, entry.target, entry.outcome)
