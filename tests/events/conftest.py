"""Some tests of events run on both databases."""

from __future__ import annotations

from tests.support.databases import (  # noqa: F401 (fixtures)
    database,
    postgres_database,
    postgres_server,
    sqlite_database,
    sqlite_template,
)
