"""`kubedash events`: what registries told, once or as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from cyclopts import Parameter
from msgspec.structs import replace

from kubedash.cli.doors import Json, act
from kubedash.cli.output import UNKNOWN, Cell, print_json, print_line, print_note, print_table, shown
from kubedash.errors import Unavailable
from kubedash.policy.access import Actor
from kubedash.records import Event, EventFilter, EventQuery, encode_json
from kubedash.workflows import events as timeline
from kubedash.workflows.services import Services

LOOK_AGAIN_SECONDS: Final = 1.0
AT_ONCE: Final = 500
_TITLES: Final = ("AT", "ACTION", "IMAGE", "ACTOR", "ADDRESS", "AGENT", "NOTES")
_SHORT_DIGEST: Final = 19
_SHOWN_AGENT: Final = 40


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events."""

    action: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    "Only push, pull, delete or mount; may be repeated."
    actor: str | None = None
    "Only what this user of the registry did."
    tag: str | None = None
    "Only of this tag."
    address: str | None = None
    "Only what was asked from this address."
    hours: int | None = None
    "Only of the last hours."


EVERYTHING: Final = Filter()


def events(
    place: Annotated[str | None, Parameter(help="Only of REGISTRY, or of REGISTRY/REPOSITORY.")] = None,
    /,
    *,
    which: Filter = EVERYTHING,
    follow: Annotated[bool, Parameter(negative="", help="Go on with what comes, until Ctrl-C.")] = False,
    limit: Annotated[int, Parameter(help="Most lines to begin with, 1 to 1000.")] = 50,
    json: Json = False,
) -> None:
    """Show what registries told, oldest first. With --follow and --json one event a line."""
    registry, _, repository = (place or "").partition("/")
    where = EventFilter(
        registry=registry or None,
        repository=repository or None,
        tag=which.tag,
        actions=which.action,
        actor=which.actor,
        address=which.address,
    )
    if follow:
        act(lambda services, person: _follow(services, person, _since(services, where, which.hours), limit, json=json))
        return
    page = act(
        lambda services, person: timeline.open_events(
            services, person, EventQuery(where=_since(services, where, which.hours), limit=limit)
        )
    )
    if json:
        print_json(page)
        return
    print_table(_TITLES, [_cells(event) for event in reversed(page.items)])
    if page.next is not None:
        print_note("There are older ones: raise --limit.")


def _since(services: Services, where: EventFilter, hours: int | None) -> EventFilter:
    return where if hours is None else replace(where, since=services.clock() - timedelta(hours=hours))


async def _follow(services: Services, person: Actor, where: EventFilter, limit: int, *, json: bool) -> None:
    """First the newest that are there, then whatever arrives. The store is looked at again every second.

    A store that goes away while somebody follows is waited for: nothing that it kept is left out.
    """
    behind = await timeline.newest_event(services, person)
    page = await timeline.open_events(services, person, EventQuery(where=where, limit=limit))
    _print([event for event in reversed(page.items) if event.id <= behind], json=json)
    waits = False
    while True:
        try:
            found, reached = await timeline.events_after(services, person, behind, AT_ONCE, where)
        except Unavailable as error:
            if not waits:
                print_note(f"{error.message} Waiting for it.")
            waits = True
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            continue
        waits = False
        _print(found, json=json)
        if reached == behind:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        behind = reached


def _print(found: Sequence[Event], *, json: bool) -> None:
    for event in found:
        print_line(encode_json(event).decode() if json else "  ".join(map(shown, _cells(event))))


def _cells(event: Event) -> tuple[Cell, ...]:
    agent = event.user_agent[:_SHOWN_AGENT] if event.user_agent else None
    return (event.at, event.action, _image(event), event.actor, event.address, agent, _notes(event))


def _image(event: Event) -> str:
    name = f"{event.registry or UNKNOWN}/{event.repository or UNKNOWN}"
    if event.tag is not None:
        return f"{name}:{event.tag}"
    return name if event.digest is None else f"{name}@{event.digest[:_SHORT_DIGEST]}"


def _notes(event: Event) -> str:
    notes = {
        "unauthenticated": not event.authenticated,
        "by KubeDash": event.own,
        "address claimed": event.address_claimed,
        "strange": event.strange is not None,
    }
    return ", ".join(note for note, holds in notes.items() if holds)
