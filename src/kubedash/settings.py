"""Every setting: name, type, default, one sentence. Read once at start.

A value comes from the environment, else from the file named by `<NAME>_FILE` (for
secrets), else from `kubedash.toml` (in the working folder or the data folder), else
from the default. docs/reference/settings.md documents each; a test holds it to that.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubedash.errors import InvalidInput


class Setting(msgspec.Struct, frozen=True):
    """One documented setting. `key` is its name in `kubedash.toml`."""

    name: str
    key: str
    default: str
    help: str
    secret: bool = False


SETTINGS: Final = (
    Setting(
        "KUBEDASH_DATA_DIR", "data_dir", "./data", "Folder of the SQLite files, the generated key and uploaded state."
    ),
    Setting(
        "KUBEDASH_DATABASE_URL",
        "database_url",
        "",
        "SQLAlchemy URL of a PostgreSQL database; empty means an SQLite file in the data folder.",
        secret=True,
    ),
    Setting(
        "KUBEDASH_SECRET_KEY",
        "secret_key",
        "",
        "Seals stored secrets and signs cookies, at least 32 characters; empty means one is generated once "
        "into the data folder with mode 0600.",
        secret=True,
    ),
    Setting(
        "KUBEDASH_ADMIN_PASSWORD",
        "admin_password",
        "",
        "Password of the first user, admin; empty means one is generated and printed once.",
        secret=True,
    ),
    Setting("KUBEDASH_HOST", "host", "127.0.0.1", "Address that `kubedash serve` listens on."),
    Setting("KUBEDASH_PORT", "port", "8080", "Port that `kubedash serve` listens on."),
    Setting("KUBEDASH_BASE_PATH", "base_path", "", "Path prefix behind a reverse proxy, such as /kubedash."),
    Setting(
        "KUBEDASH_PUBLIC_URL",
        "public_url",
        "",
        "How people reach this server; https here makes cookies Secure. Empty: http on the listening address.",
    ),
    Setting(
        "KUBEDASH_TRUSTED_PROXIES",
        "trusted_proxies",
        "",
        "Comma-separated addresses or networks whose X-Forwarded-For is believed.",
    ),
    Setting(
        "KUBEDASH_REGISTRIES",
        "registries",
        "",
        "Registries declared at start: a JSON list, or the path of a file that holds one.",
        secret=True,
    ),
    Setting(
        "DELETE_IMAGES",
        "delete_images",
        "false",
        "Whether anything destructive is offered by page, API and command line.",
    ),
    Setting(
        "KUBEDASH_EVENTS_TOKEN", "events_token", "", "Secret that registries send with their webhooks.", secret=True
    ),
    Setting(
        "KUBEDASH_EVENTS_RATE",
        "events_rate",
        "10000",
        "Most webhook posts a second that one address may send; 0 does not limit them.",
    ),
    Setting("KUBEDASH_EVENTS_RETENTION", "events_retention", "90", "Days that single registry events are kept."),
    Setting(
        "KUBEDASH_SYNC_INTERVAL", "sync_interval", "900", "Seconds between two crawls of a registry; 0 turns them off."
    ),
    Setting(
        "KUBEDASH_REGISTRY_CONCURRENCY",
        "registry_concurrency",
        "32",
        "Most requests under way at once to one registry; it backs off by itself below that.",
    ),
    Setting(
        "KUBEDASH_REGISTRY_TIMEOUT",
        "registry_timeout",
        "20",
        "Seconds that one request to a registry may take until its answer begins.",
    ),
    Setting(
        "KUBEDASH_ALLOW_PRIVATE_ADDRESSES",
        "allow_private_addresses",
        "",
        "Comma-separated hosts, addresses or networks that token realms and redirects may lead to "
        "besides the registry itself.",
    ),
    Setting("KUBEDASH_LOG_LEVEL", "log_level", "info", "debug, info, warning or error."),
)
_BY_KEY: Final = {setting.key: setting for setting in SETTINGS}
MIN_SECRET_LENGTH: Final = 32
_CONFIG_FILE: Final = "kubedash.toml"
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_PATH: Final = re.compile(r"[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*")
_WEB_ADDRESS: Final = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings as values. Secrets do not show in its repr."""

    data_dir: Path
    database_url: str
    secret_key: str
    """Empty: `kubedash.storage.sealing` makes one in the data folder."""
    admin_password: str
    host: str
    port: int
    base_path: str
    """Empty, or `/prefix` without a slash at its end."""
    public_url: str
    trusted_proxies: tuple[str, ...]
    registries: tuple[dict[str, Any], ...]
    delete_images: bool
    events_token: str
    events_rate: int
    events_retention_days: int
    sync_interval: int
    registry_concurrency: int
    registry_timeout: float
    allow_private_addresses: tuple[str, ...]
    log_level: str

    def __repr__(self) -> str:
        return f"Settings(data_dir={self.data_dir!s}, port={self.port}, …)"

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises `InvalidInput` that names the setting."""
    read = _Reader(os.environ if environ is None else environ)
    return Settings(
        data_dir=Path(read.text("data_dir")),
        database_url=read.checked("database_url", _database_url),
        secret_key=read.checked("secret_key", _secret_key),
        admin_password=read.text("admin_password"),
        host=read.text("host"),
        port=read.checked("port", _between(0, 65535)),
        base_path=read.checked("base_path", _base_path),
        public_url=read.checked("public_url", _public_url),
        trusted_proxies=read.checked("trusted_proxies", _words),
        registries=read.checked("registries", _registries),
        delete_images=read.checked("delete_images", _boolean),
        events_token=read.text("events_token"),
        events_rate=read.checked("events_rate", _between(0, 10_000_000)),
        events_retention_days=read.checked("events_retention", _between(1, 36_500)),
        sync_interval=read.checked("sync_interval", _between(0, 10_000_000)),
        registry_concurrency=read.checked("registry_concurrency", _between(1, 256)),
        registry_timeout=float(read.checked("registry_timeout", _between(1, 600))),
        allow_private_addresses=read.checked("allow_private_addresses", _words),
        log_level=read.checked("log_level", _one_of("debug", "info", "warning", "error")),
    )


class _Reader:
    """Looks a setting up: environment, its file, the configuration file, the default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        folder = environ.get("KUBEDASH_DATA_DIR", _BY_KEY["data_dir"].default)
        self._file = _config_file((Path(_CONFIG_FILE), Path(folder) / _CONFIG_FILE))

    def text(self, key: str) -> str:
        setting = _BY_KEY[key]
        if setting.name in self._environ:
            return self._environ[setting.name].strip()
        path = self._environ.get(f"{setting.name}_FILE")
        if path:
            return _read_secret_file(setting.name, Path(path))
        value = self._file.get(key, setting.default)
        return json.dumps(value) if isinstance(value, list | dict | bool) else str(value)

    def checked(self, key: str, check: Callable[[str], T]) -> T:
        try:
            return check(self.text(key))
        except ValueError as error:
            raise InvalidInput(f"setting {_BY_KEY[key].name}: {error}", hint=_BY_KEY[key].help) from error


def _config_file(candidates: tuple[Path, ...]) -> dict[str, Any]:
    for path in candidates:
        if path.is_file():
            try:
                content = tomllib.loads(path.read_text())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise InvalidInput(f"{path}: {error}") from error
            unknown = sorted(content.keys() - _BY_KEY.keys())
            if unknown:
                raise InvalidInput(
                    f"{path}: unknown setting {', '.join(unknown)}", hint="See docs/reference/settings.md."
                )
            return content
    return {}


def _read_secret_file(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise InvalidInput(f"setting {name}_FILE: cannot read {path}: {error.strerror}") from error


def _between(least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no whole number")
        value = int(text)
        if not least <= value <= most:
            raise ValueError(f"{value} is not between {least} and {most}")
        return value

    return check


def _one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text.lower()

    return check


def _boolean(text: str) -> bool:
    return _one_of("true", "false", "1", "0", "yes", "no", "on", "off")(text) in ("true", "1", "yes", "on")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _base_path(text: str) -> str:
    stripped = text.strip("/")
    if stripped and not _PATH.fullmatch(stripped):
        raise ValueError(f"{text[:200]!r} is no path such as /kubedash")
    return f"/{stripped}" if stripped else ""


def _public_url(text: str) -> str:
    stripped = text.rstrip("/")
    if stripped and not _WEB_ADDRESS.fullmatch(stripped):
        raise ValueError(f"{text[:200]!r} is no address such as https://kubedash.example.com")
    return stripped


def _database_url(text: str) -> str:
    """It is not repeated where it is refused: it may hold a password."""
    if text and "://" not in text:
        raise ValueError("it is no URL such as postgresql://user:password@host:5432/kubedash")
    return text


def _secret_key(text: str) -> str:
    if text and len(text) < MIN_SECRET_LENGTH:
        raise ValueError(f"needs at least {MIN_SECRET_LENGTH} characters")
    return text


def _registries(text: str) -> tuple[dict[str, Any], ...]:
    if text.lstrip().startswith("{"):
        raise ValueError("one registry is a list too: put it between [ and ]")
    if text and not text.lstrip().startswith("["):
        try:
            text = Path(text).read_text()
        except OSError as error:
            raise ValueError(f"cannot read {text[:200]}: {error.strerror}") from error
    try:
        return msgspec.json.decode(text or "[]", type=tuple[dict[str, Any], ...])
    except msgspec.DecodeError as error:
        raise ValueError(f"not a JSON list of registries: {error}") from error
