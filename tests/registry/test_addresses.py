"""Where we go and where we do not."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from kubedash.errors import InvalidInput
from kubedash.registry.addresses import AllowList, Base, Origin, is_public, resolve_elsewhere, resolve_next_page, shown
from kubedash.registry.errors import UnsafeAddress
from kubedash.registry.resolving import GuardedResolver, PrivateAddress
from tests.support.aio import run

BASE = Base.parse("https://registry.example/prefix")
HERE = "https://registry.example/prefix/v2/x/tags/list?n=1"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("https://registry.example", "https://registry.example"),
        ("https://Registry.Example:443/", "https://registry.example"),
        ("http://10.0.0.5:5000/v2/", "http://10.0.0.5:5000"),
        ("http://[::1]:5000/a/b/", "http://[::1]:5000/a/b"),
        ("https://registry.example/api/docker/key/v2", "https://registry.example/api/docker/key"),
        ("https://docker.io", "https://registry-1.docker.io"),
        ("http://index.docker.io/", "https://registry-1.docker.io"),
    ],
)
def test_registry_addresses(text: str, root: str) -> None:
    assert Base.parse(text).root == root


@pytest.mark.parametrize("text", ["", "registry.example", "ftp://x", "https://", "https://x:99999", "https://[::1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidInput):
        Base.parse(text)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("target", "entries", "secret", "goes"),
    [
        ("/token", (), True, "https://registry.example/token"),
        ("https://auth.example/t#x", (), True, "https://auth.example/t"),
        ("https://registry.example:8443/t", (), True, "https://registry.example:8443/t"),
        ("https://10.0.0.9/t", (), True, None),
        ("https://10.0.0.9/t", ("10.0.0.0/8",), True, "https://10.0.0.9/t"),
        ("https://10.0.0.9/t", ("10.0.0.9",), False, "https://10.0.0.9/t"),
        ("https://[fd00::9]/t", ("fd00::/8",), False, "https://[fd00::9]/t"),
        ("http://auth.example/t", ("auth.example",), True, None),
        ("http://store.example/t", (), False, None),
        ("http://store.example:9000/t", ("store.example:9000",), False, "http://store.example:9000/t"),
        ("http://store.example:9001/t", ("store.example:9000",), False, None),
        ("https://u:p@auth.example/t", (), True, None),
        ("gopher://auth.example/", (), False, None),
    ],
)
def test_realms_and_redirects(target: str, entries: tuple[str, ...], secret: bool, goes: str | None) -> None:
    allowed = AllowList(entries)
    if goes is None:
        with pytest.raises(UnsafeAddress):
            resolve_elsewhere(BASE, HERE, target, allowed, secret=secret)
    else:
        assert resolve_elsewhere(BASE, HERE, target, allowed, secret=secret) == goes


def test_a_plain_registry_on_loopback_may_point_at_itself_alone() -> None:
    base = Base.parse("http://127.0.0.1:5000")
    here = "http://127.0.0.1:5000/v2/"
    itself = resolve_elsewhere(base, here, "http://127.0.0.1:5000/token", AllowList(), secret=True)
    assert itself == "http://127.0.0.1:5000/token"
    with pytest.raises(UnsafeAddress) as caught:
        resolve_elsewhere(base, here, "http://127.0.0.1:5001/token", AllowList(), secret=True)
    assert "127.0.0.1" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("target", "goes"),
    [
        ("/prefix/v2/x/tags/list?last=a", "https://registry.example/prefix/v2/x/tags/list?last=a"),
        ("/v2/x/tags/list?last=a", "https://registry.example/prefix/v2/x/tags/list?last=a"),
        ("?last=a%2Fb", "https://registry.example/prefix/v2/x/tags/list?last=a%2Fb"),
        ("?last=a b\u00fc", "https://registry.example/prefix/v2/x/tags/list?last=a%20b%C3%BC"),
        ("http://registry.example:5000/v2/x?last=a", "https://registry.example/prefix/v2/x?last=a"),
        ("https://other.example/prefix/v2/x?last=a", None),
        ("/other?last=a", None),
        ("javascript:alert(1)", None),
    ],
)
def test_next_pages_stay_on_the_registry(target: str, goes: str | None) -> None:
    if goes is None:
        with pytest.raises(UnsafeAddress):
            resolve_next_page(BASE, HERE, target)
    else:
        assert resolve_next_page(BASE, HERE, target) == goes


def test_addresses_for_people_hold_no_secrets() -> None:
    home = Origin.of("https://registry.example")
    assert shown("https://u:p@registry.example/v2/?n=1", home) == "https://registry.example/v2/?n=1"
    assert shown("https://store.example/key?X-Signature=s", home) == "https://store.example/key"
    assert shown("nonsense") == "an unreadable address"


def test_the_registrys_own_host_may_serve_tokens_on_another_port() -> None:
    base = Base.parse("http://127.0.0.1:5000")
    allowed = AllowList().including(base.origin.host)
    realm = "http://127.0.0.1:5001/token"
    assert resolve_elsewhere(base, f"{base.root}/v2/", realm, allowed, secret=True) == realm
    with pytest.raises(UnsafeAddress):
        resolve_elsewhere(base, f"{base.root}/v2/", "http://127.0.0.2:5001/token", allowed, secret=True)


@pytest.mark.parametrize(
    ("home", "neighbour", "reached"),
    [
        ("10.0.0.5", "10.0.0.6", True),
        ("10.0.0.5", "169.254.169.254", False),
        ("10.0.0.5", "127.0.0.1", False),
        ("93.184.216.34", "10.0.0.6", False),
        ("93.184.216.34", "93.184.216.35", True),
    ],
)
def test_a_name_leads_into_the_private_network_only_from_inside_it(
    monkeypatch: pytest.MonkeyPatch, home: str, neighbour: str, reached: bool
) -> None:
    addresses = {"registry.corp": home, "login.corp": neighbour}

    async def look_up(_: object, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=addresses[host], port=port, family=family, proto=0, flags=0)]

    monkeypatch.setattr(ThreadedResolver, "resolve", look_up)

    async def check() -> None:
        resolver = GuardedResolver(AllowList(), "registry.corp")
        if reached:
            assert [found["host"] for found in await resolver.resolve("login.corp", 443)] == [neighbour]
        else:
            with pytest.raises(PrivateAddress):
                await resolver.resolve("login.corp", 443)

    run(check())
