"""Schema 1: the config and the steps in its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kubedash.oci.digest import Digest
from kubedash.oci.manifest import SchemaOneManifest
from kubedash.oci.media_types import MediaType
from kubedash.oci.schema_one import schema_one_config, schema_one_steps

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))


def manifest(*base_first: Any, layers: tuple[Digest, ...] = (A, B, C), **more: Any) -> SchemaOneManifest:
    texts = tuple(entry if isinstance(entry, str) else json.dumps(entry) for entry in base_first)
    return SchemaOneManifest(
        media_type=MediaType.SCHEMA1, architecture="amd64", layers=layers, history_json=texts, **more
    )


OLD_IMAGE = (
    {"container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) ADD file:1 in /"]}, "created": "2015-01-01T00:00:00Z"},
    {"container_config": {"Cmd": "/bin/sh -c make"}, "comment": "made"},
    {
        "container_config": {"Cmd": ["/bin/sh", "-c", '#(nop) CMD ["x"]']},
        "throwaway": True,
        "created": "2015-02-01T00:00:00.5Z",
        "architecture": "arm64",
        "os": "linux",
        "config": {"Cmd": ["x"], "Labels": {"a": "b"}},
    },
)


def test_the_config_is_that_of_the_newest_entry() -> None:
    found = schema_one_config(manifest(*OLD_IMAGE))
    assert found.created == datetime(2015, 2, 1, 0, 0, 0, 500000, UTC)
    assert found.platform is not None
    assert (found.platform.label, found.config.cmd, found.config.labels) == ("linux/arm64", ("x",), {"a": "b"})
    assert [step.empty for step in found.history] == [False, False, True]


def test_each_layer_stands_beside_its_entry_and_throwaways_have_none() -> None:
    built = schema_one_steps(manifest(*OLD_IMAGE))
    assert [(step.created_by, step.layer.digest if step.layer else None) for step in built] == [
        ("/bin/sh -c #(nop) ADD file:1 in /", A),
        ("/bin/sh -c make", B),
        ('/bin/sh -c #(nop) CMD ["x"]', None),
    ]
    assert (built[1].comment, built[2].empty) == ("made", True)


@pytest.mark.parametrize("broken", [manifest({}, {}), manifest({}, {}, {}, unreadable_layers=1)])
def test_where_the_lists_do_not_match_layers_stand_alone(broken: SchemaOneManifest) -> None:
    built = schema_one_steps(broken)
    assert [(step.created_by, step.layer and step.layer.digest) for step in built] == [(None, A), (None, B), (None, C)]


def test_an_unreadable_history_is_noted() -> None:
    found = schema_one_config(manifest("", "not json", layers=(A, B)))
    assert found.problem is not None
    assert found.problem.startswith("its config cannot be read")
    assert found.platform is not None
    assert found.platform.label == "linux/amd64"
    assert [step.created_by for step in found.history] == [None, None]
    assert schema_one_config(manifest(layers=())).problem is None
