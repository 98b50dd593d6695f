"""The one door to the database: SQLite by default, PostgreSQL by its address.

SQLite runs in WAL with several readers beside one writer; a write takes the lock at
its first statement (BEGIN IMMEDIATE), because a read that turns into a write would
fail where another writer came between. Read and write sessions are different types,
and the database itself refuses to write through a reader. Pages mostly read, so reading
takes the shortest way: plain connections in a few threads, one hop a query.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Protocol, Self, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, text
from sqlalchemy.engine import URL, Row
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import ClauseElement, Executable

from kubedash.errors import Conflict, InvalidInput, Unavailable
from kubedash.storage import engines
from kubedash.storage.engines import READERS
from kubedash.storage.one_hop import OneHop, at_once, result_of
from kubedash.storage.prepared import Statements, execute_many, insert_together
from kubedash.storage.readers import Readers
from kubedash.storage.turns import Turns

_SWITCH_PAUSE_SECONDS: Final = 0.01
_UPGRADE_LOCK: Final = 0x6B64_6173_68
"""Any number, as long as it stays this one."""
Values = Mapping[str, Any]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Runner(Protocol):
    """Does a piece of work with the connection of a session, wherever that lives."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]: ...


class ReadSession:
    """Reads within one transaction: several queries see one picture."""

    def __init__(self, dialect: str, run: Runner) -> None:
        self.dialect = dialect
        """`sqlite` or `postgresql`."""
        self._run = run

    async def rows(self, statement: Executable, values: Values | None = None) -> Sequence[Row[Any]]:
        return await self._run(lambda connection: connection.execute(statement, values).fetchall())

    async def each(self, *statements: Executable, values: Values | None = None) -> Sequence[Sequence[Row[Any]]]:
        """The rows of several statements with the same values, in one round."""
        return await self._run(
            lambda connection: [connection.execute(statement, values).fetchall() for statement in statements]
        )

    async def first(self, statement: Executable, values: Values | None = None) -> Row[Any] | None:
        return await self._run(lambda connection: connection.execute(statement, values).first())

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:
        """The first column of the first row; None where there is no row."""
        return await self._run(lambda connection: connection.scalar(statement, values))

    async def scalars(self, statement: Executable, values: Values | None = None) -> Sequence[Any]:
        """The first column of every row."""
        return await self._run(lambda connection: connection.scalars(statement, values).all())


class WriteSession(ReadSession):
    """Reads and writes; everything is kept at the end, or nothing where something raised."""

    async def run(self, statement: Executable, values: Values | None = None) -> int:
        """How many rows it touched."""
        return await self._run(lambda connection: connection.execute(statement, values).rowcount)

    async def together(self, insert: Statements, rows: Sequence[Sequence[Any]]) -> None:
        """Few statements for many rows, on SQLite; see `insert_together`."""
        await self._run(lambda connection: insert_together(connection, insert, rows))

    async def many(self, statement: ClauseElement, rows: Sequence[Values]) -> None:
        """The same statement for every row, in one round; nothing to do for none.

        All rows name the same values, and the driver gets them as they are.
        """
        if rows:
            await self._run(lambda connection: execute_many(connection, statement, rows))


class Transaction(Protocol[T_co]):
    """What is done in one transaction: all of it is kept, or nothing."""

    def __call__(self, session: WriteSession, /) -> Coroutine[Any, Any, T_co]: ...


class WriteForGood(Protocol):
    """Does a transaction and returns what it does, when it is on the disk. Raises our errors."""

    def __call__(self, body: Transaction[T], /) -> T: ...


class Database:
    """Hands out sessions. Everything the driver raises leaves here as one of our errors."""

    def __init__(self, url: URL, readers: Readers, writer: AsyncEngine, swift: OneHop, lasting: OneHop) -> None:
        self.url = url
        self._readers = readers
        self._writer = writer
        self._swift = swift
        self._lasting = lasting
        self._turns = Turns(alone=url.get_backend_name() == "sqlite")

    @classmethod
    async def open(cls, url: str) -> Self:
        """Opens a migrated database; `url` is an SQLAlchemy URL or the path of an SQLite file.

        Raises `InvalidInput` for an address of another kind, `Unavailable` where it
        does not answer.
        """
        parsed = parse_url(url)
        database = cls(
            parsed,
            Readers(engines.reading(parsed), READERS),
            engines.writing(parsed),
            OneHop(engines.swift(parsed), engines.writers(parsed)),
            OneHop(engines.lasting(parsed)),
        )
        try:
            with translated_errors():
                async with database._writer.connect():
                    pass
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        return self._writer.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        with translated_errors():
            async with self._readers.take() as run:
                yield ReadSession(self.dialect, run)

    async def read_in_one(self, body: Callable[[ReadSession], Coroutine[Any, Any, T]]) -> T:
        """What `body` finds in one transaction, all of it in one hop: for pages of several queries.

        Each hop waits twice for its turn where something else keeps the interpreter busy.
        `body` runs in another thread and may await nothing but its session.
        """

        def read(connection: Connection) -> T:
            return result_of(body(ReadSession(self.dialect, partial(at_once, connection))))

        with translated_errors():
            async with self._readers.take() as run:
                return await run(read)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        async with self._turns.take():
            with translated_errors():
                async with _whole(self._writer.begin()) as connection:

                    def run(work: Callable[[Connection], T]) -> Awaitable[T]:
                        return _to_its_end(connection.run_sync(work))

                    yield WriteSession(self.dialect, run)

    async def write_in_one(self, body: Transaction[T]) -> T:
        """What `body` returns, all of it in one hop: for what is written often.

        With `write`, others who want to write wait at every statement until the loop has time for
        it, too. `body` runs in another thread and may await nothing but its session.
        """
        async with self._turns.take():
            return await _to_its_end(self._swift.run(lambda: self._transaction(self._swift, body)))

    async def write_for_good(self, body: Transaction[T]) -> T:
        """The same, and all it wrote is on the disk and survives a power cut.

        Of what `write` keeps the last may be lost then.
        """
        return await self.take_turn(lambda write: write(body))

    async def take_turn(self, work: Callable[[WriteForGood], T]) -> T:
        """The same for several transactions, one after another, with no way back in between.

        `work` runs in that thread and gets a function that does one of them. Others who write
        wait until it returns: it should, where `others_wait`.
        """
        async with self._turns.take():
            return await _to_its_end(
                self._lasting.run(lambda: work(lambda body: self._transaction(self._lasting, body)))
            )

    def others_wait(self) -> bool:
        """Whether somebody else wants to write; may be asked from any thread."""
        return self._turns.are_wanted()

    def _transaction(self, thread: OneHop, body: Transaction[T]) -> T:
        with translated_errors():
            return thread.transaction(lambda connection: body(WriteSession(self.dialect, partial(at_once, connection))))

    async def close(self) -> None:
        await self._readers.close()
        await self._swift.close()
        await self._lasting.close()
        await self._writer.dispose()


async def upgrade(url: str) -> None:
    """Brings the schema to this version; a new SQLite file is readable by its owner alone.

    Everything happens in one transaction under a lock, so several processes may start
    at once. Raises `Unavailable` where the database does not answer.
    """
    parsed = parse_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    with translated_errors():
        if sqlite:
            await asyncio.to_thread(_create_file, Path(parsed.database or ""))
        engine = engines.writing(parsed)
        try:
            async with engine.begin() as connection:
                if not sqlite:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
                await connection.run_sync(_run_migrations)
        finally:
            await engine.dispose()


def _run_migrations(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create_file(path: Path) -> None:
    """An empty file in WAL mode, where there is none; several processes may do it at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only a new file is opened here: to close one that SQLite has open would drop its locks.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(f"Cannot write {path}: {error.strerror}.", hint="Check KUBEDASH_DATA_DIR.") from error
    _switch_to_wal(path)


def _switch_to_wal(path: Path) -> None:
    """SQLite answers BUSY at once, whatever its timeout, while another connection switches too."""
    deadline = monotonic() + engines.BUSY_MILLISECONDS / 1000
    with closing(sqlite3.connect(path, timeout=engines.BUSY_MILLISECONDS / 1000, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                    raise Unavailable("The database does not answer.", answered=str(error)) from error
                sleep(_SWITCH_PAUSE_SECONDS)
            else:
                return


async def _to_its_end(work: Awaitable[T]) -> T:
    """Who waits may be cancelled, and hears of it when the work is done.

    A statement that is broken off costs its connection, which on SQLite holds the lock
    for half a minute more.
    """
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({doing})
        if not doing.cancelled():
            # Nobody else looks: what was cancelled is more than what failed.
            doing.exception()
        raise


@asynccontextmanager
async def _whole(transaction: AbstractAsyncContextManager[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    """A transaction whose beginning and end are not broken off either."""
    opening = asyncio.ensure_future(transaction.__aenter__())
    try:
        yield await _to_its_end(opening)
    except BaseException as error:
        if opening.exception() is None:
            await _to_its_end(transaction.__aexit__(type(error), error, error.__traceback__))
        raise
    else:
        await _to_its_end(transaction.__aexit__(None, None, None))


class translated_errors:  # noqa: N801 (reads as a function)
    """Turns what the driver raises into our errors, at one place. Bugs of ours pass as they are."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IntegrityError):
            raise Conflict("Something of that name is there already, or what it belongs to has gone.") from error
        if isinstance(error, DataError):
            raise InvalidInput("Some of it holds a character or number that cannot be kept.") from error
        if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError) or _is_lost(error):
            raise Unavailable(
                "The database does not answer.",
                answered=_first_line(error),
                hint="Check that it runs, that its disk has room and that KUBEDASH_DATABASE_URL is right.",
            ) from error


def parse_url(url: str) -> URL:
    """The address with the driver we use. Raises `InvalidInput` that does not repeat it: it holds a password."""
    if "://" not in url:
        return URL.create("sqlite+aiosqlite", database=str(Path(url).absolute()))
    try:
        parsed = make_url(url)
        backend = "postgresql" if parsed.drivername == "postgres" else parsed.get_backend_name()
    except Exception as error:
        raise InvalidInput("KUBEDASH_DATABASE_URL cannot be read.", hint=_URL_HINT) from error
    if backend == "sqlite" and parsed.database:
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise InvalidInput(f"KUBEDASH_DATABASE_URL names the database {backend}.", hint=_URL_HINT)


_URL_HINT: Final = "It looks like postgresql://user:password@host:5432/kubedash; empty means an SQLite file."


def _is_lost(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _first_line(error: BaseException | None) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
