"""A registry's content for crawls: images, aliases, indexes with attestations, charts, signatures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from demo.plant import Planter
from demo.push import OCI_INDEX, Sample, make_artifact, make_image, make_index

ATTESTATION = {
    "vnd.docker.reference.type": "attestation-manifest",
}


def image(number: int, platform: str = "linux/amd64") -> Sample:
    return make_image(
        platform=platform, labels={"number": str(number), "org.opencontainers.image.version": f"1.{number}"}
    )


def built(number: int) -> Sample:
    """As BuildKit leaves it: two platforms, and an attestation for each."""
    entries: list[Sample | tuple[Sample, dict[str, object]]] = []
    for platform in ("linux/amd64", "linux/arm64"):
        child = image(number, platform)
        attestation = make_artifact([("application/vnd.in-toto+json", f'{{"n": "{number} {platform}"}}'.encode())])
        notes = {**ATTESTATION, "vnd.docker.reference.digest": child.digest}
        entries += [
            child,
            (attestation, {"annotations": notes, "platform": {"os": "unknown", "architecture": "unknown"}}),
        ]
    return make_index(entries)


def signature(of: Sample) -> Sample:
    return make_artifact(
        [
            (
                "application/vnd.dev.cosign.simplesigning.v1+json",
                of.digest.encode(),
                {"dev.cosignproject.cosign/signature": "MEQ="},
            )
        ],
        config=("application/vnd.oci.image.config.v1+json", b"{}"),
    )


def chart(number: int) -> Sample:
    config = f'{{"name": "web", "version": "0.{number}.0", "apiVersion": "v2"}}'.encode()
    return make_artifact(
        [("application/vnd.cncf.helm.chart.content.v1.tar+gzip", f"chart {number}".encode())],
        config=("application/vnd.cncf.helm.config.v1+json", config),
    )


def referrers_of(subject: Sample) -> tuple[Sample, Sample]:
    """An SBOM that names its subject, and the referrers tag's index with it."""
    sbom = make_artifact(
        [("application/spdx+json", subject.digest.encode())], artifact_type="application/spdx+json", subject=subject
    )
    return sbom, make_index([(sbom, {"artifactType": "application/spdx+json"})])


def machine_tag(subject: Sample, suffix: str = "") -> str:
    return subject.digest.replace(":", "-") + suffix


def everything(images: int = 160, indexes: int = 24, small: int = 30) -> Iterator[tuple[str, str | None, Sample]]:
    """(repository, tag, sample) of a registry with about `2 * images` tags."""
    for number in range(images):
        yield "team/app", f"1.{number}", image(number)
        if number % 4 == 0:
            yield "team/app", f"build-{number}", image(number)
    for number in range(indexes):
        yield "team/multi", f"v{number}", built(number)
        yield "team/multi", machine_tag(built(number), ".sig"), signature(built(number))
        yield "charts/web", f"0.{number}.0", chart(number)
    for number in range(6):
        sbom, listing = referrers_of(image(number))
        yield "team/app", None, sbom
        yield "team/app", machine_tag(image(number)), listing
    for number in range(small):
        yield f"small/n{number}", "latest", image(1000 + number)


def plant(storage: Path, content: Iterator[tuple[str, str | None, Sample]]) -> int:
    """Puts it into a registry's folder. Returns how many tags there are."""
    planter, tags = Planter(storage), 0
    for repository, tag, sample in content:
        planter.plant(repository, tag, sample)
        tags += tag is not None
    return tags


__all__ = ["OCI_INDEX", "built", "chart", "everything", "image", "machine_tag", "plant", "referrers_of", "signature"]
