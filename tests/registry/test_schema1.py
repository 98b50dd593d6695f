"""The oldest manifests: their digest is that of the signed payload, not of the bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.push import push_blob, push_manifest
from demo.registry_process import RegistryProcess
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import SchemaOneManifest, parse_manifest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName
from kubedash.registry.errors import DigestMismatch
from kubedash.registry.verification import schema1_payload, verified_digest
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.schema1 import make_schema1


def test_signed_schema1_from_the_real_registry(tmp_path: Path) -> None:
    repository = RepositoryName("old/app")
    with RegistryProcess(tmp_path, schema1=True) as registry:
        raw, digest, layers = make_schema1(repository, "1")
        for layer in layers:
            push_blob(registry.url, repository, layer)
        push_manifest(registry.url, repository, "1", raw, MediaType.SCHEMA1_SIGNED)

        async def check() -> None:
            async with client_of(registry.url) as client:
                head = await client.head_manifest(repository, "1")
                fetched = await client.get_manifest(repository, "1")
                assert head is not None
                assert head.digest == fetched.digest == digest
                assert fetched.media_type == MediaType.SCHEMA1_SIGNED
                assert (await client.get_manifest(repository, digest)).digest == digest
                assert isinstance(parse_manifest(fetched.raw, fetched.media_type), SchemaOneManifest)

        run(check())


def test_a_changed_payload_is_noticed() -> None:
    raw, digest, _ = make_schema1("old/app", "1")
    assert verified_digest(None, digest, raw, MediaType.SCHEMA1_SIGNED, "http://r.example/") == digest
    with pytest.raises(DigestMismatch):
        verified_digest(
            Digest(digest), None, raw.replace(b"old/app", b"new/app"), MediaType.SCHEMA1_SIGNED, "http://r.example/"
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"signatures":[]}',
        b'{"signatures":[{"protected":"%%%"}]}',
        b'{"signatures":[{"protected":"e30"}]}',
        b'{"signatures":[{"protected":5}]}',
    ],
)
def test_broken_signatures_have_no_payload(raw: bytes) -> None:
    assert schema1_payload(raw) is None
