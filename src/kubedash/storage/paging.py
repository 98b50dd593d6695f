"""Pages by key: each goes on from the last row of the one before, however deep it lies.

A cursor is opaque to others: the sort it belongs to, whether it looks back, the key of
the row it starts from and how many rows lie before that. It is checked like any input.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Row, Select, bindparam, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from kubedash.errors import InvalidInput
from kubedash.storage.values import MAX_INTEGER

MAX_LIMIT: Final = 1000
_MAX_CURSOR: Final = 2000
_KEYS: Final = ("after_first", "after_second")
"""Names of the parameters that hold a cursor's keys."""
_Number = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page starts: after the row of `keys`, or before it where `back` is set."""

    sort: str
    back: bool
    keys: tuple[_Number | str, ...]
    position: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """How many rows lie before the page; for a page further back, before the row it ends at."""

    def encode(self) -> str:
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises `InvalidInput` for what we did not hand out."""
        try:
            if len(text) > _MAX_CURSOR:
                raise ValueError
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.msgpack.decode(raw, type=Cursor)
        except (ValueError, binascii.Error, msgspec.DecodeError) as error:
            raise _broken() from error
        if any(isinstance(key, str) and "\x00" in key for key in cursor.keys):
            raise _broken()
        return cursor


def _broken() -> InvalidInput:
    return InvalidInput(
        "This page's address cannot be read.",
        fields={"cursor": "is not one of ours"},
        hint="Go back to the first page.",
    )


Columns = ReadOnlyColumnCollection[str, Any]


class Ordering(msgspec.Struct, frozen=True):
    """A sort that a page offers: its columns, the last of them unique, all in one direction."""

    columns: tuple[str, ...]
    types: tuple[type, ...]


class Shape(msgspec.Struct, frozen=True):
    """All of a page's statement but its values: pages of one shape share one statement."""

    ordering: Ordering
    descending: bool
    continues: bool
    """It goes on behind a row, whose keys are among the values."""
    limit: int

    def apply(self, statement: Select[Any], source: Columns) -> Select[Any]:
        """The rows of this page and one more, which tells whether there is another."""
        if self.continues:
            columns = [source[name] for name in self.ordering.columns]
            keys = [bindparam(name, type_=column.type) for name, column in zip(_KEYS, columns, strict=False)]
            here = tuple_(*columns) if len(columns) > 1 else columns[0]
            there = tuple_(*keys) if len(keys) > 1 else keys[0]
            statement = statement.where(here < there if self.descending else here > there)
        return self.ordered(statement, source)

    def ordered(self, statement: Select[Any], source: Columns) -> Select[Any]:
        """In the order of the page (backwards where it looks back), no more than needed."""
        columns = [source[name] for name in self.ordering.columns]
        order = [column.desc() if self.descending else column.asc() for column in columns]
        return statement.order_by(*order).limit(self.limit + 1)


class Keyset:
    """One page of one ordering: what to ask for, and what to make of the answer."""

    def __init__(self, sort: str, orderings: Mapping[str, Ordering], limit: int, cursor: str | None) -> None:
        """Raises `InvalidInput` for an unknown sort, a limit out of bounds or a foreign cursor."""
        name = sort.removeprefix("-")
        if name not in orderings:
            known = ", ".join(sorted(orderings))
            raise InvalidInput(f"There is no sort {sort[:40]!r}.", fields={"sort": f"is none of {known}"})
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput("The limit does not fit.", fields={"limit": f"is not between 1 and {MAX_LIMIT}"})
        self.sort = sort
        self.limit = limit
        self.ordering = orderings[name]
        self.cursor = self._checked(Cursor.decode(cursor)) if cursor else None

    def _checked(self, cursor: Cursor) -> Cursor:
        fits = len(cursor.keys) == len(self.ordering.types) and all(map(isinstance, cursor.keys, self.ordering.types))
        if cursor.sort != self.sort or not fits:
            raise _broken()
        return cursor

    @property
    def back(self) -> bool:
        return self.cursor is not None and self.cursor.back

    @property
    def shape(self) -> Shape:
        descending = self.sort.startswith("-") != self.back
        return Shape(self.ordering, descending, self.cursor is not None, self.limit)

    @property
    def values(self) -> dict[str, int | str]:
        """What the statement of this shape needs besides its own."""
        return dict(zip(_KEYS, self.cursor.keys, strict=False)) if self.cursor else {}

    def runs_into_start(self, rows: Sequence[Row[Any]]) -> bool:
        """Looking back found the beginning: the first page is the better answer."""
        return self.back and len(rows) <= self.limit

    def restart(self) -> None:
        self.cursor = None

    def cut(self, rows: Sequence[Row[Any]]) -> Cut:
        """The rows of the page in order, the cursors around them, and where it starts."""
        more = len(rows) > self.limit
        kept = list(rows[: self.limit])
        position = self.cursor.position if self.cursor else 0
        if self.back:
            kept.reverse()
            position = max(0, position - len(kept))
        has_next = more or self.back
        has_previous = more if self.back else self.cursor is not None
        return Cut(
            rows=kept,
            next=self._cursor(False, kept[-1], position + len(kept)) if kept and has_next else None,
            previous=self._cursor(True, kept[0], position) if kept and has_previous else None,
            first=position + 1 if kept else None,
        )

    def cursor_at(self, row: Row[Any], passed: int) -> str:
        """Where to go on behind `row`, which holds the keys, after `passed` items of this page."""
        return self._cursor(False, row, (self.cursor.position if self.cursor else 0) + passed)

    def _cursor(self, back: bool, row: Row[Any], position: int) -> str:
        keys = tuple(getattr(row, name) for name in self.ordering.columns)
        return Cursor(self.sort, back, keys, position).encode()


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A page's rows and what lies around them."""

    rows: list[Row[Any]]
    next: str | None
    previous: str | None
    first: int | None
