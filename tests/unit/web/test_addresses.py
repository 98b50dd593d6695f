"""Addresses: read and written by each other's inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.web.addresses import Address, Urls, parse, query_string, safe_next

DIGEST = Digest.of(b"")
COMPONENT = st.from_regex(r"[a-z0-9]{1,6}(?:[._-][a-z0-9]{1,4})?", fullmatch=True)
NAMES = st.lists(COMPONENT, min_size=1, max_size=5).map("/".join)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(NAMES, st.one_of(st.none(), TAGS, st.just(str(DIGEST))), st.sampled_from([None, "layers", "settings"]))
def test_writing_and_reading_are_inverse(name: str, identifier: str | None, view: str | None) -> None:
    repository = RepositoryName.parse(name)
    digest = Digest.try_parse(identifier)
    tag = Tag.parse(identifier) if identifier and not digest else None
    reference = Reference(repository, tag=tag, digest=digest) if identifier else None
    address = Address(repository, reference, view)

    written = Urls("/base").of("prod", address)

    assert parse(written.removeprefix("/base/r/prod/")) == address


@pytest.mark.parametrize(
    "rest", ["", "/", "UPPER", "a//b", "a:", "a@sha256:12", "a/-/", "a/-/LAYERS", "a:b:c", "a/../b", "-/x", "a/-/<b>"]
)
def test_what_cannot_be_an_image_is_not_found(rest: str) -> None:
    with pytest.raises(NotFound):
        parse(rest)


def test_addresses_read_like_references() -> None:
    urls = Urls()

    assert urls.image("prod", "library/nginx", "1.25", "layers") == "/r/prod/library/nginx:1.25/-/layers"
    assert urls.image("prod", "library/nginx", DIGEST) == f"/r/prod/library/nginx@{DIGEST}"
    assert urls.namespace("prod", "a/b") == "/r/prod?namespace=a%2Fb"
    assert urls.search('"<&') == "/search?q=%22%3C%26"
    assert Urls("/k").home() == "/k/"
    assert Urls("/k").path('/a"b') == "/k/a%22b"


@pytest.mark.parametrize("target", [None, "", "x", "//h", "/\\h", "http://h/", "/a\r\nb", "/\t/h"])
def test_a_target_elsewhere_becomes_home(target: str | None) -> None:
    assert safe_next(target, "/home") == "/home"


def test_a_target_here_stays() -> None:
    assert safe_next("/r/prod?x=//y", "/home") == "/r/prod?x=//y"


def test_a_target_fits_a_header() -> None:
    assert safe_next("/search?q=\N{GRINNING FACE}", "/home") == "/search?q=%F0%9F%98%80"
    assert safe_next("/a%20b#\x85\udcff", "/home") == "/a%20b#%C2%85?"


def test_a_query_leaves_out_what_is_not_set() -> None:
    assert query_string({"a": None, "b": "", "c": 0, "d": "x y"}) == "?c=0&d=x+y"
    assert query_string({}) == ""
