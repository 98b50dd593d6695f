"""The migrations and `tables.py` describe the same schema."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from kubedash.storage import (
    change_tables,  # noqa: F401 (its tables join the others)
    event_tables,  # noqa: F401 (its tables join the others)
    forward_tables,  # noqa: F401
    job_tables,  # noqa: F401 (its tables join the others)
    pull_tables,  # noqa: F401
    tables,
)
from kubedash.storage.database import parse_url, upgrade
from tests.support.aio import run
from tests.support.databases import DatabaseAt, PostgresServer

SEARCH = ("_search", "_trgm")
PARTITION = "event_part_"


def _ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Leaves out the search indexes, which only their migration knows, and parts of a table."""
    return not any(mark in (name or "") for mark in (*SEARCH, PARTITION))


def _differences(connection: Connection) -> list[Any]:
    options = {"include_object": _ours, "compare_type": True, "compare_server_default": False}
    return compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)


async def _inspect(url: str, look: Any) -> Any:
    engine = create_async_engine(parse_url(url))
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


def test_migrated_schema_is_that_of_the_tables(database: DatabaseAt) -> None:
    assert run(_inspect(database.url, _differences)) == []


def test_migrating_again_changes_nothing(database: DatabaseAt) -> None:
    run(upgrade(database.url))
    assert run(_inspect(database.url, _differences)) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_may_migrate_at_once(kind: str, tmp_path: Any, request: pytest.FixtureRequest) -> None:
    url = str(tmp_path / "deep" / "new.db")
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.execute("CREATE DATABASE at_once")
        url = server.url("at_once")

    async def at_once() -> None:
        await asyncio.gather(*(upgrade(url) for _ in range(4)))

    run(at_once())
    assert run(_inspect(url, _differences)) == []


def test_search_indexes_are_there(database: DatabaseAt) -> None:
    query = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE name LIKE '%!_search' ESCAPE '!'",
        "postgresql": "SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%_trgm'",
    }[database.dialect]
    assert run(_inspect(database.url, lambda connection: connection.execute(text(query)).scalar())) == 3


def test_new_sqlite_file_is_its_owners_alone(tmp_path: Any) -> None:
    path = tmp_path / "data" / "kubedash.db"
    run(upgrade(str(path)))
    assert path.stat().st_mode & 0o777 == 0o600


def test_postgresql_without_the_right_to_pg_trgm_searches_without_index(postgres_server: PostgresServer) -> None:
    postgres_server.execute("CREATE ROLE plain LOGIN")
    postgres_server.execute("CREATE DATABASE without_trgm")
    postgres_server.execute("REVOKE CREATE ON DATABASE without_trgm FROM PUBLIC", "without_trgm")
    postgres_server.execute("GRANT ALL ON SCHEMA public TO plain", "without_trgm")
    url = postgres_server.url("without_trgm").replace("postgres@", "plain@")
    run(upgrade(url))
    query = text("SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%_trgm'")
    assert run(_inspect(url, lambda connection: connection.execute(query).scalar())) == 0
