"""What a person may say about a registry, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.oci.reference import RepositoryName
from kubedash.policy.registry_settings import candidates, is_loopback, normalise, read_url
from kubedash.records import RegistrySettings
from tests.support.certificates import make_authority

GOOD = RegistrySettings(name="prod", title="", url="registry.example.com:5000")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("registry.example.com", "registry.example.com"),
        ("Registry.Example.COM:5000", "registry.example.com:5000"),
        (" https://registry.example.com/ ", "https://registry.example.com"),
        ("https://example.com/hub/v2/", "https://example.com/hub"),
        ("https://example.com/v2", "https://example.com"),
        ("https://example.com/hub/v2/_catalog", "https://example.com/hub"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("example.com.:5000", "example.com.:5000"),
        ("x" * 63 + ".example.com", "x" * 63 + ".example.com"),
        ("10.1.2.3:5000", "10.1.2.3:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("registry_1:5000", "registry_1:5000"),
    ],
)
def test_an_address_has_one_spelling(given: str, read: str) -> None:
    assert read_url(given) == read


@pytest.mark.parametrize(
    "given",
    [
        "",
        "https://",
        "ftp://registry.example.com",
        "https://user:password@registry.example.com",
        "user@registry.example.com",
        "registry.example.com:notaport",
        "registry.example.com:99999",
        "registry.example.com:0",
        "https://registry.example.com/?x=1",
        "https://registry.example.com/#x",
        "two words",
        "-dash.example.com",
        "javascript:alert(1)",
        "https://registry.example.com/<script>",
        "x" * 3000,
        "x" * 64 + ".example.com",
        "registry..example.com",
        ".".join(["x" * 60] * 5),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput):
        read_url(given)


def test_a_bare_host_is_tried_by_https_first() -> None:
    assert candidates("host:5000") == ("https://host:5000", "http://host:5000")
    assert candidates("http://host") == ("http://host",)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://127.0.0.1:5000", True), ("http://localhost", True), ("http://[::1]:5", True), ("http://10.0.0.1", False)],
)
def test_loopback_is_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_what_is_wrong_is_said_for_all_fields_at_once() -> None:
    bad: dict[str, Any] = {
        "name": "Not A Slug",
        "url": "",
        "ca_pem": "nonsense",
        "client_certificate_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "proxy": "socks5://host",
        "pull_host": "https://host",
        "repositories": (RepositoryName("UPPER"),),
        "protected_tags": ("v*", "has space"),
        "title": "x" * 300,
    }
    with pytest.raises(InvalidInput) as caught:
        normalise(replace(GOOD, **bad))
    assert caught.value.fields.keys() == bad.keys()


def test_good_settings_lose_nothing() -> None:
    pem = make_authority().certificate_pem
    wanted = replace(
        GOOD,
        title="Production",
        username="robot",
        tls_verify=False,
        ca_pem=pem,
        proxy="http://proxy.example.com:3128/",
        pull_host="hub.example.com/mirror/",
        repositories=(RepositoryName("a/b"), RepositoryName("a/b"), RepositoryName("c")),
        protected_tags=("v*", "latest", "v*"),
    )
    found = normalise(wanted)
    assert found.title == "Production"
    assert (found.username, found.tls_verify, found.proxy) == ("robot", False, "http://proxy.example.com:3128")
    assert found.pull_host == "hub.example.com/mirror"
    assert found.repositories == ("a/b", "c")
    assert found.protected_tags == ("v*", "latest")
    assert found.ca_pem is not None
    assert found.ca_pem.strip() == pem.strip()
    assert normalise(found) == found


def test_blank_fields_mean_not_set() -> None:
    found = normalise(replace(GOOD, username=" ", ca_pem="\n", proxy="", pull_host=" "))
    assert (found.username, found.ca_pem, found.proxy, found.pull_host) == (None, None, None, None)
    assert found.title == "prod"
