"""Whose attachments are looked for again: a signature comes later than its image.

Nothing about an image tells that somebody signed it since, where the registry lists
that by its referrers API alone. Asking about every tag at every crawl would double
the requests, so the newest are asked about each time and the others once a day.
Pure: the time is a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kubedash.oci.digest import Digest

NEWEST: Final = 20
"""Signed and scanned soon after the push, so asked about at every crawl."""
SHARES: Final = 24
"""The others take turns by the hour: each once a day."""
MOST: Final = 200
"""Questions of one crawl of one repository."""


def to_ask_again(tagged: Sequence[Digest], now: datetime) -> tuple[Digest, ...]:
    """Those of the tagged digests, newest first, whose attachments this crawl should look for again."""
    others = (digest for digest in tagged[NEWEST:] if share_of(digest) == now.hour % SHARES)
    return (*tagged[:NEWEST], *others)[:MOST]


def to_look_into(tagged: Sequence[Digest], now: datetime) -> tuple[Digest, ...]:
    """Those of the tagged digests whose entries, where they are indexes, this crawl should look for again.

    An index says nothing of an entry that was deleted under it. Each takes its turn once a day, as
    a question for each entry of each index at every crawl would double the requests.
    """
    return tuple(digest for digest in tagged if share_of(digest) == now.hour % SHARES)[:MOST]


def share_of(digest: Digest) -> int:
    """The hour of the day whose crawls ask about it; the same for ever."""
    return sum(digest.encode()) % SHARES
