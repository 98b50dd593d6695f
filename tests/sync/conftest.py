"""PostgreSQL for the jobs that run on it."""

from __future__ import annotations

from tests.support.databases import postgres_database, postgres_server  # noqa: F401 (fixtures)
