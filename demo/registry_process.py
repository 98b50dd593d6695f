"""A registry on a free loopback port, with the configuration one asks for: Debian's docker-registry.

Standard library alone, so that the demo runs on any machine that has the program.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import ctypes.util
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

PROGRAM: Final = "docker-registry"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_ATTEMPTS: Final = 5
_BCRYPT_ALPHABET: Final = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BASE64_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Options(TypedDict, total=False):
    """What a registry may be asked to be; all of it optional."""

    program: str
    """Another build of the distribution registry, by name or path. Default: Debian's docker-registry."""
    htpasswd: dict[str, str]
    """User names and passwords; without it the registry is open."""
    bcrypt_cost: int
    """4 to 31; every step doubles the price of a request. Default 5."""
    tls: tuple[Path, Path]
    """Certificate and key, PEM."""
    client_ca: Path
    """With `tls`: only clients with a certificate of this authority are let in."""
    token: dict[str, str]
    """docker-registry's `auth.token`: realm, service, issuer, rootcertbundle."""
    delete: bool
    """Whether manifests and blobs may be deleted. Default yes."""
    read_only: bool
    schema1: bool
    """Whether the oldest manifests may be pushed. Default no."""
    headers: dict[str, list[str]]
    """More headers on every answer, such as those of CORS."""
    notifications: list[dict[str, Any]]
    """Endpoints of webhooks, as docker-registry's `notifications.endpoints` has them."""
    prefix: str
    """Path prefix, such as `/registry`."""
    access_log: bool
    """Whether every request gets a line in `log`. Default no."""
    port: int
    """Default: a free one."""


class RegistryProcess:
    """A running registry. Its content stays in `folder` when it stops.

    Use it as a context manager, or call `start()` and `stop()`. Raises `RuntimeError`
    when the program is missing or does not come up; the message says why.
    """

    def __init__(self, folder: Path | str, **options: Unpack[Options]) -> None:
        self.folder = Path(folder)
        self.host = "127.0.0.1"
        self.port = options.get("port", 0)
        self._fixed_port = bool(self.port)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Scheme, host, port and prefix, without a trailing slash."""
        scheme = "https" if "tls" in self._options else "http"
        return f"{scheme}://{self.host}:{self.port}{self._prefix}"

    @property
    def storage(self) -> Path:
        """Where docker-registry keeps blobs and links."""
        return self.folder / "storage"

    @property
    def log(self) -> Path:
        return self.folder / "registry.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def _prefix(self) -> str:
        stripped = self._options.get("prefix", "").strip("/")
        return f"/{stripped}" if stripped else ""

    def start(self) -> Self:
        """Returns when the registry answers."""
        wanted = self._options.get("program", PROGRAM)
        program = shutil.which(wanted)
        if program is None:
            how = f": apt-get install {PROGRAM}" if wanted == PROGRAM else ""
            raise RuntimeError(f"{wanted} is not installed{how}")
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(1 if self._fixed_port else _ATTEMPTS):
            self.port = self.port or _free_port()
            if self._launch(program):
                atexit.register(self.stop)
                return self
            self.port = self.port if self._fixed_port else 0
        raise RuntimeError(f"{program} did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Ends it in order. Nothing happens when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self, **changes: Unpack[Options]) -> Self:
        """The same content on the same port, with `changes` of its options."""
        self.stop()
        self._options.update(changes)
        self._fixed_port = True
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, program: str) -> bool:
        config = self.folder / "config.yml"
        # JSON is YAML too.
        config.write_text(json.dumps(self._config(), indent=1))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        # distribution 3 would look for a collector.
        environment["OTEL_TRACES_EXPORTER"] = "none"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers() and self._process.poll() is None:
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _answers(self) -> bool:
        if "client_ca" in self._options:
            return self._listens()
        connection = self._connect()
        try:
            connection.request("GET", f"{self._prefix}/v2/")
            return connection.getresponse().status in (200, 401)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=2).close()
        except OSError:
            return False
        return True

    def _connect(self) -> http.client.HTTPConnection:
        if "tls" not in self._options:
            return http.client.HTTPConnection(self.host, self.port, timeout=2)
        # Only asks whether it is up yet; nothing is sent that could be stolen.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, self.port, timeout=2, context=context)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _config(self) -> dict[str, Any]:
        options = self._options
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": not options.get("access_log", False)}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage.absolute())},
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": options.get("delete", True)},
                "maintenance": {
                    "readonly": {"enabled": options.get("read_only", False)},
                    "uploadpurging": {"enabled": False},
                },
            },
            "http": {
                "addr": f"{self.host}:{self.port}",
                "headers": {"X-Content-Type-Options": ["nosniff"], **options.get("headers", {})},
            },
        }
        if self._prefix:
            config["http"]["prefix"] = f"{self._prefix}/"
        if "tls" in options:
            certificate, key = options["tls"]
            config["http"]["tls"] = {"certificate": str(certificate), "key": str(key)}
            if "client_ca" in options:
                config["http"]["tls"]["clientcas"] = [str(options["client_ca"])]
        if options.get("schema1", False):
            config["compatibility"] = {"schema1": {"enabled": True}}
        if "notifications" in options:
            config["notifications"] = {"endpoints": options["notifications"]}
        return config | self._auth()

    def _auth(self) -> dict[str, Any]:
        if "token" in self._options:
            return {"auth": {"token": self._options["token"]}}
        if "htpasswd" not in self._options:
            return {}
        path = self.folder / "htpasswd"
        cost = self._options.get("bcrypt_cost", 5)
        lines = (f"{user}:{bcrypt(password, cost)}\n" for user, password in self._options["htpasswd"].items())
        path.write_text("".join(lines), encoding="utf-8")
        path.chmod(0o600)
        return {"auth": {"htpasswd": {"realm": "sample registry", "path": str(path.absolute())}}}


def bcrypt(password: str, cost: int = 5) -> str:
    """A line of htpasswd as docker-registry wants it, made by the system's libcrypt."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    salt = base64.b64encode(os.urandom(16)).rstrip(b"=").translate(bytes.maketrans(_BASE64_ALPHABET, _BCRYPT_ALPHABET))
    # The last character of the salt carries four bits that are not used.
    setting = b"$2b$%02d$%s" % (cost, salt[:21] + b".")
    hashed: bytes | None = library.crypt(password.encode(), setting)
    if not hashed or not hashed.startswith(b"$2b$"):
        raise RuntimeError("this system's libcrypt knows no bcrypt")
    return hashed.decode()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
