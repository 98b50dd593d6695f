"""What both databases can say, said once: batches, upserts, patterns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, product
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Insert,
    Select,
    Table,
    Text,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite

from kubedash.storage.tables import label_text, repository, tag_name

CHUNK: Final = 500
"""Values of one IN list: far below what either database allows."""
MAX_QUERY_LENGTH: Final = 200
MIN_TRIGRAM: Final = 3
_SEARCHED: Final = {repository: "name", tag_name: "name", label_text: "value"}
_ESCAPE: Final = "!"
_MOST_SPELLED_OUT: Final = 2
T = TypeVar("T")


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


@lru_cache(maxsize=64)
def insert_new(dialect: str, table: Table) -> Insert:
    """INSERT that leaves rows alone which are there already."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@lru_cache(maxsize=64)
def upsert(dialect: str, table: Table, keys: tuple[str, ...], changed: tuple[str, ...]) -> Insert:
    """INSERT, or a change of the columns `changed` where the `keys` are there already."""
    if dialect == "postgresql":
        on_postgresql = postgresql.insert(table)
        values = {name: on_postgresql.excluded[name] for name in changed}
        return on_postgresql.on_conflict_do_update(index_elements=keys, set_=values)
    on_sqlite = sqlite.insert(table)
    values = {name: on_sqlite.excluded[name] for name in changed}
    return on_sqlite.on_conflict_do_update(index_elements=keys, set_=values)


def matches(dialect: str, name: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """LIKE that does not mind the case of ASCII letters.

    SQLite's is so by itself. PostgreSQL's ILIKE costs several times its LIKE, so a
    pattern with few letters is spelled out in each case instead.
    """
    if dialect == "sqlite":
        return name.like(pattern, escape=_ESCAPE)
    letters = [letter for letter in pattern if letter.isalpha()]
    if len(letters) > _MOST_SPELLED_OUT:
        return name.ilike(pattern, escape=_ESCAPE)
    return or_(*(name.like(spelling, escape=_ESCAPE) for spelling in _spellings(pattern)))


def matches_exactly(dialect: str, name: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """As `glob_pattern` reads `text`, upper and lower case being different: what the rules of a deletion mean by it."""
    if dialect != "sqlite":
        return name.like(glob_pattern(text), escape=_ESCAPE)
    # SQLite's LIKE minds no case, and its GLOB has signs of its own.
    whole = text if "*" in text or "?" in text else f"*{text}*"
    found: ColumnElement[bool] = name.op("GLOB", is_comparison=True)(whole.replace("[", "[[]"))
    return found


def _spellings(pattern: str) -> list[str]:
    each = [sorted({letter.lower(), letter.upper()}) if letter.isascii() else [letter] for letter in pattern]
    return ["".join(letters) for letters in product(*each)]


def holding(dialect: str, source: Table, text: str, wanted: Select[Any]) -> Select[Any]:
    """The rows of a searched table that hold `text`: through the trigrams where there are three letters."""
    name = _SEARCHED[source]
    if dialect != "sqlite" or len(text) < MIN_TRIGRAM:
        return wanted.where(matches(dialect, source.c[name], part_pattern(text)))
    search = f"{source.name}_search"
    index = table(search, column("rowid"))
    joined = wanted.select_from(index.join(source, source.c.id == index.c.rowid))
    return joined.where(literal_column(search).op("MATCH")(fts_phrase(text)))


def clean(text: str | None) -> str:
    """What a person typed, without what no database takes, cut to a bearable length."""
    kept = (text or "").replace("\x00", "").encode("utf-8", "ignore").decode()
    return kept.strip()[:MAX_QUERY_LENGTH]


def part_pattern(text: str) -> str:
    """The pattern of everything that holds `text`, whatever signs it has."""
    return f"%{_escaped(text)}%"


def glob_pattern(text: str) -> str:
    """`*` and `?` as in a shell, for the whole name; without either, a part of the name."""
    if "*" not in text and "?" not in text:
        return part_pattern(text)
    return _escaped(text).replace("*", "%").replace("?", "_")


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def fts_phrase(text: str) -> str:
    """`text` as one phrase of FTS5: no word of it is an operator."""
    return '"' + text.replace('"', '""') + '"'


def starts_with(name: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """A range rather than a pattern: one step in an index of bytes."""
    return (name >= prefix) & (name < literal(prefix[:-1] + chr(ord(prefix[-1]) + 1)))


def one_of(values: Sequence[T]) -> list[T]:
    """For `IN`: without repeats and in order, so that the same list is the same statement."""
    return list(dict.fromkeys(values))


def among(dialect: str, name: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """`IN` the list that `array_of` made: one parameter and one statement, however long the list is."""
    if dialect == "sqlite":
        return name.in_(select(func.json_each(bindparam(parameter)).table_valued("value").c.value))
    found: ColumnElement[bool] = name == func.any(bindparam(parameter, type_=postgresql.ARRAY(Text)))
    return found


def array_of(dialect: str, values: Sequence[str]) -> str | list[str]:
    """The value of such a parameter."""
    return json.dumps(values) if dialect == "sqlite" else list(map(str, values))
