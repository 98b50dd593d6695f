"""Where we go: the registry's own address, and the rules for places it sends us to.

A registry may name other addresses: the realm of its token server, the target of a
redirect, the next page of a list. A hostile one would name addresses inside our network
(SSRF). So next pages stay on the registry; realms and redirects may leave it, but for a
private address only on the registry's own host (any port), from one private network's
name to another's, or where an administrator lists it; and never for plain HTTP with
credentials.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import msgspec

from kubedash.errors import InvalidInput
from kubedash.registry.errors import UnsafeAddress

_PORTS: Final = {"http": 80, "https": 443}
_UNSAFE: Final = re.compile(r"[^!#$%&'()*+,/:;=?@\[\]~0-9A-Za-z._-]")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_HUB: Final = ("docker.io", "index.docker.io", "www.docker.io", "hub.docker.com")
_HUB_API: Final = "registry-1.docker.io"
MAX_URL_LENGTH: Final = 8192
ALLOW_SETTING: Final = "KUBEDASH_ALLOW_PRIVATE_ADDRESSES"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: the border that credentials do not cross."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises `ValueError` where the url has no host or another scheme than http(s)."""
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname
        if scheme not in _PORTS or not host:
            raise ValueError("not an http or https address with a host")
        return cls(scheme, host.rstrip("."), parts.port or _PORTS[scheme])

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class Base(msgspec.Struct, frozen=True):
    """A registry's address: its origin and path prefix."""

    origin: Origin
    prefix: str
    """Empty, or `/prefix` without a slash at its end."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads a setting; `/v2/` at its end is forgiven, docker.io becomes its API host.

        Raises `InvalidInput`.
        """
        try:
            origin = Origin.of(url.strip())
        except ValueError as error:
            raise InvalidInput(
                f"not a registry's address: {url[:200]!r}",
                fields={"url": str(error)},
                hint="It looks like https://registry.example or http://10.0.0.5:5000/prefix.",
            ) from error
        if origin.host in _HUB:
            origin = Origin("https", _HUB_API, 443)
        path = escape(urlsplit(url.strip()).path).rstrip("/")
        return cls(origin, path.removesuffix("/v2").rstrip("/"))

    @property
    def is_docker_hub(self) -> bool:
        return self.origin.host == _HUB_API

    @property
    def root(self) -> str:
        """Everything before `/v2/`."""
        return f"{self.origin}{self.prefix}"


class AllowList:
    """Hosts, `host:port` pairs, addresses and networks that realms and redirects may lead to."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._entries = tuple(entries)
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in self._entries:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                self._names.add(entry.lower())

    def including(self, host: str) -> AllowList:
        """The same list and one host more: a registry's token server often is its neighbour."""
        return AllowList((*self._entries, host))

    def names(self, host: str, port: int) -> bool:
        """Whether the host is listed by name, with or without the port."""
        return host in self._names or f"{host}:{port}" in self._names

    def permits(self, address: Address) -> bool:
        """Whether the address is public, or inside a listed network."""
        plain = _unwrapped(address)
        return is_public(plain) or any(plain in network for network in self._networks)

    def permits_host(self, host: str, port: int) -> bool:
        """As far as one can say without looking the name up; that comes when we connect."""
        if self.names(host, port):
            return True
        try:
            return self.permits(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            return True


def is_public(address: Address) -> bool:
    """False for loopback, private, link-local, multicast, reserved and the like."""
    plain = _unwrapped(address)
    return plain.is_global and not plain.is_multicast


def is_site_local(address: Address) -> bool:
    """Inside an organisation's network: private, but neither this machine nor the link (cloud metadata)."""
    plain = _unwrapped(address)
    return plain.is_private and not (plain.is_loopback or plain.is_link_local or plain.is_unspecified)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def escape(text: str) -> str:
    """Percent-encodes only what may not stand in a request line; the rest stays verbatim."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode()), text)


def shown(url: str, home: Origin | None = None) -> str:
    """The address for people: no user info, and no query unless it is the registry's own."""
    try:
        origin = Origin.of(url)
    except ValueError:
        return "an unreadable address"
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query and origin == home else ""
    return f"{origin}{escape(parts.path)}{query}"[:MAX_URL_LENGTH]


def resolve_elsewhere(base: Base, here: str, target: str, allowed: AllowList, *, secret: bool) -> str:
    """The address of a token realm (`secret`) or a redirect, if it is one we go to.

    Raises `UnsafeAddress`. With `secret`, credentials go there, so plain HTTP is only for
    registries that are themselves plain HTTP.
    """
    what = "token realm" if secret else "redirect"
    try:
        url = urljoin(here, escape(target.strip()))
        if len(url) > MAX_URL_LENGTH:
            raise ValueError("too long")
        origin = Origin.of(url)
        if "@" in urlsplit(url).netloc:
            raise ValueError("user info in it")
    except ValueError as error:
        raise UnsafeAddress(f"The registry's {what} cannot be followed: {error}.", answered=target[:200]) from error
    if origin == base.origin:
        return url.partition("#")[0]
    in_clear = base.origin.scheme == "https" and origin.scheme == "http"
    if in_clear and (secret or not allowed.names(origin.host, origin.port)):
        hint = None if secret else _allow_hint(origin)
        raise UnsafeAddress(f"The registry's {what} leaves HTTPS for plain HTTP.", answered=shown(url), hint=hint)
    if not allowed.permits_host(origin.host, origin.port):
        raise unsafe(origin, what)
    return url.partition("#")[0]


def unsafe(origin: Origin, what: str) -> UnsafeAddress:
    """The refusal of a private address."""
    return UnsafeAddress(
        f"The registry's {what} leads to a private address.", answered=str(origin), hint=_allow_hint(origin)
    )


def _allow_hint(origin: Origin) -> str:
    return f"If that host is yours, add {origin.host} to {ALLOW_SETTING}."


def resolve_upload(base: Base, here: str, target: str, allowed: AllowList) -> str:
    """Where an upload goes on, verbatim but for its origin where that is the registry's own host.

    TLS-ending proxies make `http://` locations of it. Another host gets no credentials of
    ours, and is one that redirects may lead to. Raises `UnsafeAddress`.
    """
    try:
        url = urljoin(here, escape(target.strip()))
        origin = Origin.of(url)
    except ValueError as error:
        raise UnsafeAddress("The upload's location cannot be followed.", answered=target[:200]) from error
    if origin.host == base.origin.host and origin.port in (base.origin.port, *_PORTS.values()):
        parts = urlsplit(url)
        path = parts.path if parts.path.startswith(f"{base.prefix}/") else f"{base.prefix}{parts.path}"
        url = f"{base.origin}{path}?{parts.query}" if parts.query else f"{base.origin}{path}"
    return resolve_elsewhere(base, here, url, allowed, secret=False)


def resolve_next_page(base: Base, here: str, target: str) -> str:
    """The address of a list's next page, rebuilt on the registry's own origin.

    TLS-ending proxies make `http://` links and forgotten prefixes, so only path and query
    are taken, verbatim. Raises `UnsafeAddress` when the link names another host.
    """
    try:
        url = urljoin(here, escape(target.strip()))
        origin = Origin.of(url)
    except ValueError as error:
        raise UnsafeAddress("The link to the next page cannot be followed.", answered=target[:200]) from error
    if origin.host != base.origin.host or len(url) > MAX_URL_LENGTH:
        raise UnsafeAddress(
            "The link to the next page leads to another host.",
            answered=shown(url),
            hint="Check the registry's `http.host` setting and the proxy in front of it.",
        )
    parts = urlsplit(url)
    path = parts.path if parts.path.startswith(f"{base.prefix}/v2/") else f"{base.prefix}{parts.path}"
    if not path.startswith(f"{base.prefix}/v2/") or "/../" in path:
        raise UnsafeAddress("The link to the next page leaves the registry's API.", answered=shown(url))
    return f"{base.origin}{path}?{parts.query}" if parts.query else f"{base.origin}{path}"
