"""Which events a timeline tells in one line, and which lines belong to one day. Pure.

One `docker pull` is several requests, and one push of a multi-platform image is many
events: told one by one they bury what happened. A line keeps every event it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final

import msgspec

from kubedash.records import Event

PULLS_WITHIN: Final = timedelta(minutes=10)
"""Pulls by one client of one repository, no further apart than this, are one line."""
PUSHES_WITHIN: Final = timedelta(minutes=2)
"""What is pushed before a tag and belongs to it: layers, and the platforms of an index."""
DELETES_WITHIN: Final = timedelta(seconds=10)
"""A registry reports the tags of a deleted digest right behind it."""
BLOB_MEDIA_TYPE: Final = "application/octet-stream"
"""What registries call layers and configs in their events."""


class Fold(msgspec.Struct, frozen=True):
    """One line: the event it speaks of, and all the events it stands for, newest first."""

    head: Event
    events: tuple[Event, ...]


class Day(msgspec.Struct, frozen=True):
    """The lines of one day in UTC, newest first."""

    day: date
    folds: tuple[Fold, ...]


def is_blob(event: Event) -> bool:
    """It speaks of a layer or config rather than of a manifest."""
    return event.media_type == BLOB_MEDIA_TYPE


def fold_key(event: Event) -> tuple[object, ...]:
    """Events may share a line only where all of this is the same."""
    return (
        "push" if event.action == "mount" else event.action,
        event.registry,
        event.repository,
        event.actor,
        event.address,
        event.authenticated,
        event.own,
        event.strange is None,
    )


def days(events: Iterable[Event]) -> tuple[Day, ...]:
    """`events`, newest first, as days of folded lines; nothing is left out."""
    grouped = groupby(events, key=lambda event: event.at.date())
    return tuple(Day(day, fold(tuple(found))) for day, found in grouped)


def fold(events: Sequence[Event]) -> tuple[Fold, ...]:
    """Newest first in, newest first out; each event is in exactly one line."""
    lines: list[list[Event]] = []
    open_lines: dict[tuple[object, ...], list[Event]] = {}
    for event in events:
        key = fold_key(event)
        line = open_lines.get(key)
        if line is not None and _belongs(line, event):
            line.append(event)
            continue
        _close_others(open_lines, event)
        started = [event]
        lines.append(started)
        open_lines[key] = started
    return tuple(Fold(_head(line), tuple(line)) for line in lines)


def _close_others(open_lines: dict[tuple[object, ...], list[Event]], event: Event) -> None:
    """A push or delete ends what is gathered of its repository: no line reaches across it."""
    if event.action == "pull":
        return
    for key, line in list(open_lines.items()):
        if (line[0].registry, line[0].repository) == (event.registry, event.repository):
            del open_lines[key]


def _belongs(line: Sequence[Event], event: Event) -> bool:
    rule = _RULES.get(event.action)
    return event.repository is not None and event.strange is None and rule is not None and rule(line, event)


def _near(line: Sequence[Event], event: Event, within: timedelta) -> bool:
    return abs(line[-1].at - event.at) <= within


def _pull_belongs(line: Sequence[Event], event: Event) -> bool:
    return _near(line, event, PULLS_WITHIN)


def _push_belongs(line: Sequence[Event], event: Event) -> bool:
    """Pushes without a tag belong to the tag that was pushed after them."""
    return event.tag is None and _near(line, event, PUSHES_WITHIN)


def _delete_belongs(line: Sequence[Event], event: Event) -> bool:
    """The digest that was deleted comes before its tags, which name none."""
    if any(other.digest for other in line):
        return False
    return _near(line, event, DELETES_WITHIN)


_RULES: Final[dict[str, Callable[[Sequence[Event], Event], bool]]] = {
    "pull": _pull_belongs,
    "push": _push_belongs,
    "mount": _push_belongs,
    "delete": _delete_belongs,
}


def _head(line: Sequence[Event]) -> Event:
    """What a line speaks of: a tag rather than a digest, one that was pulled rather than asked for."""
    got = {event.digest for event in line if event.digest and event.method != "HEAD"}
    tags = [event for event in line if event.tag]
    tagged = next((event for event in tags if event.method != "HEAD" or event.digest in got), None)
    tagged = tagged or next(iter(tags), None)
    manifest = next((event for event in line if not is_blob(event)), None)
    return tagged or manifest or line[0]
