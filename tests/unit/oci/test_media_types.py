"""Media types."""

from __future__ import annotations

import pytest

from kubedash.oci.media_types import ACCEPT_MANIFESTS, MANIFEST_TYPES, essence


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, ""),
        ("", ""),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/spdx ", "text/spdx"),
        (";", ""),
    ],
)
def test_parameters_and_case_do_not_matter(written: str | None, read: str) -> None:
    assert essence(written) == read


def test_every_manifest_type_is_always_asked_for() -> None:
    assert set(ACCEPT_MANIFESTS.split(", ")) == MANIFEST_TYPES
