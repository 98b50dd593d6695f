"""Who sends an event: which registry it speaks of, and whether to believe it. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from kubedash.errors import NotFound, NotSignedIn
from kubedash.records import Registry

_PORTS = {"http": 80, "https": 443}


class Sender(msgspec.Struct, frozen=True):
    """A configured registry, as far as its webhooks go."""

    id: int
    name: str
    secret_digest: bytes | None


class Admission(msgspec.Struct, frozen=True):
    """What a post has shown before it was read."""

    sender: Sender | None
    """By its path or its secret; None: look at the host of each event."""
    authenticated: bool


class Senders(msgspec.Struct, frozen=True):
    """Everybody who may send."""

    by_name: Mapping[str, Sender]
    by_host: Mapping[str, Sender]
    """A host that several registries share is nobody's."""
    token_digest: bytes | None
    """Of the secret that holds for all of them."""

    @classmethod
    def of(cls, registries: Iterable[Registry], digests: Mapping[int, bytes], token: str) -> Senders:
        by_name: dict[str, Sender] = {}
        by_host: dict[str, Sender | None] = {}
        for registry in registries:
            sender = Sender(registry.id, registry.name, digests.get(registry.id))
            by_name[registry.name] = sender
            for host in hosts_of(registry.url, registry.pull_host):
                by_host[host] = None if host in by_host else sender
        known = {host: sender for host, sender in by_host.items() if sender is not None}
        return cls(by_name, known, secret_digest(token) if token else None)

    def admit(self, name: str | None, secret: str | None) -> Admission:
        """What path and secret show. Raises `NotFound` for an unknown path, `NotSignedIn` for a wrong secret."""
        digest = secret_digest(secret) if secret else None
        if name is not None and name not in self.by_name:
            raise NotFound(
                f"No registry is called {name[:80]!r} here.", hint="The path ends with the name it has in KubeDash."
            )
        if _same(digest, self.token_digest):
            return Admission(self.by_name[name] if name else None, authenticated=True)
        if name is not None:
            return self._admit_to(self.by_name[name], digest)
        # All are compared, so that the time it takes tells nothing.
        owners = [sender for sender in self.by_name.values() if _same(digest, sender.secret_digest)]
        if owners:
            return Admission(owners[0], authenticated=True)
        if self.token_digest is not None or (digest is not None and self._any_secret()):
            raise _wrong(digest)
        return Admission(None, authenticated=False)

    def attribute(self, admission: Admission, host: str | None) -> Sender | None:
        """Whose an event of an admitted post is. Raises `NotSignedIn` where that registry's secret is missing."""
        if admission.sender is not None or host is None:
            return admission.sender
        sender = self.by_host.get(normal_host(host))
        if sender is not None and sender.secret_digest is not None and not admission.authenticated:
            raise _wrong(None)
        return sender

    def _admit_to(self, sender: Sender, digest: bytes | None) -> Admission:
        if _same(digest, sender.secret_digest):
            return Admission(sender, authenticated=True)
        if sender.secret_digest is not None or self.token_digest is not None:
            raise _wrong(digest)
        return Admission(sender, authenticated=False)

    def _any_secret(self) -> bool:
        return any(sender.secret_digest is not None for sender in self.by_name.values())


def secret_digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def hosts_of(url: str, pull_host: str) -> set[str]:
    """How the clients of a registry may write its host."""
    parts = urlsplit(url)
    host = normal_host(parts.netloc)
    found = {host, normal_host(pull_host.partition("/")[0])}
    default = _PORTS.get(parts.scheme)
    if parts.port == default:
        found.add(host.removesuffix(f":{default}"))
    elif parts.port is None:
        found.add(f"{host}:{default}")
    return found


def normal_host(host: str) -> str:
    return host.strip().lower()


def _same(given: bytes | None, kept: bytes | None) -> bool:
    return given is not None and kept is not None and hmac.compare_digest(given, kept)


def _wrong(digest: bytes | None) -> NotSignedIn:
    what = "The webhook came without its secret." if digest is None else "The webhook's secret is wrong."
    return NotSignedIn(
        what, hint="The registry sends it as `headers: Authorization: [Bearer SECRET]` of its notifications endpoint."
    )
