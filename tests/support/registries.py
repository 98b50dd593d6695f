"""Registries for tests: Debian's docker-registry in several configurations, and clients for them.

One process a worker and kind; tests use repositories of their own in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.registry_process import RegistryProcess
from kubedash.records import RegistryConnection, RegistrySecrets, RegistrySettings
from kubedash.registry.addresses import AllowList
from kubedash.registry.client import RegistryClient
from kubedash.registry.retries import IMPATIENT, Patience
from kubedash.registry.transport import Transport
from tests.support.certificates import Pair, issue, make_authority
from tests.support.token_issuer import ISSUER, SERVICE, TokenIssuer

USERS = {
    "ann": "secret",
    "colon": "a:b:c",
    "umlaut": "größer als Ärger",
    "base64": "a+/=+/=",
    "space": " two  spaces ",
    "quotes": "\"'\\`$(x)",
    "far": "密码-пароль-🔑",
    "url": "%41&x=1#?/@",
}


def connection(url: str, username: str | None = None, password: str | None = None, **more: Any) -> RegistryConnection:
    """All that a client needs; `more` goes to the settings, but tokens and keys to the secrets."""
    names = {"identity_token", "registry_token", "client_key_pem"}
    secrets = {name: more.pop(name) for name in names & more.keys()}
    return RegistryConnection(
        settings=RegistrySettings(name="sample", title="Sample", url=url, username=username, **more),
        secrets=RegistrySecrets(password=password, **secrets),
    )


@asynccontextmanager
async def client_of(
    wanted: RegistryConnection | str,
    *,
    allowed: Sequence[str] = (),
    timeout: float = 10,
    patience: Patience = IMPATIENT,
    concurrency: int = 16,
) -> AsyncIterator[RegistryClient]:
    """A client that does not retry unless asked to."""
    if isinstance(wanted, str):
        wanted = connection(wanted)
    transport = Transport(
        wanted, concurrency=concurrency, timeout=timeout, allowed=AllowList(allowed), patience=patience
    )
    client = RegistryClient(transport)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """Lets everybody in."""
    with RegistryProcess(tmp_path_factory.mktemp("open-registry")) as process:
        yield process


@pytest.fixture(scope="session")
def htpasswd_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """Basic auth for `USERS`."""
    with RegistryProcess(tmp_path_factory.mktemp("htpasswd-registry"), htpasswd=USERS, bcrypt_cost=4) as process:
        yield process


@dataclass(frozen=True)
class TlsRegistry:
    process: RegistryProcess
    authority: Pair
    client: Pair

    @property
    def url(self) -> str:
        return self.process.url


@pytest.fixture(scope="session")
def authority() -> Pair:
    return make_authority()


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory, authority: Pair) -> Iterator[TlsRegistry]:
    """HTTPS by an authority nobody knows."""
    folder = tmp_path_factory.mktemp("tls-registry")
    with RegistryProcess(folder, tls=_server_files(folder, authority)) as process:
        yield TlsRegistry(process, authority, issue(authority, "client"))


@pytest.fixture(scope="session")
def mutual_tls_registry(tmp_path_factory: pytest.TempPathFactory, authority: Pair) -> Iterator[TlsRegistry]:
    """HTTPS, and only clients with a certificate are let in."""
    folder = tmp_path_factory.mktemp("mutual-tls-registry")
    ca = folder / "ca.pem"
    ca.write_text(authority.certificate_pem)
    with RegistryProcess(folder, tls=_server_files(folder, authority), client_ca=ca) as process:
        yield TlsRegistry(process, authority, issue(authority, "client"))


def _server_files(folder: Path, authority: Pair) -> tuple[Path, Path]:
    server = issue(authority, "registry", "127.0.0.1", "localhost")
    certificate, key = folder / "server.pem", folder / "server.key"
    certificate.write_text(server.certificate_pem)
    key.write_text(server.key_pem)
    return certificate, key


@dataclass(frozen=True)
class TokenRegistry:
    process: RegistryProcess
    issuer: TokenIssuer

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def allowed(self) -> tuple[str, ...]:
        """The realm is on loopback, which must be allowed."""
        return ("127.0.0.0/8",)


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenRegistry]:
    """Bearer tokens: ann may do all in `team/app`, ben may read it, `public/app` is for everybody."""
    folder = tmp_path_factory.mktemp("token-registry")
    signer = make_authority("token signer")
    bundle = folder / "signer.pem"
    bundle.write_text(signer.certificate_pem)
    public = {"repository:public/app:pull"}
    rights = {
        "": public,
        "ann": public | {f"repository:{name}:{action}" for name in ("team/app", "public/app") for action in _ALL}
        | {"registry:catalog:*"},
        "ben": public | {"repository:team/app:pull"},
    }  # fmt: skip
    issuer = TokenIssuer(signer, {"ann": "a:b", "ben": "b"}, rights)
    token = {"realm": issuer.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}
    try:
        with RegistryProcess(folder, token=token) as process:
            yield TokenRegistry(process, issuer)
    finally:
        issuer.close()


_ALL = ("pull", "push", "delete")
