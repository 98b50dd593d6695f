"""How values look in the database, and the way in and out.

Times are microseconds since 1970 in UTC. A time or size that takes part in a sort is
never null there: 0 and -1 stand for "not known", so that every sort is one index and
every page has a plain place to go on from. They become None at this edge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

NO_TIME: Final = 0
NO_NUMBER: Final = -1
MAX_INTEGER: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def to_micros_or_null(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def to_sortable_time(moment: datetime | None) -> int:
    """0 for what is not known, and for what lies before 1970: no image is that old."""
    return NO_TIME if moment is None else max(NO_TIME, to_micros(moment))


def from_micros(stored: int | None) -> datetime | None:
    """None for null and for 0."""
    if not stored or not 0 < stored <= _LAST:
        return None
    return _EPOCH + stored * _MICROSECOND


def moment_of(stored: int) -> datetime:
    """A time that is always there, such as that of an audit entry."""
    return _EPOCH + stored * _MICROSECOND


def to_sortable_number(number: int | None) -> int:
    return NO_NUMBER if number is None or number < 0 else min(number, MAX_INTEGER)


def from_sortable_number(stored: int | None) -> int | None:
    return None if stored is None or stored < 0 else stored
