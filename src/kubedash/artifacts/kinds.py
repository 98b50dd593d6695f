"""What sort of thing a manifest is, decided by its types and annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kubedash.oci.annotations import TITLE
from kubedash.oci.manifest import (
    ArtifactManifest,
    Descriptor,
    ImageIndex,
    ImageManifest,
    Manifest,
    SchemaOneManifest,
)
from kubedash.oci.media_types import IMAGE_CONFIG_TYPES, IMAGE_MANIFEST_TYPES, INDEX_TYPES, MediaType, essence


class ArtifactKind(StrEnum):
    """The words are those of the API; `label` is for people."""

    IMAGE = "image"
    INDEX = "index"
    CHART = "chart"
    HELM_PLUGIN = "helm_plugin"
    COSIGN_SIGNATURE = "cosign_signature"
    COSIGN_ATTESTATION = "cosign_attestation"
    SBOM = "sbom"
    SIGSTORE_BUNDLE = "sigstore_bundle"
    SIGSTORE_ATTESTATION = "sigstore_attestation"
    NOTATION_SIGNATURE = "notation_signature"
    BUILDKIT_ATTESTATION = "attestation"
    VULNERABILITY_REPORT = "vulnerability_report"
    REFERRERS = "referrers"
    BUILD_CACHE = "build_cache"
    VULNERABILITY_DATABASE = "vulnerability_database"
    FLUX = "flux"
    WASM = "wasm"
    MODEL = "model"
    POLICY = "policy"
    SINGULARITY = "singularity"
    CNAB = "cnab"
    TEKTON = "tekton_bundle"
    COMPOSE = "compose"
    DOCKER_PLUGIN = "docker_plugin"
    VM_IMAGE = "vm_image"
    FILES = "files"
    ARTIFACT = "artifact"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """A short name for people, such as `Helm chart`."""
        return _LABELS[self]

    @property
    def is_attachment(self) -> bool:
        """Whether it says something about another manifest and is of no use alone."""
        return self in _ATTACHMENTS


_LABELS: Final = {
    ArtifactKind.IMAGE: "Image",
    ArtifactKind.INDEX: "Multi-platform image",
    ArtifactKind.CHART: "Helm chart",
    ArtifactKind.HELM_PLUGIN: "Helm plugin",
    ArtifactKind.COSIGN_SIGNATURE: "Cosign signature",
    ArtifactKind.COSIGN_ATTESTATION: "Cosign attestation",
    ArtifactKind.SBOM: "SBOM",
    ArtifactKind.SIGSTORE_BUNDLE: "Sigstore bundle",
    ArtifactKind.SIGSTORE_ATTESTATION: "Sigstore attestation",
    ArtifactKind.NOTATION_SIGNATURE: "Notation signature",
    ArtifactKind.BUILDKIT_ATTESTATION: "Build attestation",
    ArtifactKind.VULNERABILITY_REPORT: "Vulnerability report",
    ArtifactKind.REFERRERS: "List of attachments",
    ArtifactKind.BUILD_CACHE: "Build cache",
    ArtifactKind.VULNERABILITY_DATABASE: "Vulnerability database",
    ArtifactKind.FLUX: "Flux artifact",
    ArtifactKind.WASM: "WebAssembly module",
    ArtifactKind.MODEL: "Model",
    ArtifactKind.POLICY: "Policy bundle",
    ArtifactKind.SINGULARITY: "Singularity image",
    ArtifactKind.CNAB: "CNAB bundle",
    ArtifactKind.TEKTON: "Tekton bundle",
    ArtifactKind.COMPOSE: "Compose application",
    ArtifactKind.DOCKER_PLUGIN: "Docker plugin",
    ArtifactKind.VM_IMAGE: "Virtual machine image",
    ArtifactKind.FILES: "Files",
    ArtifactKind.ARTIFACT: "Artifact",
    ArtifactKind.UNKNOWN: "Unknown",
}
_ATTACHMENTS: Final = frozenset(
    {
        ArtifactKind.COSIGN_SIGNATURE,
        ArtifactKind.COSIGN_ATTESTATION,
        ArtifactKind.SBOM,
        ArtifactKind.SIGSTORE_BUNDLE,
        ArtifactKind.SIGSTORE_ATTESTATION,
        ArtifactKind.NOTATION_SIGNATURE,
        ArtifactKind.BUILDKIT_ATTESTATION,
        ArtifactKind.VULNERABILITY_REPORT,
        ArtifactKind.REFERRERS,
    }
)

_BY_TYPE: Final = {
    "application/vnd.cncf.helm.config.v1+json": ArtifactKind.CHART,
    "application/vnd.cncf.helm.chart.config.v1+json": ArtifactKind.CHART,
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip": ArtifactKind.CHART,
    "application/vnd.helm.plugin.v1+json": ArtifactKind.HELM_PLUGIN,
    "application/vnd.dev.cosign.simplesigning.v1+json": ArtifactKind.COSIGN_SIGNATURE,
    "application/vnd.dev.cosign.artifact.sig.v1+json": ArtifactKind.COSIGN_SIGNATURE,
    "application/vnd.dsse.envelope.v1+json": ArtifactKind.COSIGN_ATTESTATION,
    "application/vnd.dev.cosign.artifact.sbom.v1+json": ArtifactKind.SBOM,
    "text/spdx": ArtifactKind.SBOM,
    "text/spdx+json": ArtifactKind.SBOM,
    "text/spdx+xml": ArtifactKind.SBOM,
    "application/spdx+json": ArtifactKind.SBOM,
    "application/vnd.cyclonedx": ArtifactKind.SBOM,
    "application/vnd.cyclonedx+json": ArtifactKind.SBOM,
    "application/vnd.cyclonedx+xml": ArtifactKind.SBOM,
    "application/vnd.syft+json": ArtifactKind.SBOM,
    "application/vnd.goharbor.harbor.sbom.v1": ArtifactKind.SBOM,
    "application/vnd.cncf.notary.signature": ArtifactKind.NOTATION_SIGNATURE,
    "application/vnd.docker.attestation.manifest.v1+json": ArtifactKind.BUILDKIT_ATTESTATION,
    "application/vnd.in-toto+json": ArtifactKind.BUILDKIT_ATTESTATION,
    "application/sarif+json": ArtifactKind.VULNERABILITY_REPORT,
    "application/vnd.buildkit.cacheconfig.v0": ArtifactKind.BUILD_CACHE,
    "application/vnd.aquasec.trivy.config.v1+json": ArtifactKind.VULNERABILITY_DATABASE,
    "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip": ArtifactKind.VULNERABILITY_DATABASE,
    "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip": ArtifactKind.VULNERABILITY_DATABASE,
    "application/vnd.cncf.flux.config.v1+json": ArtifactKind.FLUX,
    "application/vnd.cncf.flux.content.v1.tar+gzip": ArtifactKind.FLUX,
    "application/vnd.wasm.config.v0+json": ArtifactKind.WASM,
    "application/vnd.wasm.config.v1+json": ArtifactKind.WASM,
    "application/vnd.wasm.content.layer.v1+wasm": ArtifactKind.WASM,
    "application/wasm": ArtifactKind.WASM,
    "application/vnd.sylabs.sif.config.v1+json": ArtifactKind.SINGULARITY,
    "application/vnd.sylabs.sif.layer.v1.sif": ArtifactKind.SINGULARITY,
    "application/vnd.cnab.manifest.v1": ArtifactKind.CNAB,
    "application/vnd.cnab.config.v1+json": ArtifactKind.CNAB,
    "application/vnd.docker.compose.project": ArtifactKind.COMPOSE,
    "application/vnd.docker.plugin.v1+json": ArtifactKind.DOCKER_PLUGIN,
    "application/x-qemu-disk": ArtifactKind.VM_IMAGE,
    "application/x-qcow2": ArtifactKind.VM_IMAGE,
    "application/vnd.unknown.config.v1+json": ArtifactKind.FILES,
    "application/vnd.unknown.artifact.v1": ArtifactKind.FILES,
}
_BY_PREFIX: Final = (
    ("application/vnd.dev.sigstore.bundle", ArtifactKind.SIGSTORE_BUNDLE),
    ("application/vnd.docker.ai.", ArtifactKind.MODEL),
    ("application/vnd.cncf.model.", ArtifactKind.MODEL),
    ("application/vnd.cncf.openpolicyagent.", ArtifactKind.POLICY),
    ("application/vnd.aquasec.trivy.report.", ArtifactKind.VULNERABILITY_REPORT),
)
_IMAGE_LAYERS: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
)
_TEKTON_KIND: Final = "dev.tekton.image.kind"
_CNAB_VERSION: Final = "io.cnab.runtime_version"
_BUNDLE_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNING: Final = "https://sigstore.dev/cosign/sign/"
_NO_CONFIG: Final = frozenset({"", MediaType.OCI_EMPTY})
ATTESTATION_TYPE: Final = "vnd.docker.reference.type"
ATTESTATION_SUBJECT: Final = "vnd.docker.reference.digest"
ATTESTATION_MANIFEST: Final = "attestation-manifest"


def classify(manifest: Manifest) -> ArtifactKind:
    """The kind of a manifest, by what it says of itself.

    Its artifact type decides, then its config's type, then its layers: cosign and
    others write the config type of an image, so an image is what nothing else claims.
    """
    if isinstance(manifest, ImageManifest):
        return _of_bundle(_kind_of_image(manifest), manifest.annotations)
    if isinstance(manifest, ImageIndex):
        return _kind_of_index(manifest)
    if isinstance(manifest, SchemaOneManifest):
        return ArtifactKind.IMAGE
    if isinstance(manifest, ArtifactManifest):
        return kind_of_type(manifest.artifact_type) or _kind_of_layers(manifest.blobs) or ArtifactKind.ARTIFACT
    return ArtifactKind.UNKNOWN


def artifact_type_of(manifest: Manifest) -> str | None:
    """The type that names the sort of artifact, verbatim; None for images and indexes of images.

    The artifact type, else the config's type (distribution-spec, "Listing Referrers"),
    else, where only the layers tell, that of the layer which does.
    """
    if isinstance(manifest, ImageIndex | ArtifactManifest):
        return manifest.artifact_type
    if not isinstance(manifest, ImageManifest):
        return None
    if manifest.artifact_type:
        return manifest.artifact_type
    config = _config_type(manifest)
    if config not in _NO_CONFIG and config not in IMAGE_CONFIG_TYPES:
        return config
    named = (layer.media_type for layer in manifest.layers if kind_of_type(layer.media_type))
    return next(named, None)


@lru_cache(maxsize=1024)
def kind_of_type(media_type: str | None) -> ArtifactKind | None:
    """The kind that an artifact, config or layer type stands for; None where it is not known."""
    name = essence(media_type)
    kind = _BY_TYPE.get(name)
    if kind is not None or not name:
        return kind
    return next((kind for prefix, kind in _BY_PREFIX if name.startswith(prefix)), None)


def kind_of_descriptor(descriptor: Descriptor) -> ArtifactKind | None:
    """What an entry of an index is, as far as its descriptor tells."""
    if descriptor.annotations.get(ATTESTATION_TYPE) == ATTESTATION_MANIFEST:
        return ArtifactKind.BUILDKIT_ATTESTATION
    kind = kind_of_type(descriptor.artifact_type) or kind_of_type(descriptor.media_type)
    if kind is not None:
        return _of_bundle(kind, descriptor.annotations)
    if descriptor.artifact_type and descriptor.artifact_type not in IMAGE_CONFIG_TYPES:
        return ArtifactKind.ARTIFACT
    if descriptor.media_type in INDEX_TYPES:
        return ArtifactKind.INDEX
    if descriptor.media_type in IMAGE_MANIFEST_TYPES:
        return ArtifactKind.IMAGE
    return None


def _of_bundle(kind: ArtifactKind, annotations: Mapping[str, str]) -> ArtifactKind:
    """A bundle that says it states something else than a signature must not count as one."""
    predicate = annotations.get(_BUNDLE_PREDICATE, "")
    if kind is not ArtifactKind.SIGSTORE_BUNDLE or not predicate or predicate.startswith(_SIGNING):
        return kind
    return ArtifactKind.SIGSTORE_ATTESTATION


def _config_type(manifest: ImageManifest) -> str:
    return essence(manifest.config.media_type) if manifest.config else ""


def _kind_of_image(manifest: ImageManifest) -> ArtifactKind:
    if manifest.artifact_type and manifest.artifact_type not in IMAGE_CONFIG_TYPES:
        return kind_of_type(manifest.artifact_type) or ArtifactKind.ARTIFACT
    config = _config_type(manifest)
    if config not in _NO_CONFIG and config not in IMAGE_CONFIG_TYPES:
        return kind_of_type(config) or ArtifactKind.ARTIFACT
    kind = _kind_of_layers(manifest.layers)
    if kind is None:
        return ArtifactKind.IMAGE if config in IMAGE_CONFIG_TYPES else ArtifactKind.ARTIFACT
    return kind


def _kind_of_layers(layers: Iterable[Descriptor]) -> ArtifactKind | None:
    """What the layers make of it; None where they are those of an image, or there are none."""
    titled = plain = foreign = False
    for layer in layers:
        kind = kind_of_type(layer.media_type)
        if kind is not None:
            return kind
        if _TEKTON_KIND in layer.annotations:
            return ArtifactKind.TEKTON
        titled |= TITLE in layer.annotations
        plain |= TITLE not in layer.annotations
        foreign |= not layer.media_type.startswith(_IMAGE_LAYERS)
    if titled and not plain:
        return ArtifactKind.FILES
    return ArtifactKind.ARTIFACT if foreign else None


def _kind_of_index(index: ImageIndex) -> ArtifactKind:
    if _CNAB_VERSION in index.annotations:
        return ArtifactKind.CNAB
    kinds = {kind_of_descriptor(child) for child in index.manifests}
    if ArtifactKind.BUILD_CACHE in kinds:
        return ArtifactKind.BUILD_CACHE
    if not kinds or not kinds.isdisjoint({ArtifactKind.IMAGE, ArtifactKind.INDEX}):
        return kind_of_type(index.artifact_type) or ArtifactKind.INDEX
    own = kind_of_type(index.artifact_type)
    if own is not None:
        return own
    if all(kind is not None and kind.is_attachment for kind in kinds):
        return ArtifactKind.REFERRERS
    if len(kinds) == 1:
        return kinds.pop() or ArtifactKind.INDEX
    return ArtifactKind.ARTIFACT
