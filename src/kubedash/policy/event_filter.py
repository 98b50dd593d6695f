"""Whether an event is one that was asked for. Pure."""

from __future__ import annotations

from typing import Final

from kubedash.records import Event, EventFilter
from kubedash.records.events import UNATTRIBUTED

_EXACT: Final = ("repository", "tag", "digest", "actor", "address")


def matches(where: EventFilter, event: Event) -> bool:
    """The same as the store's filter, for one event at hand."""
    if where.registry is not None and where.registry != (event.registry or UNATTRIBUTED):
        return False
    if where.quiet and event.own and event.action == "pull":
        return False
    if where.actions and event.action not in where.actions:
        return False
    if where.since is not None and event.at < where.since:
        return False
    if where.until is not None and event.at >= where.until:
        return False
    return all(getattr(where, name) in (None, "", getattr(event, name)) for name in _EXACT)
