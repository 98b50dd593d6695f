"""What an event counts as in figures. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

AHEAD: Final = timedelta(days=1)
"""A registry whose clock is further ahead than this is not believed: its events would stay on top for ever."""
_EARLIEST_YEAR: Final = 1971
_BLOB: Final = "application/octet-stream"


class Tally(IntEnum):
    """The figure that an event belongs to."""

    ALL = 0
    """Sum of push, pull, delete and mount; no event is filed under it."""
    PUSH = 1
    PULL = 2
    DELETE = 3
    MOUNT = 4
    OTHER = 5
    """Counts as nothing that people do."""


COUNTED: Final = (Tally.PUSH, Tally.PULL, Tally.DELETE, Tally.MOUNT)
_BY_ACTION: Final = {tally.name.lower(): tally for tally in COUNTED}


def tally_of(action: str, method: str | None, media_type: str | None, *, own: bool) -> Tally:
    """As far as an event says it by itself; `kubedash.policy.pulls` finds pulls that are part of another.

    A HEAD is a look, not a pull; a layer is part of an image; what KubeDash asks is nobody's doing.
    """
    tally = _BY_ACTION.get(action, Tally.OTHER)
    if own or (tally is Tally.PULL and method == "HEAD"):
        return Tally.OTHER
    if media_type == _BLOB and tally in (Tally.PUSH, Tally.PULL):
        return Tally.OTHER
    return tally


def is_believable(claimed: datetime, received: datetime) -> bool:
    """Whether lists are sorted by the registry's time; else by ours."""
    return claimed.year >= _EARLIEST_YEAR and claimed <= received + AHEAD
