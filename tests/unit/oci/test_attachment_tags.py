"""Tags that machines write."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.oci.referrers import AttachmentTag, fallback_tag, is_machine_tag, parse_attachment_tag

DIGEST = Digest.of(b"x")
NAME = f"sha256-{DIGEST.encoded}"


@given(st.binary(max_size=20))
def test_a_referrers_tag_leads_back_to_its_subject(content: bytes) -> None:
    digest = Digest.of(content)
    tag = fallback_tag(digest)
    assert Tag.parse(tag) == tag
    assert parse_attachment_tag(tag) == AttachmentTag(digest, "")


@pytest.mark.parametrize("suffix", ["sig", "att", "sbom"])
def test_cosign_tags(suffix: str) -> None:
    tag = Tag(f"{NAME}.{suffix}")
    assert parse_attachment_tag(tag) == AttachmentTag(DIGEST, suffix)
    assert is_machine_tag(tag)


def test_a_long_digest_is_cut_and_cannot_be_led_back() -> None:
    tag = fallback_tag(Digest(f"sha512:{hashlib.sha512(b'x').hexdigest()}"))
    assert len(tag) == len("sha512-") + 64
    assert parse_attachment_tag(tag) is None
    assert is_machine_tag(tag)


def test_what_a_tag_may_not_hold_becomes_a_dash() -> None:
    digest = Digest.parse("sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=")
    assert fallback_tag(digest) == "sha256-b64u-LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564-"
    assert len(fallback_tag(Digest(f"{'a' * 40}:{'b' * 100}"))) == 32 + 1 + 64


@pytest.mark.parametrize(
    ("tag", "machine"),
    [
        (NAME, True),
        ("1.0-esgztoc", True),
        ("latest", False),
        ("sha256-abc", False),
        (f"{NAME}.txt", False),
        (f"{NAME}.sig.bak", False),
        (f"sha256-{DIGEST.encoded.upper()}", False),
        (f"v{NAME}", False),
        (f"sha-{DIGEST.encoded}", False),
    ],
)
def test_people_s_tags_are_left_alone(tag: str, machine: bool) -> None:
    assert is_machine_tag(Tag.parse(tag)) is machine
