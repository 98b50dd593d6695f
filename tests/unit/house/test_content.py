"""The demo's content is what it says: signatures verify, the same arguments give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from demo import charts, images, sboms
from demo.builds import builds
from demo.push import Sample
from demo.scans import cosign_vuln
from demo.signatures import SigningKey, attachment_tag, bundle, referrers_index, simple_signature


def _verify(key: SigningKey, signature: str, content: bytes) -> None:
    public = serialization.load_pem_public_key(key.public_pem)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(base64.b64decode(signature), content, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    "make", [images.checkout_api, images.billing, images.bare, images.hostile, images.files], ids=lambda m: m.__name__
)
def test_images_are_the_same_every_time_and_whole(make: object) -> None:
    assert callable(make)
    first, second = make(), make()
    assert isinstance(first, Sample)
    assert first == second
    manifest = json.loads(first.manifest)
    held = {f"sha256:{hashlib.sha256(blob).hexdigest()}": len(blob) for blob in first.blobs}
    for part in (manifest["config"], *manifest["layers"]):
        assert held[part["digest"]] == part["size"]


def test_history_pairs_with_layers() -> None:
    image = images.checkout_api()
    config = json.loads(image.blobs[0])
    steps = [step for step in config["history"] if not step.get("empty_layer")]
    # The base's own step made the first layer.
    assert len(steps) == len(json.loads(image.manifest)["layers"]) == len(config["rootfs"]["diff_ids"])


def test_a_cosign_signature_verifies() -> None:
    key, image = SigningKey(), images.bare()
    signed = simple_signature(key, image, "registry.example.com/a")
    layer = json.loads(signed.manifest)["layers"][0]
    payload = signed.blobs[1]
    _verify(key, layer["annotations"]["dev.cosignproject.cosign/signature"], payload)
    assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == image.digest
    assert attachment_tag(image, ".sig") == image.digest.replace(":", "-") + ".sig"


def test_a_bundle_verifies_and_is_listed() -> None:
    key, image = SigningKey(), images.bare()
    referrer = bundle(key, image, "registry.example.com/a")
    envelope = json.loads(referrer.blobs[1])["dsseEnvelope"]
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    _verify(key, envelope["signatures"][0]["sig"], signed)
    (entry,) = json.loads(referrers_index([referrer]).manifest)["manifests"]
    assert entry["artifactType"].startswith("application/vnd.dev.sigstore.bundle")
    assert json.loads(referrer.manifest)["subject"]["digest"] == image.digest


def test_attestations_speak_of_their_sibling() -> None:
    index = images.storefront("1.0.0", {"linux/amd64": [("https://slsa.dev/provenance/v1", b"{}")]})
    entries = json.loads(index.manifest)["manifests"]
    (attestation,) = [entry for entry in entries if entry["platform"]["os"] == "unknown"]
    assert attestation["annotations"]["vnd.docker.reference.digest"] == entries[0]["digest"]


def test_a_chart_is_an_archive_with_one_folder() -> None:
    sample = charts.chart("3.4.0", "5.2.0")
    with tarfile.open(fileobj=BytesIO(sample.blobs[1])) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} == {charts.NAME}
    assert f"{charts.NAME}/values.yaml" in names


@pytest.mark.parametrize("count", [0, 3, 100])
def test_as_many_tags_as_asked_for(count: int) -> None:
    tags = [tag for tag, _ in builds(count)]
    assert len(tags) == len(set(tags)) == count


def test_a_scan_names_its_image() -> None:
    image = images.bare()
    result = json.loads(cosign_vuln(image, "registry.example.com/a:1"))["scanner"]["result"]
    assert result["Metadata"]["RepoDigests"] == [f"registry.example.com/a@{image.digest}"]
    assert len(result["Results"]) == 2


def test_bills_without_a_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sboms, "syft", lambda: None)
    found = sboms.describe(images.bare(), "a")
    assert json.loads(found[sboms.CYCLONEDX])["components"]
    assert json.loads(found[sboms.SPDX])["packages"]


def test_bills_by_the_real_scanner() -> None:
    assert sboms.syft() is not None
    found = sboms.describe(images.checkout_api(), "a")
    names = {entry["name"] for entry in json.loads(found[sboms.CYCLONEDX])["components"]}
    assert {"curl", "requests", "zlib1g"} <= names


def test_a_layout_holds_every_blob(tmp_path: Path) -> None:
    image = images.bare()
    sboms.write_layout(image, tmp_path / "layout")
    assert len(list((tmp_path / "layout/blobs/sha256").iterdir())) == len(set(image.blobs)) + 1
