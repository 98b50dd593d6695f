"""Reads a docker `config.json` or podman `auth.json`.

Only what stands in the file is taken. Credential helpers are programs, and a server does
not run programs that an uploaded file names: their hosts are listed as needing one.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.records import Record, RegistrySecrets

MAX_CONFIG_BYTES: Final = 1024 * 1024
MAX_ENTRIES: Final = 1000
DOCKER_HUB_KEY: Final = "index.docker.io"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - docker's word for "the password is an identity token"


class DockerLogin(Record, frozen=True, kw_only=True):
    """One entry: who we are at a host, or below a path of it (podman)."""

    username: str | None
    secrets: RegistrySecrets


class DockerConfig(Record, frozen=True, kw_only=True):
    """Logins by host or `host/namespace`, and hosts whose login a helper keeps."""

    entries: dict[str, DockerLogin]
    needs_helper: tuple[str, ...]

    def find(self, host: str, repository: str = "") -> DockerLogin | None:
        """The login for a repository; the longest matching key wins."""
        path = f"{_host_key(host)}/{repository}".rstrip("/")
        while path:
            if path in self.entries:
                return self.entries[path]
            path = path.rpartition("/")[0]
        return None


class _Entry(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = msgspec.field(default=None, name="identitytoken")
    registry_token: str | None = msgspec.field(default=None, name="registrytoken")


class _Config(msgspec.Struct):
    auths: dict[str, _Entry | None] | None = None
    helpers: dict[str, str] | None = msgspec.field(default=None, name="credHelpers")
    store: str | None = msgspec.field(default=None, name="credsStore")


def parse_docker_config(raw: bytes) -> DockerConfig:
    """Raises `InvalidInput` where it is no such file."""
    if len(raw) > MAX_CONFIG_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_CONFIG_BYTES:,} bytes")
    try:
        config = msgspec.json.decode(raw, type=_Config)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"not a docker config.json: {error}"[:200], hint='It looks like {"auths": {"registry.example": {…}}}.'
        ) from error
    entries: dict[str, DockerLogin] = {}
    needs_helper = {_host_key(host) for host in config.helpers or {}}
    for key, entry in list((config.auths or {}).items())[:MAX_ENTRIES]:
        host = _host_key(key)
        login = _login(entry or _Entry(), host)
        if login is not None:
            entries[host] = login
        elif config.store:
            # docker leaves empty entries for what it keeps in the store.
            needs_helper.add(host)
    return DockerConfig(entries=entries, needs_helper=tuple(sorted(needs_helper - entries.keys())))


def _login(entry: _Entry, host: str) -> DockerLogin | None:
    username, password = entry.username, entry.password
    if entry.auth:
        username, password = _split(entry.auth, host)
    identity_token = entry.identity_token
    if username == _TOKEN_USER:
        username, password, identity_token = None, None, identity_token or password
    secrets = RegistrySecrets(
        password=password or None,
        identity_token=identity_token or None,
        registry_token=entry.registry_token or None,
    )
    return None if secrets == RegistrySecrets() else DockerLogin(username=username or None, secrets=secrets)


def _split(auth: str, host: str) -> tuple[str, str]:
    """base64 of `user:password`, cut at the first colon; some writers pad with NULs."""
    try:
        text = base64.b64decode(auth + "=" * (-len(auth) % 4), validate=True).decode().rstrip("\0")
    except ValueError as error:
        raise InvalidInput(f"the entry of {host[:100]!r} is not base64") from error
    username, _, password = text.partition(":")
    return username, password


def _host_key(key: str) -> str:
    """Without scheme, and without the API's path; Docker Hub has one name."""
    stripped = key.strip().lower().partition("://")[2] or key.strip().lower()
    stripped = stripped.rstrip("/")
    for ending in ("/v1", "/v2"):
        stripped = stripped.removesuffix(ending)
    return DOCKER_HUB_KEY if stripped in ("docker.io", "registry-1.docker.io") else stripped
