"""Statements for many rows: compiled once, their values handed to the driver as they are.

SQLAlchemy looks at each value of each row on its way, which costs a crawl more than
the database does with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

_KEPT: Final = 256
_SIZES: Final = (128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""So that most numbers take two or three statements, and the driver keeps all of them; 128 rows of 30 values
are far below its limit."""


Statements = Callable[[int], ClauseElement]
"""The statement for so many rows."""


def execute_many(connection: Connection, statement: ClauseElement, rows: Sequence[Mapping[str, Any]]) -> None:
    """Runs the statement for every row; all of them name the same values. Raises `KeyError` where one is missing."""
    text, names, fixed = _compiled(statement, connection.dialect, tuple(rows[0]))
    if fixed:
        rows = [{**fixed, **row} for row in rows]
    if names is None:
        connection.exec_driver_sql(text, list(rows))
    elif len(names) == 1:
        connection.exec_driver_sql(text, [(row[names[0]],) for row in rows])
    else:
        connection.exec_driver_sql(text, list(map(itemgetter(*names), rows)))


def insert_together(connection: Connection, insert: Statements, rows: Sequence[Sequence[Any]]) -> None:
    """Many rows a statement, for SQLite: its driver takes and leaves Python's lock for each statement.

    `insert(n)` is the statement for n rows, and each of `rows` holds its values in that order.
    """
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            text = _text_of(insert, size, connection.dialect)
            connection.exec_driver_sql(text, tuple(chain.from_iterable(rows[start : start + size])))
            start += size


@lru_cache(maxsize=_KEPT)
def _text_of(insert: Statements, size: int, dialect: Dialect) -> str:
    return str(insert(size).compile(dialect=dialect))


@lru_cache(maxsize=_KEPT)
def _compiled(
    statement: ClauseElement, dialect: Dialect, keys: tuple[str, ...]
) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
    """The text, the order of its values where the driver takes them by place, and values of its own."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(keys), for_executemany=True)
    fixed = {name: value for name, value in compiled.params.items() if name not in keys}
    return str(compiled), tuple(compiled.positiontup) if compiled.positional else None, fixed
