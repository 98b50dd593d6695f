"""Manifests of every kind, whole and broken."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.oci.decoding import MAX_ENTRIES, MAX_SIZE
from kubedash.oci.digest import EMPTY_JSON, Digest
from kubedash.oci.manifest import (
    MAX_DESCRIPTORS,
    ArtifactManifest,
    ImageIndex,
    ImageManifest,
    Platform,
    SchemaOneManifest,
    UnknownManifest,
    parse_manifest,
)
from kubedash.oci.media_types import MANIFEST_TYPES, MediaType

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def descriptor(digest: str = A, size: Any = 7, media_type: Any = LAYER, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def image(**more: Any) -> dict[str, Any]:
    config = descriptor(B, 2, MediaType.OCI_CONFIG)
    return {"schemaVersion": 2, "mediaType": MediaType.OCI_MANIFEST, "config": config, "layers": [descriptor()], **more}


def index(*manifests: Any, **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": list(manifests), **more}


def parse(document: Any, content_type: str | None = None) -> Any:
    return parse_manifest(json.dumps(document).encode(), content_type)


def platforms(*values: Any) -> list[str | None]:
    found = parse(index(*(descriptor(platform=value) for value in values)))
    return [entry.platform.label if entry.platform else None for entry in found.manifests]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([str(A), "sha256:0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "architecture",
]
DESCRIPTOR_FIELDS = ["mediaType", "digest", "size", "annotations", "platform", "artifactType", "urls", "data"]
broken_descriptors = st.dictionaries(st.sampled_from(DESCRIPTOR_FIELDS), json_values, max_size=6)
broken_manifests = st.dictionaries(
    st.sampled_from(FIELDS), json_values | broken_descriptors | st.lists(broken_descriptors | json_values, max_size=3)
)
content_types = st.none() | st.text(max_size=10) | st.sampled_from(sorted(MANIFEST_TYPES))


@given(st.binary(max_size=200), content_types)
def test_no_bytes_make_it_raise(raw: bytes, content_type: str | None) -> None:
    assert parse_manifest(raw, content_type) is not None


@given(broken_manifests | json_values, content_types)
def test_no_json_makes_it_raise(document: Any, content_type: str | None) -> None:
    found = parse(document, content_type)
    assert isinstance(found, ImageManifest | ImageIndex | SchemaOneManifest | ArtifactManifest | UnknownManifest)


def test_an_image() -> None:
    found = parse(image(subject=descriptor(C), artifactType="x/y", annotations={"a": "b"}))
    assert isinstance(found, ImageManifest)
    assert (found.media_type, found.artifact_type, found.annotations) == (MediaType.OCI_MANIFEST, "x/y", {"a": "b"})
    assert found.config is not None
    assert (found.config.digest, found.config.size) == (B, 2)
    assert [(layer.digest, layer.size, layer.media_type) for layer in found.layers] == [(A, 7, LAYER)]
    assert (found.subject, found.problem, found.unreadable_layers) == (C, None, 0)


def test_a_nested_index() -> None:
    found = parse(index(descriptor(media_type=MediaType.OCI_INDEX), descriptor(B, media_type=MediaType.OCI_MANIFEST)))
    assert isinstance(found, ImageIndex)
    assert [entry.media_type for entry in found.manifests] == [MediaType.OCI_INDEX, MediaType.OCI_MANIFEST]
    assert found.problem is None


@pytest.mark.parametrize("manifests", [[], None])
def test_an_index_without_manifests(manifests: Any) -> None:
    found = parse({"schemaVersion": 2, "mediaType": MediaType.DOCKER_LIST, "manifests": manifests})
    assert isinstance(found, ImageIndex)
    assert (found.manifests, found.problem) == ((), None)


def test_an_entry_of_an_unknown_type_stays() -> None:
    found = parse(index(descriptor(media_type="application/vnd.example.thing"), descriptor(B, media_type=None)))
    assert [entry.media_type for entry in found.manifests] == ["application/vnd.example.thing", ""]


def test_platforms_are_named_with_variant_and_version() -> None:
    assert platforms(
        {"os": "linux", "architecture": "arm", "variant": "v6"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2227", "os.features": ["win32k", None]},
        {"os": "linux"},
        {"architecture": "arm64", "variant": ""},
        {"os": "", "architecture": ""},
        {},
        None,
        "linux/amd64",
    ) == [
        "linux/arm/v6",
        "linux/arm/v7",
        "windows/amd64:10.0.20348.2227",
        "linux/unknown",
        "unknown/arm64",
        None,
        None,
        None,
        None,
    ]


def test_an_attestation_runs_on_nothing() -> None:
    assert Platform("unknown", "unknown").is_unknown
    assert not Platform("linux", "unknown").is_unknown


@pytest.mark.parametrize(
    ("served", "kind"),
    [
        (MediaType.OCI_MANIFEST, ImageManifest),
        (f"{MediaType.DOCKER_MANIFEST}; charset=utf-8", ImageManifest),
        (None, ImageManifest),
        ("application/json", ImageManifest),
    ],
)
def test_without_a_type_of_its_own_the_served_type_counts_then_the_fields(served: str | None, kind: type) -> None:
    document = image()
    del document["mediaType"]
    found = parse(document, served)
    assert isinstance(found, kind)
    assert found.problem is None


def test_fields_tell_indexes_and_schema_one() -> None:
    assert isinstance(parse({"schemaVersion": 2, "manifests": []}), ImageIndex)
    assert isinstance(parse({"schemaVersion": 1, "fsLayers": []}), SchemaOneManifest)
    assert isinstance(parse({"schemaVersion": 2, "layers": []}), ImageManifest)
    assert isinstance(parse({"schemaVersion": 2}), UnknownManifest)
    assert isinstance(parse({"schemaVersion": 3, "layers": []}), UnknownManifest)


def test_contradicting_types_are_noted() -> None:
    found = parse(image(), MediaType.OCI_INDEX)
    assert isinstance(found, ImageManifest)
    assert found.problem == f"it was served as {MediaType.OCI_INDEX} and calls itself {MediaType.OCI_MANIFEST}"


def test_a_document_that_is_two_things_at_once_is_noted() -> None:
    found = parse(image(manifests=[descriptor(C)]))
    assert isinstance(found, ImageManifest)
    assert found.problem == "the document is an index and an image at once"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "a JSON object was expected, not a list"),
        (b"null", "a JSON object was expected, not null"),
        (b"true", "a JSON object was expected, not a truth value"),
        (b"{}", "no manifest type that is known here: text/html"),
        (b"[" * 200_000, "the JSON is nested too deeply"),
        (b'{"x":' * 200_000, "the JSON is nested too deeply"),
    ],
)
def test_what_is_no_manifest_says_why(raw: bytes, problem: str) -> None:
    found = parse_manifest(raw, "Text/HTML; charset=utf-8")
    assert isinstance(found, UnknownManifest)
    assert found.media_type == "text/html"
    assert found.problem.startswith(problem)


def test_a_problem_of_an_unknown_document_is_the_first_thing_said() -> None:
    found = parse({"schemaVersion": "two", "mediaType": 5})
    assert isinstance(found, UnknownManifest)
    assert found.problem == "schemaVersion is text"


@pytest.mark.parametrize("value", [None, 1, "x", [], True, {"digest": None}, {"digest": "sha256:short"}])
def test_a_config_that_is_none_is_noted(value: Any) -> None:
    found = parse(image(config=value))
    assert isinstance(found, ImageManifest)
    assert found.config is None
    assert found.problem is not None
    assert len(found.layers) == 1


def test_null_is_absent_everywhere() -> None:
    found = parse(image(layers=None, annotations=None, subject=None, artifactType=None))
    assert (found.layers, found.annotations, found.subject, found.artifact_type) == ((), {}, None, None)
    assert found.problem is None


def test_an_unreadable_layer_leaves_the_others_and_is_counted() -> None:
    found = parse(image(layers=[descriptor(), None, 7, descriptor("sha256:x"), {}, descriptor(C)]))
    assert [layer.digest for layer in found.layers] == [A, C]
    assert found.unreadable_layers == 4
    assert "layer 4 has no valid digest" in found.problem


def test_impossible_sizes_are_unknown() -> None:
    sizes = [-1, 2**70, MAX_SIZE + 1, 1.5, "12", MAX_SIZE, 0, None]
    found = parse(image(layers=[descriptor(size=size) for size in sizes]))
    assert [layer.size for layer in found.layers] == [None, None, None, None, None, MAX_SIZE, 0, None]
    assert "layer 1 has an impossible size" in found.problem


def test_numbers_of_any_length_are_survived() -> None:
    raw = json.dumps(image()).replace('"size": 7', f'"size": {"9" * 6000}').encode()
    assert parse_manifest(raw, None).layers[0].size is None  # type: ignore[union-attr]


def test_annotations_of_the_wrong_type_are_turned_into_text_or_left_out() -> None:
    found = parse(image(annotations={"a": 1, "b": None, "c": True, "d": {}, "e": "x", "f": 1.5}))
    assert found.annotations == {"a": "1", "c": "true", "e": "x", "f": "1.5"}
    assert found.problem == "annotations entry is an object"


def test_notes_are_few() -> None:
    found = parse(image(layers=[descriptor("x") for _ in range(20)]))
    assert found.problem.endswith("layer 5 has no valid digest; and 15 more")


def test_the_last_of_duplicate_keys_counts() -> None:
    raw = json.dumps(image()).replace('"schemaVersion": 2', '"schemaVersion": 1, "layers": 5, "schemaVersion": 2')
    assert isinstance(parse_manifest(raw.encode(), None), ImageManifest)


def test_a_byte_order_mark_and_broken_utf8_are_tolerated() -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(image(annotations={"a": "B"})).encode().replace(b'"B"', b'"\xff"')
    found = parse_manifest(raw, None)
    assert isinstance(found, ImageManifest)
    assert found.annotations == {"a": "\N{REPLACEMENT CHARACTER}"}


def test_half_of_a_surrogate_pair_does_not_get_through() -> None:
    found = parse_manifest(json.dumps(image(annotations={"a": "\ud800x"})).encode(), None)
    assert found.annotations["a"].encode()  # type: ignore[union-attr]


def test_embedded_data_is_kept_only_where_it_is_what_the_digest_says() -> None:
    right = descriptor(EMPTY_JSON, 2, MediaType.OCI_EMPTY, data="e30=")
    assert parse(image(config=right)).config.data == b"{}"
    for data in (base64.b64encode(b"{ }").decode(), "e30", "=", "é"):
        found = parse(image(config=right | {"data": data}))
        assert found.config.data is None
        assert found.problem == "the data embedded in its config is not what its digest says"


def test_addresses_of_foreign_layers_are_kept() -> None:
    found = parse(image(layers=[descriptor(urls=["https://example.org/blob"]), descriptor(urls=None)]))
    assert [layer.urls for layer in found.layers] == [("https://example.org/blob",), ()]


def test_a_subject_without_a_digest_is_noted() -> None:
    found = parse(image(subject={"digest": "latest"}))
    assert (found.subject, found.problem) == (None, "its subject has no valid digest")


def test_only_so_many_entries_are_read() -> None:
    found = parse(index(*[descriptor()] * (MAX_DESCRIPTORS + 1)))
    assert len(found.manifests) == MAX_DESCRIPTORS
    assert found.problem == "only the first 10,000 of its 10,001 entries were read"


def test_an_artifact_manifest() -> None:
    document = {
        "mediaType": MediaType.OCI_ARTIFACT,
        "artifactType": "a/b",
        "blobs": [descriptor()],
        "subject": {"digest": B},
    }
    found = parse(document)
    assert isinstance(found, ArtifactManifest)
    assert (found.artifact_type, found.subject, found.blobs[0].digest) == ("a/b", B, A)


def schema_one(**more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "architecture": "arm64",
        "fsLayers": [{"blobSum": C}, {"blobSum": B}, {"blobSum": A}],
        "history": [{"v1Compatibility": text} for text in ("top", "middle", "base")],
        **more,
    }


def test_schema_one_is_turned_base_first() -> None:
    found = parse(schema_one(), MediaType.SCHEMA1_SIGNED)
    assert isinstance(found, SchemaOneManifest)
    assert (found.layers, found.history_json) == ((A, B, C), ("base", "middle", "top"))
    assert (found.architecture, found.media_type, found.problem) == ("arm64", MediaType.SCHEMA1_SIGNED, None)


def test_the_two_schema_one_types_do_not_contradict_each_other() -> None:
    assert parse(schema_one(mediaType=MediaType.SCHEMA1), MediaType.SCHEMA1_SIGNED).problem is None


def test_a_broken_schema_one_says_what_is_missing() -> None:
    found = parse(schema_one(architecture=None, fsLayers=[{"blobSum": A}, {}], history=[{"v1Compatibility": None}]))
    assert isinstance(found, SchemaOneManifest)
    assert (found.architecture, found.layers, found.history_json) == ("unknown", (A,), ("",))
    assert found.unreadable_layers == 1
    assert found.problem == (
        "layers without a valid digest: 1; the number of layers (2) is not that of steps in its history (1)"
    )
    assert parse(schema_one(fsLayers=None, history=None), MediaType.SCHEMA1).layers == ()


def test_only_so_many_broken_entries_are_mended() -> None:
    found = parse(image(layers=[0] * (MAX_ENTRIES + 1), annotations={str(n): 1 for n in range(MAX_ENTRIES + 1)}))
    assert (found.layers, len(found.annotations)) == ((), MAX_ENTRIES)
    assert "layers has 20,001 entries" in found.problem
