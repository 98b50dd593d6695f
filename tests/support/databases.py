"""Both databases for tests: a fresh, migrated one for each test.

PostgreSQL is the real one from Debian's package: a cluster of its own in a temporary
folder, reachable by a socket in there and by nothing else, gone at the end.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

import psycopg
import pytest

from kubedash.storage.database import Database, upgrade
from tests.support.aio import run

BINARIES: Final = Path("/usr/lib/postgresql")
INSTALL: Final = "PostgreSQL is missing. Install it: apt-get install -y --no-install-recommends postgresql"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
TEMPLATE: Final = "template_kubedash"
_OWNER: Final = "postgres"
_PR_SET_PDEATHSIG: Final = 1
T = TypeVar("T")


class PostgresServer:
    """A cluster in a temporary folder; a context manager that leaves nothing behind."""

    def __init__(self, *options: str) -> None:
        """`options` are settings such as `shared_buffers=256MB`."""
        self._binaries = find_binaries()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="kubedash-pg-"))

    def __enter__(self) -> PostgresServer:
        try:
            self._become_owner()
            self._init()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def url(self, database: str) -> str:
        return f"postgresql://{_OWNER}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Runs a statement outside a transaction, as CREATE DATABASE wants it."""
        with closing(psycopg.connect(self.url(database), autocommit=True)) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """Ends the server at once, open connections included, and removes its folder."""
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    def crash(self) -> None:
        """Ends the server at once and keeps its folder; `start()` brings it back as after a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def _become_owner(self) -> None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_OWNER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def _init(self) -> None:
        subprocess.run(
            [
                self._binaries / "initdb",
                "--pgdata",
                self.folder / "data",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--auth=trust",
                "--no-sync",
                f"--username={_OWNER}",
            ],
            check=True,
            capture_output=True,
            **self._as_owner(),
        )

    def start(self) -> None:
        """Returns when it answers."""
        settings = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", *self._options)
        command = [self._binaries / "postgres", "-D", self.folder / "data", "-k", self.folder]
        for setting in settings:
            command += ["-c", setting]
        log = (self.folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 (one system call, before any thread of ours)
                **self._as_owner(),
            )
        self._await_answer(self._process)

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")

    def _as_owner(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {"cwd": self.folder}
        owner = pwd.getpwnam(_OWNER)
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": self.folder}


def find_binaries() -> Path:
    """The folder of the newest installed version; fails with what to install."""
    found = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    if not found:
        pytest.fail(INSTALL, pytrace=False)
    return found[-1].parent


def _die_with_parent() -> None:
    """A killed test run leaves no server behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class DatabaseAt:
    """A migrated, empty database and the way to work in it."""

    def __init__(self, url: str, dialect: str) -> None:
        self.url = url
        self.dialect = dialect

    def run(self, body: Callable[[Database], Awaitable[T]]) -> T:
        """Opens it, awaits `body(database)` and closes it again, in a loop of its own."""

        async def opened() -> T:
            database = await Database.open(self.url)
            try:
                return await body(database)
            finally:
                await database.close()

        return run(opened())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One cluster for this test process, with a migrated database to copy from."""
    with PostgresServer("shared_buffers=32MB", "max_connections=60") as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        run(upgrade(server.url(TEMPLATE)))
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "kubedash.db"
    run(upgrade(str(path)))
    return path


_numbers = count(1)


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[DatabaseAt]:
    """An empty, migrated PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield DatabaseAt(postgres_server.url(name), "postgresql")
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> DatabaseAt:
    """An empty, migrated SQLite file."""
    path = tmp_path / "kubedash.db"
    shutil.copy(sqlite_template, path)
    return DatabaseAt(str(path), "sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> DatabaseAt:
    """The same test on both databases."""
    found: DatabaseAt = request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database")
    return found
