"""The content of the sample registry: what the demo, the pictures and the journeys show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from demo import charts, images, sboms, scans
from demo.builds import builds
from demo.plant import Planter
from demo.push import Sample, make_artifact
from demo.signatures import (
    SigningKey,
    attached_document,
    attachment_tag,
    bundle,
    referrers_index,
    simple_signature,
    statement,
)

BUILDS: Final = "platform/ci/runner"
EMPTIED: Final = "platform/ci/retired"
TAGS: Final = 2000
Entry: TypeAlias = tuple[str, str, Sample]
"""Repository, tag, what is there."""


def entries(key: SigningKey, host: str) -> Iterator[Entry]:
    """Everything but the repository of many builds. `host` is what signatures name."""
    yield from _checkout(key, host)
    yield from _storefront(key, host)
    yield from _charts()
    yield "shop/cart", "1.4.0", images.checkout_api("1.4.0")
    yield "platform/legacy/billing", "1.9.0", images.billing()
    yield "platform/base/static", "1.0", images.bare()
    yield "security/hostile-labels", "nightly", images.hostile()
    yield "data/forecast", "2026-w47", images.files()
    yield "data/forecast", "latest", images.files()


def _checkout(key: SigningKey, host: str) -> Iterator[Entry]:
    """A signed image with a scan and both kinds of bill attached."""
    repository = "shop/checkout-api"
    name = f"{host}/{repository}"
    older, image = images.checkout_api("2.8.0"), images.checkout_api()
    yield repository, "2.8.0", older
    for tag in ("2.8.1", "2.8", "2", "latest"):
        yield repository, tag, image
    yield repository, attachment_tag(image, ".sig"), simple_signature(key, image, name)
    # The name of a file decides the type here: a scan attached by `cosign attach sbom` is called text/spdx.
    yield (
        repository,
        attachment_tag(image, ".sbom"),
        attached_document(scans.cosign_vuln(image, f"{name}:2.8.1"), "text/spdx"),
    )
    documents = sboms.describe(image, name)
    attached = [
        make_artifact([(kind, content)], artifact_type=kind, subject=image) for kind, content in documents.items()
    ]
    yield repository, attachment_tag(image), referrers_index(attached)


def _storefront(key: SigningKey, host: str) -> Iterator[Entry]:
    """A multi-platform image with attestations, signed by a bundle."""
    repository = "shop/storefront"
    name = f"{host}/{repository}"
    statements = {}
    for platform in images.PLATFORMS:
        image = images.storefront_platform("5.2.0", platform)
        bill = json.loads(sboms.describe(image, name, (sboms.SPDX,))[sboms.SPDX])
        built = scans.provenance(repository, images.REVISION)
        statements[platform] = [
            ("https://spdx.dev/Document", statement(image, name, "https://spdx.dev/Document", bill)),
            ("https://slsa.dev/provenance/v1", statement(image, name, "https://slsa.dev/provenance/v1", built)),
        ]
    index = images.storefront("5.2.0", statements)
    yield repository, "5.1.3", images.storefront("5.1.3")
    for tag in ("5.2.0", "5.2", "latest"):
        yield repository, tag, index
    yield repository, attachment_tag(index), referrers_index([bundle(key, index, name)])


def _charts() -> Iterator[Entry]:
    repository = f"platform/charts/{charts.NAME}"
    yield repository, "3.3.0", charts.chart("3.3.0", "5.1.3")
    yield repository, "3.4.0", charts.chart("3.4.0", "5.2.0")
    # A plus sign cannot be in a tag: helm writes an underscore instead.
    yield repository, "3.5.0-rc.1_build.7", charts.chart("3.5.0-rc.1+build.7", "5.2.0")


def fill(storage: Path, host: str, *, tags: int = TAGS) -> SigningKey:
    """Plants all of it into a registry's storage folder. Returns the key that signed."""
    key = SigningKey()
    planter = Planter(storage)
    for repository, tag, sample in entries(key, host):
        planter.plant(repository, tag, sample)
    for tag, sample in builds(tags):
        planter.plant(BUILDS, tag, sample)
    planter.empty_repository(EMPTIED)
    return key
