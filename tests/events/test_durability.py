"""What got a 2xx is there, exactly once: however often we are killed, and whatever the store does meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from demo.server import ServerProcess
from kubedash.storage.database import Database
from tests.support.databases import DatabaseAt, PostgresServer
from tests.support.events import CONTENT_TYPE, envelope, told

KILLS: Final = int(os.environ.get("TEST_KILLS", "2"))
"""Raise it to be surer: each takes some seconds."""
SENDERS: Final = 8
A_WHILE: Final = 150
"""Events that get through between two blows."""
SECONDS: Final = 120
PASSWORD: Final = "a password of the tests"


class Senders:
    """Registries that post one event after the other, each again and again until it is taken."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.taken: list[str] = []
        self.refused: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, many: int) -> None:
        """Until so many more got through."""
        goal, deadline = len(self.taken) + many, time.monotonic() + SECONDS
        while len(self.taken) < goal:
            assert time.monotonic() < deadline, (len(self.taken), self.refused)
            time.sleep(0.02)

    def _send(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            identifier = f"{sender}-{number}"
            if self._post(envelope(told(number, datetime.now(UTC), id=identifier))):
                with self._lock:
                    self.taken.append(identifier)
                number += 1
            else:
                time.sleep(0.05)

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request("POST", "/plugins/registry/events", body, {"Content-Type": CONTENT_TYPE})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if status != 200:
            with self._lock:
                self.refused[status] += 1
        return status == 200


async def _kept(store: Database) -> Counter[str]:
    async with store.read() as session:
        return Counter(await session.scalars(text("SELECT event_id FROM event")))


def _proven(taken: list[str], kept: Counter[str]) -> None:
    """Each that was taken is there, none is there twice; those without an answer may be there or not."""
    assert not [name for name in taken if kept[name] != 1]
    assert max(kept.values()) == 1
    assert len(taken) == len(set(taken)) <= len(kept) <= len(taken) + SENDERS


def _server(folder: Path, url: str) -> ServerProcess:
    settings = {"KUBEDASH_DATABASE_URL": url, "KUBEDASH_SYNC_INTERVAL": "0", "KUBEDASH_LOG_LEVEL": "error"}
    return ServerProcess(folder, password=PASSWORD, settings=settings)


def test_killed_again_and_again(database: DatabaseAt, tmp_path: Path) -> None:
    url = database.url if "://" in database.url else f"sqlite:///{database.url}"
    with _server(tmp_path, url) as server, Senders(server.port) as senders:
        for _ in range(KILLS):
            senders.wait_for(A_WHILE)
            server.kill()
            server.start()
        senders.wait_for(A_WHILE)
    _proven(senders.taken, database.run(_kept))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    # A server whose default is not to wait for the disk: events wait all the same.
    with PostgresServer("shared_buffers=32MB", "synchronous_commit=off") as server:
        server.execute("CREATE DATABASE events")
        yield server


def test_the_store_goes_away_and_comes_back(own_postgres: PostgresServer, tmp_path: Path) -> None:
    url: Any = own_postgres.url("events")
    with _server(tmp_path, url) as server, Senders(server.port) as senders:
        for _ in range(KILLS):
            senders.wait_for(A_WHILE)
            own_postgres.crash()
            before = senders.refused[503]
            _wait_until(lambda before=before: senders.refused[503] > before)  # type: ignore[misc]
            own_postgres.start()
        senders.wait_for(A_WHILE)
    assert set(senders.refused) == {503}
    _proven(senders.taken, DatabaseAt(url, "postgresql").run(_kept))


@contextmanager
def _following(url: str, folder: Path) -> Iterator[Path]:
    """What `kubedash events --follow` prints, from its first line on."""
    printed = folder / "followed"
    command = [sys.executable, "-m", "kubedash", "events", "--follow", "--json", "--limit", "1"]
    environment = {**os.environ, "KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_DATABASE_URL": url}
    with printed.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output) as process:
        try:
            _wait_until(printed.read_bytes)
            yield printed
        finally:
            process.send_signal(signal.SIGINT)


def test_a_follower_waits_for_the_store(own_postgres: PostgresServer, tmp_path: Path) -> None:
    url = str(own_postgres.url("events"))
    with _server(tmp_path, url) as server, Senders(server.port) as senders:
        senders.wait_for(1)
        with _following(url, tmp_path) as printed:
            known = Counter(name.partition("-")[0] for name in senders.taken)
            own_postgres.crash()
            before = senders.refused[503]
            _wait_until(lambda: senders.refused[503] > before)
            own_postgres.start()
            senders.wait_for(A_WHILE)
            # One of each sender may have been on its way when the follower began.
            since = {name for name in senders.taken if int(name.partition("-")[2]) > known[name.partition("-")[0]]}
            _wait_until(lambda: since <= set(_ids(printed)))
            assert since
            assert max(Counter(_ids(printed)).values()) == 1


def _ids(printed: Path) -> list[str]:
    """Of the lines that are whole."""
    return [json.loads(line)["event_id"] for line in printed.read_text().split("\n")[:-1]]


def _wait_until(holds: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
