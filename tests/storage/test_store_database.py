"""The door itself: sessions, errors of the driver, registries' settings."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert, select, text

from kubedash.errors import Conflict, InvalidInput, NotFound, Unavailable
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistryStatus
from kubedash.storage import registries
from kubedash.storage.database import READERS, Database, ReadSession, WriteForGood, WriteSession, parse_url, upgrade
from kubedash.storage.tables import tag_name
from tests.support.aio import run
from tests.support.databases import DatabaseAt, PostgresServer
from tests.support.stored import settings
from tests.support.summaries import DAY, NOW


def test_what_raises_is_not_kept(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async def fail() -> None:
            async with store.write() as session:
                await registries.add(session, settings(), b"")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with store.read() as session:
            assert await registries.list_all(session) == ()

    database.run(body)


def test_writers_take_turns_and_readers_do_not_wait(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async def write(number: int) -> None:
            async with store.write() as session:
                seen = await session.scalar(select(tag_name.c.id).limit(1))
                await asyncio.sleep(0)
                await session.run(insert(tag_name).values(name=f"{number} after {seen}"))

        async with store.write() as session:
            await session.run(insert(tag_name).values(name="first"))
            async with store.read() as reader:
                assert await reader.scalars(select(tag_name.c.name)) == []
        await asyncio.gather(*(write(number) for number in range(20)))
        async with store.read() as reader:
            assert len(await reader.scalars(select(tag_name.c.name))) == 21

    database.run(body)


def test_reading_in_one_hop_sees_one_picture_and_passes_on_what_was_raised(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async def twice(session: ReadSession) -> tuple[object, object]:
            return await session.scalar(select(1)), await session.scalars(select(tag_name.c.name))

        async def absent(session: ReadSession) -> None:
            await session.scalar(select(1))
            raise NotFound("not there")

        async def sleepy(session: ReadSession) -> None:
            await asyncio.sleep(0)

        async def wrong(session: ReadSession) -> None:
            await session.scalar(text("SELECT nothing FROM nowhere"))

        assert await store.read_in_one(twice) == (1, [])
        for raised, bad in ((NotFound, absent), (RuntimeError, sleepy), (Exception, wrong)):
            with pytest.raises(raised):
                await store.read_in_one(bad)
        # No reader was lost by it.
        for _ in range(READERS + 1):
            assert await store.read_in_one(twice) == (1, [])

    database.run(body)


def test_writing_in_one_hop_keeps_all_or_nothing(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async def add(session: WriteSession) -> object:
            await session.run(insert(tag_name).values(name="kept"))
            return await session.scalar(select(tag_name.c.name))

        async def fail(session: WriteSession) -> None:
            await session.run(insert(tag_name).values(name="lost"))
            raise NotFound("not there")

        async def twice(session: WriteSession) -> None:
            await add(session)

        assert await store.write_in_one(add) == "kept"
        for raised, bad in ((NotFound, fail), (Conflict, twice)):
            with pytest.raises(raised):
                await store.write_in_one(bad)
            with pytest.raises(raised):
                await store.write_for_good(bad)
        async with store.read() as session:
            assert await session.scalars(select(tag_name.c.name)) == ["kept"]

    database.run(body)


def test_who_has_the_turn_hears_that_others_wait(sqlite_database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        began, looked = threading.Event(), []

        def work(write: WriteForGood) -> list[int]:
            async def add(session: WriteSession) -> int:
                return await session.run(insert(tag_name).values(name=str(len(looked))))

            found = []
            began.set()
            while not looked or not looked[-1]:
                found.append(write(add))
                looked.append(store.others_wait())
            return found

        turn = asyncio.create_task(store.take_turn(work))
        while not began.is_set():
            await asyncio.sleep(0.001)
        async with store.write() as session:
            # Only now: nobody else wrote in between.
            names = await session.scalars(select(tag_name.c.name))
        assert len(names) == len(await turn)
        assert looked[-1]
        assert not store.others_wait()

    sqlite_database.run(body)


def test_two_processes_write_one_sqlite_file(sqlite_database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        other = await Database.open(sqlite_database.url)

        async def write(database: Database, number: int) -> None:
            async with database.write() as session:
                await session.scalar(select(tag_name.c.id).limit(1))
                await session.run(insert(tag_name).values(name=str(number)))

        await asyncio.gather(*(write((store, other)[number % 2], number) for number in range(40)))
        async with other.read() as session:
            assert len(await session.scalars(select(tag_name.c.name))) == 40
        await other.close()

    sqlite_database.run(body)


def test_more_readers_than_threads_and_readers_that_were_cancelled(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async def look() -> object:
            async with store.read() as session:
                await asyncio.sleep(0)
                return await session.scalar(select(1))

        given_up = [asyncio.create_task(look()) for _ in range(3 * READERS)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        assert await asyncio.gather(*(look() for _ in range(3 * READERS))) == [1] * 3 * READERS

    database.run(body)


def test_sqlite_refuses_to_write_through_a_reader(sqlite_database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        with pytest.raises(Unavailable):
            async with store.read() as session:
                await session.rows(text("DELETE FROM tag_name RETURNING id"))

    sqlite_database.run(body)


def test_sqlite_runs_as_it_should(sqlite_database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        for door in (store.read, store.write):
            async with door() as session:
                assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
                assert await session.scalar(text("PRAGMA synchronous")) == 1
                assert await session.scalar(text("PRAGMA foreign_keys")) == 1

    sqlite_database.run(body)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "sqlite://", "://", "postgresql://h:port/d"])
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        run(Database.open(url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("/data/kubedash.db", "sqlite+aiosqlite"),
        ("sqlite:////data/kubedash.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
    ],
)
def test_addresses_get_our_driver(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        run(Database.open(f"postgresql://u:secret@/d?host={tmp_path}"))
    assert "secret" not in repr(caught.value.diagnostics())
    with pytest.raises(Unavailable):
        run(upgrade(f"postgresql://u@/d?host={tmp_path}"))


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        run(upgrade(str(tmp_path / "file" / "kubedash.db")))


def test_a_locked_sqlite_file_is_unavailable(sqlite_database: DatabaseAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubedash.storage.engines.BUSY_MILLISECONDS", 50)
    other = sqlite3.connect(sqlite_database.url, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def body(store: Database) -> None:
        with pytest.raises(Unavailable):
            async with store.write() as session:
                await registries.list_all(session)

    try:
        sqlite_database.run(body)
    finally:
        other.close()


def test_a_server_that_went_away_is_unavailable_and_comes_back(postgres_server: PostgresServer) -> None:
    postgres_server.execute("CREATE DATABASE went_away TEMPLATE template_kubedash")

    async def body() -> None:
        store = await Database.open(postgres_server.url("went_away"))
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'went_away'"

        async def read_across() -> None:
            async with store.read() as session:
                await registries.list_all(session)
                await asyncio.to_thread(postgres_server.execute, kill)
                await registries.list_all(session)

        with pytest.raises(Unavailable):
            await read_across()
        async with store.read() as session:
            assert await registries.list_all(session) == ()
        await store.close()

    run(body())


def test_registries_keep_what_people_said(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        said = msgspec.structs.replace(
            settings(),
            username="üser:name",
            tls_verify=False,
            ca_pem="-----BEGIN",
            proxy="http://proxy:3128",
            repositories=(RepositoryName("a/b"), RepositoryName("c")),
            protected_tags=("latest", "v*"),
        )
        async with store.write() as session:
            identifier = await registries.add(session, said, b"sealed", declared=True)
            assert await registries.settings_of(session, identifier) == said
            found = await registries.by_id(session, identifier)
            assert found is not None
            assert (found.has_password, found.declared, found.pull_host) == (True, True, "127.0.0.1:5000")
            assert (found.status, found.repository_count, found.last_synced) == (RegistryStatus.UNKNOWN, None, None)
            changed = msgspec.structs.replace(said, name="other", pull_host="images.example", username=None)
            await registries.update(session, identifier, changed, None)
            assert await registries.sealed_secrets(session, identifier) == b"sealed"
            assert await registries.settings_of(session, identifier) == changed
            await registries.update(session, identifier, changed, b"")
            found = await registries.find(session, "other")
            assert found is not None
            assert (found.has_password, found.pull_host) == (False, "images.example")
            await registries.mark_declared(session, [])
            await registries.record_synced(session, identifier, NOW)
            found = await registries.find(session, "other")
            assert found is not None
            assert (found.declared, found.last_synced) == (False, NOW)
            with pytest.raises(NotFound):
                await registries.settings_of(session, identifier + 1)

    database.run(body)


def test_status_since_moves_only_with_the_status(database: DatabaseAt) -> None:
    async def body(store: Database) -> None:
        async with store.write() as session:
            identifier = await registries.add(session, settings(), b"")

            async def after(status: RegistryStatus, days: int) -> object:
                await registries.record_status(session, identifier, status, "why", NOW + days * DAY)
                found = await registries.by_id(session, identifier)
                assert found is not None
                return found.status_since

            assert await after(RegistryStatus.UNREACHABLE, 0) == NOW
            assert await after(RegistryStatus.UNREACHABLE, 1) == NOW
            assert await after(RegistryStatus.OK, 2) == NOW + 2 * DAY
            assert await after(RegistryStatus.UNREACHABLE, 3) == NOW + 3 * DAY

    database.run(body)


def test_a_registry_name_is_taken_once(database: DatabaseAt) -> None:
    async def add(session: WriteSession, name: str) -> int:
        return await registries.add(session, settings(name), b"")

    async def body(store: Database) -> None:
        async with store.write() as session:
            await add(session, "one")
            second = await add(session, "two")
        with pytest.raises(Conflict):
            async with store.write() as session:
                await add(session, "one")
        with pytest.raises(Conflict):
            async with store.write() as session:
                await registries.update(session, second, settings("one"), None)

    database.run(body)


@pytest.mark.timeout(20)
def test_a_cancelled_write_keeps_nobody_waiting(database: DatabaseAt) -> None:
    """At whatever moment it is cancelled: nothing of it is kept, and the next write has its turn at once."""

    async def write(store: Database, name: str) -> None:
        async with store.write() as session:
            for part in range(5):
                await session.run(insert(tag_name).values(name=f"{name}-{part}"))

    async def body(store: Database) -> None:
        for steps in range(60):
            task = asyncio.create_task(write(store, f"cancelled-{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await asyncio.sleep(steps / 20_000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await write(store, f"kept-{steps}")
        async with store.read() as session:
            names = await session.scalars(select(tag_name.c.name))
        assert {f"kept-{steps}-{part}" for steps in range(60) for part in range(5)} <= set(names)
        assert set(Counter(name.rpartition("-")[0] for name in names).values()) == {5}

    database.run(body)
