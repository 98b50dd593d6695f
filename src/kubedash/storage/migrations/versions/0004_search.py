"""Search by any three letters: FTS5 on SQLite, pg_trgm on PostgreSQL.

The FTS5 tables hold no text of their own; triggers keep them in step with their table.
Where PostgreSQL does not permit the extension, searches go without an index: slower,
with the same answers. `CREATE EXTENSION pg_trgm` by an administrator and the three
statements below bring the index later.
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
_SEARCHED: Final = (("repository", "name"), ("tag_name", "name"), ("label_text", "value"))
_HAS_TRIGRAMS: Final = text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
_MAY_CREATE: Final = """
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'pg_trgm is not there: searches go without an index';
END $$
"""


def upgrade() -> None:
    index = _on_postgresql if op.get_bind().dialect.name == "postgresql" else _on_sqlite
    if index is _on_postgresql:
        op.execute(_MAY_CREATE)
        if op.get_bind().execute(_HAS_TRIGRAMS).first() is None:
            return
    for table, column in _SEARCHED:
        index(table, column)


def _on_postgresql(table: str, column: str) -> None:
    op.execute(f"CREATE INDEX ix_{table}_trgm ON {table} USING gin ({column} gin_trgm_ops)")


def _on_sqlite(table: str, column: str) -> None:
    search = f"{table}_search"
    added = f"INSERT INTO {search} (rowid, {column}) VALUES (new.id, new.{column});"  # noqa: S608 (our own names)
    taken = f"INSERT INTO {search} ({search}, rowid, {column}) VALUES ('delete', old.id, old.{column});"  # noqa: S608 (our own names)
    op.execute(
        f"CREATE VIRTUAL TABLE {search} USING fts5({column}, content='{table}', content_rowid='id', tokenize='trigram')"
    )
    op.execute(f"CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN {added} END")
    op.execute(f"CREATE TRIGGER {table}_taken AFTER DELETE ON {table} BEGIN {taken} END")
    op.execute(f"CREATE TRIGGER {table}_renamed AFTER UPDATE OF {column} ON {table} BEGIN {taken} {added} END")
