"""A repository as a busy pipeline leaves it: thousands of tags, several for each build."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from demo.push import Sample, make_image, make_index, make_layer
from demo.rootfs import debian_base, noise

LAST_BUILD: Final = datetime(2026, 11, 20, 17, 40, tzinfo=UTC)
SPAN: Final = timedelta(days=730)
_RELEASES_A_MINOR: Final = 14
_MULTI_PLATFORM_EVERY: Final = 25


class Build(NamedTuple):
    """One run of the pipeline: an image and the tags that it was given."""

    sample: Sample
    tags: tuple[str, ...]


def builds(count: int) -> Iterator[tuple[str, Sample]]:
    """`count` pairs of tag and image, oldest first; the floating tags come last."""
    # Three tags a build, and at the end the newest build's floating tags.
    floating = ("latest", "stable", "edge", "main")
    plain = max(count - len(floating), 0)
    total = max(1, -(-plain // 3))
    made = [_build(number, total) for number in range(total)]
    pairs = [(tag, build.sample) for build in made for tag in build.tags][:plain]
    yield from pairs
    yield from ((tag, made[-1].sample) for tag in floating[: count - plain])


def _build(number: int, total: int) -> Build:
    version = (
        f"{number // (_RELEASES_A_MINOR * 12) + 1}.{number // _RELEASES_A_MINOR % 12}.{number % _RELEASES_A_MINOR}"
    )
    revision = hashlib.sha1(f"build {number}".encode(), usedforsecurity=False).hexdigest()
    dice = random.Random(number)
    jitter = timedelta(minutes=dice.randrange(0, 600))
    created = (
        LAST_BUILD - SPAN * ((total - 1 - number) / max(total, 1)) - (jitter if number < total - 1 else timedelta())
    )
    tags = (version, f"{version}-g{revision[:7]}", f"build-{4100 + number}")
    return Build(_image(number, version, revision, created), tags)


def _image(number: int, version: str, revision: str, created: datetime) -> Sample:
    def platform_image(platform: str) -> Sample:
        return make_image(
            platform=platform,
            layers=(
                _base(platform),
                _dependencies(number // _RELEASES_A_MINOR),
                make_layer({"runner": noise(f"{platform} {revision}", 3_000)}),
            ),
            created=created.isoformat().replace("+00:00", "Z"),
            labels={
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.revision": revision,
                "org.opencontainers.image.source": "https://git.example.com/platform/runner",
            },
            config={"Entrypoint": ["/runner"], "User": "10001"},
        )

    if number % _MULTI_PLATFORM_EVERY == 0:
        return make_index([platform_image("linux/amd64"), platform_image("linux/arm64")])
    return platform_image("linux/amd64")


_layers: dict[str, bytes] = {}


def _base(platform: str) -> bytes:
    if platform not in _layers:
        _layers[platform] = debian_base(platform, 1_200_000)
    return _layers[platform]


def _dependencies(minor: int) -> bytes:
    key = f"dependencies {minor}"
    if key not in _layers:
        _layers[key] = make_layer({"usr/lib/runner.so": noise(key, 60_000 + (minor * 7919) % 240_000)})
    return _layers[key]
