"""Rare words in a sorted list: found through the trigrams first.

A list walks the index of its sort and looks at each name, which ends early where the
word is common and reads everything where it is rare. The database cannot weigh the
two, so it is asked for a few hits beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, select

from kubedash.storage.database import ReadSession
from kubedash.storage.statements import MIN_TRIGRAM, holding
from kubedash.storage.tables import repository, tag_name

FEW: Final = 500
_WILDCARDS: Final = re.compile(r"[*?]+")


async def few_repositories(session: ReadSession, words: str) -> Sequence[int] | None:
    """The ids of all repositories that may match; None where there are many or it cannot be told."""
    # PostgreSQL weighs the two by itself: the trigrams are of the same table.
    return await _few(session, repository, "id", words) if session.dialect == "sqlite" else None


async def few_tag_names(session: ReadSession, pattern: str) -> Sequence[str] | None:
    """All names of tags that may match, machines' left out; None as above."""
    return await _few(session, tag_name, "name", pattern)


async def _few(session: ReadSession, source: Table, wanted: str, pattern: str) -> Sequence[Any] | None:
    longest = max(_WILDCARDS.split(pattern), key=len)
    if len(longest) < MIN_TRIGRAM:
        return None
    statement = holding(session.dialect, source, longest, select(source.c[wanted]))
    found = await session.scalars(statement.limit(FEW + 1))
    return found if len(found) <= FEW else None
