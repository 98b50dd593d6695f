"""What sort of thing a manifest is."""

from __future__ import annotations

from typing import Any

import pytest

from kubedash.artifacts.kinds import (
    ATTESTATION_MANIFEST,
    ATTESTATION_SUBJECT,
    ATTESTATION_TYPE,
    ArtifactKind,
    artifact_type_of,
    classify,
    kind_of_descriptor,
    kind_of_type,
)
from kubedash.oci.annotations import TITLE
from kubedash.oci.digest import EMPTY_JSON, Digest
from kubedash.oci.manifest import (
    ArtifactManifest,
    Descriptor,
    ImageIndex,
    ImageManifest,
    Manifest,
    SchemaOneManifest,
    UnknownManifest,
)
from kubedash.oci.media_types import MediaType

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"


def entry(media_type: str, annotations: dict[str, str] | None = None, artifact_type: str | None = None) -> Descriptor:
    return Descriptor(media_type, Digest.of(media_type.encode()), 1, annotations or {}, artifact_type=artifact_type)


def manifest(
    config: str | None,
    *layers: Descriptor | str,
    artifact_type: str | None = None,
    annotations: dict[str, str] | None = None,
) -> ImageManifest:
    return ImageManifest(
        media_type=MediaType.OCI_MANIFEST,
        config=entry(config) if config is not None else None,
        layers=tuple(entry(layer) if isinstance(layer, str) else layer for layer in layers),
        artifact_type=artifact_type,
        annotations=annotations or {},
    )


def index(*children: Descriptor, **more: Any) -> ImageIndex:
    return ImageIndex(media_type=MediaType.OCI_INDEX, manifests=children, **more)


IMAGE = MediaType.OCI_CONFIG
SIGNING = {"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}
STATING = {"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"}
NONE = MediaType.OCI_EMPTY


@pytest.mark.parametrize(
    ("found", "kind", "artifact_type"),
    [
        (manifest(IMAGE, LAYER, LAYER), "image", None),
        (manifest(MediaType.DOCKER_CONFIG, "application/vnd.docker.image.rootfs.diff.tar.gzip"), "image", None),
        (manifest(IMAGE), "image", None),
        (manifest(IMAGE, f"{LAYER}+encrypted"), "image", None),
        (manifest(IMAGE, LAYER, artifact_type=IMAGE), "image", IMAGE),
        (manifest("application/vnd.cncf.helm.config.v1+json", "application/tar+gzip"), "chart", "…"),
        (manifest("application/vnd.cncf.helm.chart.config.v1+json"), "chart", "…"),
        (manifest(NONE, artifact_type="application/vnd.helm.plugin.v1+json"), "helm_plugin", "…"),
        (
            manifest(IMAGE, "application/vnd.dev.cosign.simplesigning.v1+json"),
            "cosign_signature",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
        (manifest("application/vnd.dev.cosign.artifact.sig.v1+json", "x/y"), "cosign_signature", "…"),
        (
            manifest(IMAGE, "application/vnd.dsse.envelope.v1+json"),
            "cosign_attestation",
            "application/vnd.dsse.envelope.v1+json",
        ),
        (manifest(IMAGE, "text/spdx"), "sbom", "text/spdx"),
        (manifest(IMAGE, "application/vnd.cyclonedx+xml"), "sbom", "application/vnd.cyclonedx+xml"),
        (manifest("application/vnd.dev.cosign.artifact.sbom.v1+json", "text/spdx"), "sbom", "…"),
        (manifest(NONE, artifact_type="application/spdx+json"), "sbom", "…"),
        (manifest(NONE, BUNDLE, artifact_type=BUNDLE), "sigstore_bundle", "…"),
        (manifest(NONE, BUNDLE), "sigstore_bundle", BUNDLE),
        (manifest(NONE, BUNDLE, annotations=SIGNING), "sigstore_bundle", BUNDLE),
        (manifest(NONE, BUNDLE, annotations=STATING), "sigstore_attestation", BUNDLE),
        (manifest(IMAGE, LAYER, annotations=STATING), "image", None),
        (manifest("application/vnd.cncf.notary.signature", "application/jose+json"), "notation_signature", "…"),
        (manifest(IMAGE, IN_TOTO, IN_TOTO), "attestation", IN_TOTO),
        (manifest(NONE, artifact_type="application/vnd.docker.attestation.manifest.v1+json"), "attestation", "…"),
        (manifest(NONE, artifact_type="application/sarif+json"), "vulnerability_report", "…"),
        (manifest("application/vnd.buildkit.cacheconfig.v0", LAYER), "build_cache", "…"),
        (manifest("application/vnd.aquasec.trivy.config.v1+json"), "vulnerability_database", "…"),
        (manifest("application/vnd.cncf.flux.config.v1+json"), "flux", "…"),
        (manifest("application/vnd.wasm.config.v0+json", "application/wasm"), "wasm", "…"),
        (manifest(NONE, artifact_type="application/vnd.cncf.model.manifest.v1+json"), "model", "…"),
        (manifest("application/vnd.docker.ai.model.config.v0.1+json"), "model", "…"),
        (manifest("application/vnd.cncf.openpolicyagent.config.v1+json"), "policy", "…"),
        (manifest("application/vnd.sylabs.sif.config.v1+json"), "singularity", "…"),
        (manifest(NONE, artifact_type="application/vnd.docker.compose.project"), "compose", "…"),
        (manifest("application/vnd.docker.plugin.v1+json"), "docker_plugin", "…"),
        (manifest(IMAGE, entry(LAYER, {"dev.tekton.image.kind": "task"})), "tekton_bundle", None),
        (manifest(IMAGE, entry("application/x-qemu-disk")), "vm_image", "application/x-qemu-disk"),
        (manifest("application/vnd.unknown.config.v1+json", entry("text/plain", {TITLE: "a.txt"})), "files", "…"),
        (manifest(IMAGE, entry("text/plain", {TITLE: "a.txt"})), "files", None),
        (manifest(IMAGE, entry(LAYER, {TITLE: "a.tgz"})), "files", None),
        (manifest(IMAGE, entry(LAYER, {TITLE: "a.tgz"}), LAYER), "image", None),
        (manifest(IMAGE, LAYER, "application/vnd.example.extra"), "artifact", None),
        (manifest(NONE, "text/plain"), "artifact", None),
        (manifest(NONE, LAYER), "artifact", None),
        (manifest(None, LAYER), "artifact", None),
        (manifest("application/vnd.example.config.v1+json", LAYER), "artifact", "…"),
        (manifest(IMAGE, LAYER, artifact_type="application/vnd.example"), "artifact", "…"),
        (index(), "index", None),
        (UnknownManifest("", "broken"), "unknown", None),
        (SchemaOneManifest(media_type="", architecture="", layers=(), history_json=()), "image", None),
        (
            ArtifactManifest(media_type="", artifact_type="application/spdx+json", blobs=()),
            "sbom",
            "application/spdx+json",
        ),
        (ArtifactManifest(media_type="", artifact_type=None, blobs=(entry("text/spdx"),)), "sbom", None),
        (ArtifactManifest(media_type="", artifact_type="x/y", blobs=()), "artifact", "x/y"),
    ],
)
def test_the_kind_and_type_of_a_manifest(found: Manifest, kind: str, artifact_type: str | None) -> None:
    """`…` stands for the manifest's artifact type or, without one, its config's type."""
    assert classify(found) == kind
    if artifact_type == "…":
        assert isinstance(found, ImageManifest)
        assert found.config is not None
        artifact_type = found.artifact_type or found.config.media_type
    assert artifact_type_of(found) == artifact_type


PLATFORM = entry(MediaType.OCI_MANIFEST)
BY_BUILDKIT = {ATTESTATION_TYPE: ATTESTATION_MANIFEST, ATTESTATION_SUBJECT: EMPTY_JSON}
ATTESTATION = entry(MediaType.OCI_MANIFEST, BY_BUILDKIT)


def attached(artifact_type: str) -> Descriptor:
    return entry(MediaType.OCI_MANIFEST, artifact_type=artifact_type)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (index(PLATFORM, PLATFORM), "index"),
        (index(PLATFORM, ATTESTATION), "index"),
        (index(entry(MediaType.OCI_INDEX)), "index"),
        (index(PLATFORM, attached(BUNDLE)), "index"),
        (index(PLATFORM, artifact_type="application/vnd.docker.compose.project"), "compose"),
        (index(attached(BUNDLE)), "referrers"),
        (index(attached(BUNDLE), attached("application/spdx+json"), ATTESTATION), "referrers"),
        (index(attached("application/vnd.wasm.config.v0+json")), "wasm"),
        (index(attached("x/y"), attached("x/z")), "artifact"),
        (index(attached("x/y"), attached("application/wasm")), "artifact"),
        (index(attached("x/y"), artifact_type="application/wasm"), "wasm"),
        (index(entry("application/vnd.example.thing")), "index"),
        (index(PLATFORM, annotations={"io.cnab.runtime_version": "v1.0.0"}), "cnab"),
        (index(entry(LAYER), entry("application/vnd.buildkit.cacheconfig.v0")), "build_cache"),
        (index(attached(MediaType.OCI_CONFIG)), "index"),
    ],
)
def test_the_kind_of_an_index_is_that_of_its_entries(found: ImageIndex, kind: str) -> None:
    assert classify(found) == kind


def test_another_type_of_reference_is_no_attestation() -> None:
    assert kind_of_descriptor(ATTESTATION) is ArtifactKind.BUILDKIT_ATTESTATION
    assert kind_of_descriptor(entry(MediaType.OCI_MANIFEST, {ATTESTATION_TYPE: "other"})) is ArtifactKind.IMAGE


@pytest.mark.parametrize("kind", ArtifactKind)
def test_every_kind_has_a_name_for_people(kind: ArtifactKind) -> None:
    assert kind.label[0].isupper()
    assert kind.is_attachment == (kind not in ArtifactKind or kind.value in ATTACHMENTS)


ATTACHMENTS = {
    "cosign_signature",
    "cosign_attestation",
    "sbom",
    "sigstore_bundle",
    "sigstore_attestation",
    "notation_signature",
    "attestation",
    "vulnerability_report",
    "referrers",
}


def test_types_are_compared_without_parameters_and_case() -> None:
    assert kind_of_type("Text/SPDX; charset=utf-8") is ArtifactKind.SBOM
    assert kind_of_type("") is kind_of_type(None) is kind_of_type("text/plain") is None
