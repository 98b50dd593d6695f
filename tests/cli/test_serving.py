"""`serve` and `worker` as processes of their own: how they begin, and how they end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.server import ServerProcess
from kubedash.cli.serve import free_place
from kubedash.errors import Unavailable

SECONDS = 60.0


@contextmanager
def started(folder: Path, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The process, which is gone afterwards whatever happens; what it says is in `folder/said`."""
    folder.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KUBEDASH_")}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "kubedash", *words],
            env={**clean, "KUBEDASH_DATA_DIR": str(folder / "data"), **environ},
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def wait_for(folder: Path, process: subprocess.Popen[str], text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in said(folder) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert text in said(folder)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(url: str) -> int:
    """The status; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def ready(url: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if get(f"{url}/readyz") == 200:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(tmp_path, "serve", "--port", str(port)) as process:
        assert ready(url), said(tmp_path)
        assert get(f"{url}/api/v1/registries") == 401
        assert f"KubeDash is at {url}/" in said(tmp_path)
        assert len(re.findall(r"First start: sign in as admin with the password \S{20}", said(tmp_path))) == 1
        process.send_signal(number)
        assert process.wait(SECONDS) == 0, said(tmp_path)
    assert "Traceback" not in said(tmp_path)
    assert get(f"{url}/healthz") == 0


def test_an_idle_connection_does_not_hold_it(tmp_path: Path) -> None:
    port = free_port()
    with started(tmp_path, "serve", "--port", str(port), KUBEDASH_ADMIN_PASSWORD="a first one") as process:
        assert ready(f"http://127.0.0.1:{port}"), said(tmp_path)
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0, said(tmp_path)
    assert "First start" not in said(tmp_path)


@pytest.mark.parametrize("path", ["/-/events", "/-/live?topic=registries"])
def test_an_open_stream_ends_first(tmp_path: Path, path: str) -> None:
    password = "only for this stream"
    with ServerProcess(tmp_path, password=password) as server:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token()}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as stream:
            stream.sendall(head.encode())
            assert stream.recv(100).startswith(b"HTTP/1.1 200")
            pid = server.pid or 0
            os.kill(pid, signal.SIGTERM)
            while stream.recv(1000):
                pass
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()
    assert "raised an exception" not in server.log.read_text()


def test_a_port_that_is_taken_is_a_refusal(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(tmp_path, "serve", "--port", str(port)) as process:
            assert process.wait(SECONDS) == 1, said(tmp_path)
    assert f"Cannot listen on 127.0.0.1:{port}" in said(tmp_path)
    assert "Traceback" not in said(tmp_path)


def test_a_port_that_is_none_is_misuse(tmp_path: Path) -> None:
    with started(tmp_path, "serve", "--port", "99999") as process:
        assert process.wait(SECONDS) == 2, said(tmp_path)


def test_a_data_folder_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with started(tmp_path, "serve", "--port", "0", KUBEDASH_DATA_DIR=str(tmp_path / "file" / "data")) as process:
        assert process.wait(SECONDS) == 1, said(tmp_path)
    assert said(tmp_path).startswith("kubedash: Cannot make the data folder")


def test_two_servers_do_not_share_a_port(tmp_path: Path) -> None:
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(("127.0.0.1", 0))
        shared.listen()
        with pytest.raises(Unavailable, match="Cannot listen"):
            free_place("127.0.0.1", shared.getsockname()[1])
    with pytest.raises(Unavailable, match="Cannot listen"):
        free_place("no-such-host.invalid", 8080)
    assert free_place("localhost", 0)[1] > 0


def test_a_database_that_is_not_there_is_a_refusal(tmp_path: Path) -> None:
    gone = "postgresql://nobody@127.0.0.1:1/nothing"
    with started(tmp_path, "serve", "--port", "0", KUBEDASH_DATABASE_URL=gone) as process:
        assert process.wait(SECONDS) == 1, said(tmp_path)
    assert said(tmp_path).startswith("kubedash: ")
    assert "Traceback" not in said(tmp_path)


def test_a_worker_works_until_it_is_told(tmp_path: Path) -> None:
    with started(tmp_path, "worker", KUBEDASH_ADMIN_PASSWORD="a first one") as process:
        wait_for(tmp_path, process, "KubeDash works in the background.")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, said(tmp_path)
    assert "Traceback" not in said(tmp_path)
