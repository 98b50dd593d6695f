"""KubeDash as a process of its own, with its API at hand: for demo, journeys and benchmarks."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_ASK_AGAIN_SECONDS: Final = 0.1
_LOOK_AGAIN_SECONDS: Final = 0.5
_ENDED: Final = ("done", "failed", "cancelled")


class ServerProcess:
    """`kubedash serve` on a loopback port, its state in `folder`.

    Use it as a context manager, or call `start()` and `stop()`. Raises `RuntimeError`
    when it does not come up; the message holds the end of its log.
    """

    def __init__(
        self, folder: Path | str, *, password: str, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.port = port or free_port()
        self.password = password
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "kubedash.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Returns when it is ready to answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kubedash", "serve", "--port", str(self.port)],
                env=self._environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # A Ctrl-C in the terminal is for whoever started us; they stop it in order.
                start_new_session=True,
            )
        atexit.register(self.stop)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._ready():
                return self
            time.sleep(_ASK_AGAIN_SECONDS)
        self.stop()
        raise RuntimeError(f"KubeDash did not start: {self.log.read_text(errors='replace')[-3000:]}")

    def stop(self) -> None:
        """Ends it in order. Nothing happens when it is not running."""
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill(self) -> None:
        """Ends it as a power cut would; `start()` brings it back on the same port."""
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait(self) -> int:
        """Blocks until it ends by itself; its exit code."""
        return self._process.wait() if self._process else 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Asks `/api/v1` as an administrator. Raises `RuntimeError` with the answer where it refuses."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:2000]!r}") from None

    def token(self) -> str:
        """A token made by the command line, once."""
        if not self._token:
            made = subprocess.run(
                [sys.executable, "-m", "kubedash", "token", "create", "--user", "admin", "--role", "admin"],
                env=self._environment(),
                check=True,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            self._token = made.stdout.strip()
        return self._token

    def connect(self, registry: Mapping[str, Any]) -> None:
        """Adds the registry, or brings its address and credentials up to date."""
        known = {entry["name"] for entry in self.api("GET", "/registries")["items"]}
        if registry["name"] in known:
            self.api("PATCH", f"/registries/{registry['name']}", registry)
        else:
            self.api("POST", "/registries", registry)

    def sync(
        self, registry: str, *, seconds: float = 300, watch: Callable[[dict[str, Any]], None] = lambda job: None
    ) -> dict[str, Any]:
        """Crawls the registry and waits for the end; the job as it ended. `watch` sees it on the way."""
        job: dict[str, Any] = self.api("POST", f"/registries/{registry}/sync")
        deadline = time.monotonic() + seconds
        while job["state"] not in _ENDED and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_SECONDS)
            job = self.api("GET", f"/jobs/{job['id']}")
            watch(job)
        return job

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KUBEDASH_")}
        return clean | {
            "KUBEDASH_DATA_DIR": str(self.folder.absolute()),
            "KUBEDASH_ADMIN_PASSWORD": self.password,
            "KUBEDASH_PORT": str(self.port),
            **self._settings,
        }


def free_port(wanted: int = 0) -> int:
    """`wanted` where nobody listens there, else any free loopback port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
