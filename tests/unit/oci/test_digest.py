"""Digests: grammar, lengths, verification."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import InvalidInput
from kubedash.oci.digest import EMPTY_JSON, Digest

HEX = "ab" * 32


@given(st.binary(max_size=64))
def test_a_digest_survives_parsing_and_matches_its_content(content: bytes) -> None:
    digest = Digest.of(content)
    assert Digest.parse(str(digest)) == digest
    assert digest.matches(content)
    assert not digest.matches(content + b"x")


@given(st.text(max_size=300))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    found = Digest.try_parse(text)
    assert found is None or found == text


@pytest.mark.parametrize(
    "text",
    [
        f"sha256:{HEX}",
        f"sha384:{'0' * 96}",
        f"sha512:{'f' * 128}",
        f"blake3:{HEX}",
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
    ],
)
def test_registered_and_unregistered_algorithms_are_taken(text: str) -> None:
    digest = Digest.parse(text)
    assert f"{digest.algorithm}:{digest.encoded}" == text
    assert digest.short == f"{digest.algorithm}:{digest.encoded[:12]}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        ":abc",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}",
        f"sha256:{HEX}\n",
        f" sha256:{HEX}",
        f"sha512:{HEX}",
        f"blake3:{'g' * 64}",
        "sha+:abc",
        "md5:a b",
        f"other:{'a' * 300}",
    ],
)
def test_malformed_digests_are_refused(text: str) -> None:
    assert Digest.try_parse(text) is None
    with pytest.raises(InvalidInput):
        Digest.parse(text)


def test_a_missing_digest_is_none() -> None:
    assert Digest.try_parse(None) is None


def test_only_known_algorithms_can_be_verified() -> None:
    content = b"hello"
    assert Digest(f"sha512:{hashlib.sha512(content).hexdigest()}").matches(content)
    assert Digest(f"sha384:{hashlib.sha384(content).hexdigest()}").verifiable
    assert not Digest(f"blake3:{HEX}").verifiable
    assert not Digest("md5:5d41402abc4b2a76b9719d911017c592").matches(content)


def test_the_empty_descriptor_is_that_of_two_braces() -> None:
    assert Digest.of(b"{}") == EMPTY_JSON
