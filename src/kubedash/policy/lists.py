"""Pages of lists that are short enough to be read whole, such as that of the registries. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from kubedash.errors import InvalidInput
from kubedash.records import Page, Record

DEFAULT_LIMIT: Final = 100
T = TypeVar("T")
Keys = Mapping[str, Callable[[T], Any]]


class ListQuery(Record, frozen=True, kw_only=True):
    """What a short list is asked for."""

    q: str | None = None
    sort: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def page_of(items: Iterable[T], query: ListQuery, keys: Keys[T], text: Callable[[T], str]) -> Page[T]:
    """A page of a list that is short enough to be read whole, such as that of the registries.

    `keys` are the fields to sort by; without `sort` the order stays. Raises
    `InvalidInput` on another `sort` or a broken cursor.
    """
    wanted = (query.q or "").lower()
    found = sorted_by([item for item in items if wanted in text(item).lower()], query.sort, keys)
    start = _position(query.cursor)
    end = start + query.limit
    return Page(
        items=tuple(found[start:end]),
        next=_cursor(end) if end < len(found) else None,
        previous=_cursor(max(0, start - query.limit)) if start > 0 else None,
        total=len(found),
        first=start + 1 if start < len(found) else None,
    )


def sorted_by(items: list[T], sort: str | None, keys: Keys[T]) -> list[T]:
    """By the field that `sort` names, unknown values last. Raises `InvalidInput` where it names none of `keys`."""
    if sort is None:
        return items
    field = sort.removeprefix("-")
    key = keys.get(field)
    if key is None:
        raise InvalidInput(f"Cannot sort by {field[:40]!r}.", fields={"sort": f"one of {', '.join(keys)}"})
    known = [item for item in items if key(item) is not None]
    unknown = [item for item in items if key(item) is None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at {position}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        position = int(text.removeprefix("at ")) if text.startswith("at ") else -1
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    if position < 0:
        raise _bad_cursor()
    return position


def _bad_cursor() -> InvalidInput:
    return InvalidInput("That cursor is not one of ours.", fields={"cursor": "use `next` of the page before"})
