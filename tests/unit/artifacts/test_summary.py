"""What the index keeps of a manifest."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.artifacts.summary import (
    MAX_CONFIG_BYTES,
    MAX_LABELS,
    MAX_VALUE_LENGTH,
    BlobSummary,
    ChildSummary,
    ManifestSummary,
    config_to_fetch,
    summarise,
)
from kubedash.oci.digest import EMPTY_JSON, Digest
from kubedash.oci.manifest import parse_manifest
from kubedash.oci.media_types import MANIFEST_TYPES, MediaType

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"


def descriptor(digest: str, size: Any, media_type: str = LAYER, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def image(*layers: Any, config: Any = None, **more: Any) -> bytes:
    config = config or descriptor(C, 100, MediaType.OCI_CONFIG)
    document = {"schemaVersion": 2, "mediaType": MediaType.OCI_MANIFEST, "config": config, "layers": layers, **more}
    return json.dumps(document).encode()


def index(*manifests: Any, **more: Any) -> bytes:
    document = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": manifests, **more}
    return json.dumps(document).encode()


def read(raw: bytes, config: Any = None, media_type: str = MediaType.OCI_MANIFEST) -> ManifestSummary:
    config_raw = config if isinstance(config, bytes | None) else json.dumps(config).encode()
    return summarise(Digest.of(raw), raw, media_type, config_raw)


@given(st.binary(max_size=100), st.sampled_from(sorted(MANIFEST_TYPES)), st.none() | st.binary(max_size=50))
def test_no_bytes_make_it_raise(raw: bytes, media_type: str, config: bytes | None) -> None:
    assert read(raw, config, media_type).raw == raw


@given(st.binary(max_size=100))
def test_no_config_makes_it_raise(config: bytes) -> None:
    assert read(image(), config).kind is ArtifactKind.IMAGE


def test_an_image() -> None:
    raw = image(descriptor(A, 10), descriptor(B, 20), descriptor(A, 10), annotations={TITLE: "t"})
    config = {
        "created": "2024-05-01T10:11:12Z",
        "os": "linux",
        "architecture": "arm64",
        "config": {"Labels": {"a": "b"}},
    }
    found = read(raw, config)
    assert (found.kind, found.artifact_type, found.size) == (ArtifactKind.IMAGE, None, 130)
    assert (found.created, found.platform) == (datetime(2024, 5, 1, 10, 11, 12, tzinfo=UTC), "linux/arm64")
    assert (found.config_digest, json.loads(found.config_raw or b"")) == (C, config)
    assert found.blobs == (
        BlobSummary(C, 100, MediaType.OCI_CONFIG),
        BlobSummary(A, 10, LAYER),
        BlobSummary(B, 20, LAYER),
    )
    assert [(label.key, label.source) for label in found.labels] == [
        (TITLE, "manifest annotation"),
        ("a", "config label"),
    ]
    assert (found.subject, found.children, found.problem) == (None, (), None)


def test_an_index_with_an_attestation() -> None:
    raw = index(
        descriptor(A, 500, MediaType.OCI_MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
        descriptor(
            B,
            600,
            MediaType.OCI_MANIFEST,
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": A},
        ),
        descriptor(C, None, "x/y", artifactType="a/b", annotations={"vnd.docker.reference.digest": A}),
        annotations={CREATED: "2024-05-01T00:00:00Z"},
    )
    found = read(raw)
    assert (found.kind, found.size, found.platform, found.blobs) == (ArtifactKind.INDEX, None, None, ())
    assert found.created == datetime(2024, 5, 1, tzinfo=UTC)
    assert found.children == (
        ChildSummary(digest=A, media_type=MediaType.OCI_MANIFEST, size=500, platform="linux/arm/v7"),
        ChildSummary(digest=B, media_type=MediaType.OCI_MANIFEST, size=600, platform="unknown/unknown", attests=A),
        ChildSummary(digest=C, media_type="x/y", size=None, artifact_type="a/b"),
    )
    assert [label.source for label in found.labels] == ["index annotation"]


@pytest.mark.parametrize("annotation", ["sha256:0", None])
def test_an_attestation_of_nobody(annotation: str | None) -> None:
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": annotation}
    assert read(index(descriptor(A, 1, annotations=annotations))).children[0].attests is None


def test_an_unknown_size_makes_the_sum_unknown() -> None:
    assert read(image(descriptor(A, 10), descriptor(B, -1))).size is None
    assert read(image()).size == 100


def test_a_cosign_signature_is_not_read_as_an_image() -> None:
    layer = descriptor(A, 10, "application/vnd.dev.cosign.simplesigning.v1+json")
    raw = image(layer, subject=descriptor(B, 5))
    found = read(raw, {"os": "linux", "architecture": "amd64", "created": "2024-05-01T00:00:00Z"})
    assert (found.kind, found.platform, found.subject) == (ArtifactKind.COSIGN_SIGNATURE, None, B)
    assert found.artifact_type == "application/vnd.dev.cosign.simplesigning.v1+json"
    assert config_to_fetch(parse_manifest(raw, None)) is None


def test_the_annotation_dates_what_has_no_config() -> None:
    helm = descriptor(C, 100, "application/vnd.cncf.helm.config.v1+json")
    found = read(image(config=helm, annotations={CREATED: "2024-05-01T00:00:00Z"}), b'{"name": "chart"}')
    assert (found.kind, found.created) == (ArtifactKind.CHART, datetime(2024, 5, 1, tzinfo=UTC))
    assert found.config_raw == b'{"name": "chart"}'
    epoch = read(image(annotations={CREATED: "2024-05-01T00:00:00Z"}), {"created": "1970-01-01T00:00:00Z"})
    assert epoch.created == datetime(2024, 5, 1, tzinfo=UTC)


def test_schema_one() -> None:
    top = {"created": "2015-01-01T00:00:00Z", "os": "linux", "architecture": "amd64", "config": {"Labels": {"a": "b"}}}
    document = {
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": A}, {"blobSum": B}, {"blobSum": A}],
        "history": [{"v1Compatibility": json.dumps(top)}, {"v1Compatibility": "{}"}, {"v1Compatibility": "{}"}],
    }
    found = read(json.dumps(document).encode(), media_type=MediaType.SCHEMA1_SIGNED)
    assert (found.kind, found.platform, found.size) == (ArtifactKind.IMAGE, "linux/amd64", None)
    assert found.created == datetime(2015, 1, 1, tzinfo=UTC)
    assert [blob.digest for blob in found.blobs] == [A, B]
    assert [label.key for label in found.labels] == ["a"]


def test_an_artifact_manifest() -> None:
    document = {
        "mediaType": MediaType.OCI_ARTIFACT,
        "artifactType": "a/b",
        "blobs": [descriptor(A, 3), descriptor(A, 3)],
    }
    found = read(json.dumps(document | {"subject": {"digest": B}}).encode())
    assert (found.kind, found.artifact_type, found.size, found.subject) == (ArtifactKind.ARTIFACT, "a/b", 3, B)


def test_problems_of_manifest_and_config_are_told_together() -> None:
    found = read(image(descriptor("x", 1)), b"not json")
    assert found.problem is not None
    assert found.problem.startswith("layer 1 has no valid digest; its config cannot be read: not JSON")
    assert read(image(), {"os": []}).problem == "os is a list"


def test_what_is_no_manifest_is_kept_with_the_reason() -> None:
    found = read(b"<html>", media_type="text/html")
    assert (found.kind, found.media_type, found.blobs) == (ArtifactKind.UNKNOWN, "text/html", ())
    assert found.problem is not None


def test_texts_fit_every_database() -> None:
    long = "v" * (MAX_VALUE_LENGTH + 5)
    found = read(image(artifactType="a\0b"), None)
    assert found.artifact_type == "a\N{REPLACEMENT CHARACTER}b"
    labels = read(image(annotations={"n\0l": "x", "long": long})).labels
    assert [(label.key, len(label.value)) for label in labels] == [
        ("n\N{REPLACEMENT CHARACTER}l", 1),
        ("long", MAX_VALUE_LENGTH),
    ]
    many = read(image(annotations={str(number): "x" for number in range(MAX_LABELS + 1)}))
    assert len(many.labels) == MAX_LABELS
    doubled = read(image(annotations={"a": [], "b": [], "c": {}}))
    assert doubled.problem == "annotations entry is a list; annotations entry is an object"


def wanted(**config: Any) -> bool:
    return config_to_fetch(parse_manifest(image(config=descriptor(C, **config)), None)) is not None


def test_a_config_is_fetched_where_it_is_json_and_not_too_large() -> None:
    assert wanted(size=100, media_type=MediaType.OCI_CONFIG)
    assert wanted(size=None, media_type=MediaType.DOCKER_CONFIG)
    assert wanted(size=MAX_CONFIG_BYTES, media_type="application/vnd.cncf.helm.config.v1+json")
    assert wanted(size=9, media_type="application/json")
    assert not wanted(size=MAX_CONFIG_BYTES + 1, media_type=MediaType.OCI_CONFIG)
    assert not wanted(size=2, media_type=MediaType.OCI_EMPTY)
    assert not wanted(size=9, media_type="application/vnd.buildkit.cacheconfig.v0")


def test_nothing_is_fetched_that_is_known_already() -> None:
    content = b'{"os": "linux", "architecture": "amd64"}'
    data = base64.b64encode(content).decode()
    embedded = image(config=descriptor(Digest.of(content), len(content), MediaType.OCI_CONFIG, data=data))
    assert config_to_fetch(parse_manifest(embedded, None)) is None
    assert (read(embedded).platform, read(embedded).config_raw) == ("linux/amd64", content)
    empty = image(config=descriptor(EMPTY_JSON, 2, MediaType.OCI_CONFIG))
    assert config_to_fetch(parse_manifest(empty, None)) is None
    assert config_to_fetch(parse_manifest(index(), None)) is None
    assert config_to_fetch(parse_manifest(image(config={"digest": "x"}), None)) is None
