"""How often something was pulled."""

from __future__ import annotations

from datetime import datetime

from kubedash.records.base import Record


class PullCounts(Record, frozen=True, kw_only=True):
    """Pulls within the last days, today included; days are those of UTC.

    A HEAD is no pull, an image for several platforms is one, and what KubeDash asks for
    itself is none. Charts of events count the same.
    """

    days_7: int = 0
    days_30: int = 0
    days_90: int = 0
    since: datetime
    """When the registry first told us of a pull: of earlier ones nothing is known."""
