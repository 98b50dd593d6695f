"""Signatures, attestations and SBOMs as cosign leaves them, in its three ways of keeping them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from demo.push import Sample, make_image, make_index, push
from tests.interop.conftest import Peer
from tests.interop.documents import CYCLONEDX, SPDX, VULNERABILITIES
from tests.interop.tools import Desk

OFFLINE = ("--yes", "--tlog-upload=false", "--allow-http-registry")
REFERRERS = "--registry-referrers-mode=oci-1-1"
BUNDLES = "--new-bundle-format"
COSIGN_TAG = {"cosign_tag"}


@dataclass(frozen=True)
class Cosign:
    """cosign with a key of its own; what it works on is in `repository`."""

    desk: Desk
    peer: Peer
    repository: str

    def push(self, tag: str, sample: Sample) -> str:
        """The image's digest, in the way in which cosign wants to be told."""
        push(self.peer.url, self.repository, tag, sample)
        return f"{self.peer.host}/{self.repository}@{sample.digest}"

    def sign(self, image: str, *more: str) -> None:
        self.desk.run("cosign", "sign", *OFFLINE, "--key", "cosign.key", *more, image, COSIGN_EXPERIMENTAL="1")

    def attest(self, image: str, kind: str, document: str, *more: str) -> None:
        predicate = self.desk.write(f"{kind}.json", document)
        told = ("--type", kind, "--predicate", str(predicate))
        self.desk.run("cosign", "attest", *OFFLINE, "--key", "cosign.key", *told, *more, image)

    def attach_sbom(self, image: str, kind: str, document: str, *more: str) -> None:
        told = ("--allow-http-registry", "--type", kind, "--input-format", "json", *more)
        sbom = self.desk.write(f"sbom-{kind}.json", document)
        self.desk.run("cosign", "attach", "sbom", "--sbom", sbom, *told, image, COSIGN_EXPERIMENTAL="1")


@pytest.fixture
def cosign(desk: Desk, peer: Peer, request: pytest.FixtureRequest) -> Cosign:
    if not (desk.folder / "cosign.key").exists():
        desk.run("cosign", "generate-key-pair")
    return Cosign(desk, peer, f"cosign/{request.node.originalname.replace('_', '-')}")


def sample(name: str) -> Sample:
    return make_image(labels={"name": name})


def test_tags(cosign: Cosign) -> None:
    """`.sig`, `.att` and `.sbom` are folded into what they speak of."""
    signed, plain = sample("signed"), sample("plain")
    image = cosign.push("1.0", signed)
    cosign.push("2.0", plain)
    cosign.sign(image)
    for kind, document in (("vuln", VULNERABILITIES), ("cyclonedx", CYCLONEDX), ("spdxjson", SPDX)):
        cosign.attest(image, kind, document)
    cosign.attach_sbom(image, "spdx", SPDX)

    seen = cosign.peer.look(cosign.repository)

    stem = signed.digest.replace(":", "-")
    assert set(seen.tags) == {"1.0", "2.0"}
    assert seen.repository.tag_count == 2
    assert seen.machine_tags == {f"{stem}.{suffix}" for suffix in ("sig", "att", "sbom")}
    assert seen.attached("1.0") == {
        "cosign_signature": COSIGN_TAG,
        "cosign_attestation": COSIGN_TAG,
        "sbom": COSIGN_TAG,
    }
    assert set(seen.tags["1.0"].attachments) == {"cosign_signature", "cosign_attestation", "sbom"}
    assert seen.tags["1.0"].signed == seen.images["1.0"].signed == "unchecked"
    assert seen.attached("2.0") == {}
    assert seen.tags["2.0"].signed is None
    attestations = seen.images[f"{stem}.att"]
    assert attestations.kind == "cosign_attestation"
    assert len(attestations.layers) == 3


def test_referrers(cosign: Cosign) -> None:
    """OCI 1.1 without the API: a list under the referrers tag."""
    signed = sample("by referrers")
    image = cosign.push("1.0", signed)
    cosign.sign(image, REFERRERS)
    cosign.attach_sbom(image, "cyclonedx", CYCLONEDX, REFERRERS)

    seen = cosign.peer.look(cosign.repository)

    assert set(seen.tags) == {"1.0"}
    assert seen.repository.tag_count == 1
    assert set(seen.attached("1.0")) == {"cosign_signature", "sbom"}
    assert seen.tags["1.0"].signed == seen.images["1.0"].signed == "unchecked"


def test_bundles(cosign: Cosign) -> None:
    """What cosign 3 does by default; an attestation is no signature."""
    signed, attested = sample("signed"), sample("attested")
    cosign.sign(cosign.push("signed", signed), BUNDLES)
    image = cosign.push("attested", attested)
    cosign.attest(image, "spdxjson", SPDX, BUNDLES)
    cosign.attest(image, "vuln", VULNERABILITIES, BUNDLES)

    seen = cosign.peer.look(cosign.repository)

    assert set(seen.tags) == {"signed", "attested"}
    assert set(seen.attached("signed")) == {"sigstore_bundle"}
    assert seen.tags["signed"].signed == seen.images["signed"].signed == "unchecked"
    assert set(seen.attached("attested")) == {"sigstore_attestation"}
    assert len(seen.images["attested"].attachments) == 2
    assert seen.tags["attested"].signed is seen.images["attested"].signed is None


def test_an_index_and_its_platforms(cosign: Cosign) -> None:
    """`--recursive` signs each; without it the index alone is signed."""
    parts = [make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    whole, alone = make_index(parts), make_index(parts[:1])
    cosign.sign(cosign.push("whole", whole), "--recursive")
    cosign.sign(cosign.push("alone", alone))

    seen = cosign.peer.look(cosign.repository)

    assert set(seen.tags) == {"whole", "alone"}
    assert {tag.partition(".")[0] for tag in seen.machine_tags} == {
        found.digest.replace(":", "-") for found in (whole, alone, *parts)
    }
    assert seen.tags["whole"].signed == seen.tags["alone"].signed == "unchecked"
    assert {child.kind for child in seen.images["whole"].manifests} == {"image"}


def test_a_signature_that_comes_and_goes(cosign: Cosign) -> None:
    """The next crawl sees either, though the image stays as it is."""
    signed = sample("cleaned")
    image = cosign.push("1.0", signed)
    assert cosign.peer.look(cosign.repository).tags["1.0"].signed is None
    cosign.sign(image)
    assert cosign.peer.look(cosign.repository).tags["1.0"].signed == "unchecked"

    cosign.desk.run("cosign", "clean", "--force", "--type", "signature", "--allow-http-registry", image)

    seen = cosign.peer.look(cosign.repository)
    assert seen.machine_tags == set()
    assert seen.tags["1.0"].signed is None
