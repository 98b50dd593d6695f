"""Media types of manifests, configs and layers, and what each one is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class MediaType(StrEnum):
    """The registered types that decide how a document is read."""

    OCI_INDEX = "application/vnd.oci.image.index.v1+json"
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
    OCI_EMPTY = "application/vnd.oci.empty.v1+json"
    DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
    SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
    SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"


INDEX_TYPES: Final = frozenset({MediaType.OCI_INDEX, MediaType.DOCKER_LIST})
IMAGE_MANIFEST_TYPES: Final = frozenset({MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST})
SCHEMA1_TYPES: Final = frozenset({MediaType.SCHEMA1, MediaType.SCHEMA1_SIGNED})
IMAGE_CONFIG_TYPES: Final = frozenset({MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG})
MANIFEST_TYPES: Final = INDEX_TYPES | IMAGE_MANIFEST_TYPES | SCHEMA1_TYPES | {MediaType.OCI_ARTIFACT}

ACCEPT_MANIFESTS: Final = ", ".join(
    (
        MediaType.OCI_INDEX,
        MediaType.OCI_MANIFEST,
        MediaType.DOCKER_LIST,
        MediaType.DOCKER_MANIFEST,
        MediaType.SCHEMA1_SIGNED,
        MediaType.SCHEMA1,
        MediaType.OCI_ARTIFACT,
    )
)
"""Always sent whole: a narrower list makes distribution answer 404 for what exists,
or a child of the list with the child's digest."""


def essence(content_type: str | None) -> str:
    """The type without parameters, lower-cased; empty where there is none."""
    return (content_type or "").partition(";")[0].strip().lower()
