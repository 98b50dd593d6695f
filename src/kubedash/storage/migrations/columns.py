"""Short words for the columns of the migrations.

Kept apart from `kubedash.storage.tables` on purpose: that one changes with the schema,
a migration that ran somewhere never does.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Integer, SmallInteger, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

BYTEWISE: Final[TypeEngine[str]] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SERIAL: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")


def identifier() -> Column[int]:
    return Column("id", SERIAL, Identity(), primary_key=True)


def words(name: str, *, null: bool = False, default: str | None = None, key: bool = False) -> Column[str]:
    return Column(name, BYTEWISE, nullable=null, server_default=default, primary_key=key)


def number(name: str, *, null: bool = False, default: int | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=null, server_default=None if default is None else text(str(default)))


def flag(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def belongs_to(table: str, name: str, *, null: bool = False) -> Column[int]:
    return Column(name, SERIAL, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=null)


def only_where(condition: str) -> dict[str, Any]:
    """The keywords of a partial index."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
