"""Copies between real registries: whatever is copied is the same thing afterwards, with all that hangs on it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from demo.push import Sample, encode, make_artifact, make_image, make_index, push
from demo.registry_process import RegistryProcess
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy import copying
from kubedash.records import CopyRole, JobState
from kubedash.registry.client import RegistryClient
from kubedash.registry.writing import PutManifest
from kubedash.storage import repositories, tag_history, tags
from kubedash.workflows import copy
from tests.support.aio import run
from tests.support.registries import client_of
from tests.sync import content
from tests.work.house import MAINTAINER, copied, ended, request, skopeo_pulls, two_registries


async def tags_of(client: RegistryClient, repository: str) -> set[str]:
    return {tag async for page in client.tags(RepositoryName(repository)) for tag in page}


def listed(raw: bytes) -> set[str]:
    return {entry["digest"] for entry in msgspec.json.decode(raw)["manifests"]}


def test_every_kind_arrives_as_it_was_and_skopeo_pulls_it(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    samples = {
        "image": content.image(1),
        "docker": make_image(docker=True),
        "index": content.built(1),
        "docker-list": make_index([make_image(docker=True)], docker=True),
        "nested": make_index([content.built(2), content.image(3)]),
    }
    for name, sample in samples.items():
        push(open_registry.url, f"copy/{name}", "1", sample)
    push(open_registry.url, "copy/chart", "1", content.chart(1))

    async def check() -> None:
        async with two_registries(tmp_path / "house", open_registry.url, target.url) as services:
            for name in samples:
                outcome = await copied(services, f"one/copy/{name}:1", f"two/got/{name}:v1")
                assert outcome.digest == samples[name].digest
                assert outcome.outcome is not None
                assert (outcome.outcome.mounted, outcome.outcome.uploaded > 0) == (0, True)
            await copied(services, "one/copy/chart:1", "two/got/chart:v1")
        async with client_of(target.url) as client:
            chart = await client.get_manifest(RepositoryName("got/chart"), "v1")
            assert chart.raw == content.chart(1).manifest
            for name, sample in samples.items():
                assert (await client.get_manifest(RepositoryName(f"got/{name}"), "v1")).raw == sample.manifest

    run(check())
    # skopeo takes no index out of an index.
    for name in samples.keys() - {"nested"}:
        skopeo_pulls(target.url, f"got/{name}:v1", tmp_path / name)


def test_inside_one_registry_no_byte_is_moved(open_registry: RegistryProcess, tmp_path: Path) -> None:
    image = make_image(layers=[os.urandom(50_000), os.urandom(60_000)], extra={"rootfs": None})
    push(open_registry.url, "mount/from", "1", image)

    async def check() -> None:
        async with two_registries(tmp_path / "house", open_registry.url, open_registry.url) as services:
            plan = await copy.plan(services, MAINTAINER, request("one/mount/from:1", "one/mount/to:2"))
            assert (plan.mounts, plan.blobs, plan.bytes_to_move, plan.overwrites) == (True, 3, 0, False)
            assert plan.bytes_total > 110_000
            done = await copied(services, "one/mount/from:1", "one/mount/to:2")
            assert done.outcome is not None
            assert (done.outcome.mounted, done.outcome.uploaded, done.outcome.bytes_uploaded) == (3, 0, 0)
            again = await copy.plan(services, MAINTAINER, request("one/mount/from:1", "one/mount/to:2"))
            assert (again.nothing_to_do, again.blobs_there, again.overwrites) == (True, 3, False)

    run(check())
    skopeo_pulls(open_registry.url, "mount/to:2", tmp_path / "pulled")


def attached(url: str, repository: str) -> tuple[Sample, dict[str, Sample]]:
    """An index with a cosign signature on it and on a child, an SBOM found by the referrers tag of a child,
    and a signature on that SBOM, found likewise."""
    index = content.built(9)
    child = index.children[0]
    sbom = make_artifact([("application/spdx+json", b"sbom")], artifact_type="application/spdx+json", subject=child)
    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    on_sbom = make_artifact([(bundle, b"{}")], artifact_type=bundle, subject=sbom)
    signed = {"index": content.signature(index), "child": content.signature(child)}
    push(url, repository, "1", index)
    push(url, repository, content.machine_tag(index, ".sig"), signed["index"])
    push(url, repository, content.machine_tag(child, ".sig"), signed["child"])
    for subject, found in ((child, sbom), (sbom, on_sbom)):
        push(url, repository, None, found)
        push(url, repository, content.machine_tag(subject), make_index([(found, {"artifactType": bundle})]))
    return index, {**signed, "sbom": sbom, "on_sbom": on_sbom}


def test_signatures_and_sboms_go_along_and_lists_are_merged(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    index, extra = attached(open_registry.url, "signed/app")
    child = index.children[0]
    # The target has a list of that subject already, with somebody else's entry and annotations.
    own = make_artifact([("text/plain", b"own")], artifact_type="text/plain", subject=child)
    push(target.url, "signed/copy", None, own)
    push(target.url, "signed/copy", content.machine_tag(child), make_index([own], annotations={"kept": "yes"}))

    async def check() -> None:
        async with two_registries(tmp_path / "house", open_registry.url, target.url) as services:
            plan = await copy.plan(services, MAINTAINER, request("one/signed/app:1", "two/signed/copy:1"))
            found = {part.digest: part for part in plan.parts}
            assert {part.role for part in plan.parts} == set(CopyRole)
            assert {digest for digest, part in found.items() if part.role is CopyRole.ATTACHMENT} == {
                sample.digest for sample in extra.values()
            }
            assert found[Digest(extra["sbom"].digest)].kind == "sbom"
            await copied(services, "one/signed/app:1", "two/signed/copy:1")
            await copied(services, "one/signed/app:1", "two/signed/copy:again")
        repository = RepositoryName("signed/copy")
        async with client_of(target.url) as client:
            for name, subject in (("index", index), ("child", child)):
                head = await client.head_manifest(repository, content.machine_tag(subject, ".sig"))
                assert head is not None
                assert head.digest == extra[name].digest
            merged = await client.get_manifest(repository, content.machine_tag(child))
            assert listed(merged.raw) == {own.digest, extra["sbom"].digest}
            assert b'"kept":"yes"' in merged.raw
            nested = await client.get_manifest(repository, content.machine_tag(extra["sbom"]))
            assert listed(nested.raw) == {extra["on_sbom"].digest}
            sbom = await client.get_manifest(repository, extra["sbom"].digest)
            assert sbom.raw == extra["sbom"].manifest

    run(check())
    skopeo_pulls(target.url, "signed/copy:1", tmp_path / "pulled")


def test_without_attachments_the_image_comes_alone(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    index, _ = attached(open_registry.url, "alone/app")

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            wanted = request("one/alone/app:1", "two/alone/copy:1", attachments=False)
            job = await ended(services, await copy.execute(services, MAINTAINER, wanted))
            assert job.state is JobState.DONE
        async with client_of(target.url) as client:
            assert await tags_of(client, "alone/copy") == {"1"}
            head = await client.head_manifest(RepositoryName("alone/copy"), "1")
            assert head is not None
            assert head.digest == index.digest

    run(check())


def test_attachments_that_point_in_a_circle_end(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    """Two lists that name each other's subjects: each is asked about once."""
    first, second = content.image(71), content.image(72)
    push(open_registry.url, "circle/app", "1", first)
    push(open_registry.url, "circle/app", "2", second)
    push(open_registry.url, "circle/app", content.machine_tag(first), make_index([second]))
    push(open_registry.url, "circle/app", content.machine_tag(second), make_index([first]))

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            plan = await copy.plan(services, MAINTAINER, request("one/circle/app:1", "two/circle/app:1"))
            assert [part.digest for part in plan.parts] == [first.digest, second.digest]
            await copied(services, "one/circle/app:1", "two/circle/app:1")

    run(check())


def test_an_image_under_the_name_of_a_list_is_somebodys_own(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    image = content.image(75)
    push(open_registry.url, "own/app", "1", image)
    push(open_registry.url, "own/app", content.machine_tag(image), content.image(76))

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            plan = await copy.plan(services, MAINTAINER, request("one/own/app:1", "two/own/app:1"))
            assert [part.digest for part in plan.parts] == [image.digest]

    run(check())


def test_layers_from_elsewhere_are_left_where_they_are(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    """Windows base layers: named by the manifest, held by no registry."""
    image = content.image(41)
    document = msgspec.json.decode(image.manifest)
    document["layers"].append(
        {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": f"sha256:{'e' * 64}",
            "size": 123,
        }
    )
    part = copying.make_part(Digest.of(encode(document)), image.media_type, encode(document), CopyRole.ROOT)
    assert copying.foreign_layers(part) == 1
    assert [blob.digest for blob in copying.blobs_of(part)] == [
        msgspec.json.decode(image.manifest)["config"]["digest"],
        *(layer["digest"] for layer in msgspec.json.decode(image.manifest)["layers"]),
    ]


def test_the_copy_is_in_the_index_when_it_is_done(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path
) -> None:
    image = content.image(62)
    push(open_registry.url, "seen/app", "1", image)

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            await copied(services, "one/seen/app:1", "two/seen/app:1")
            async with services.database.read() as session:
                found = await repositories.find(session, 2, "seen/app")
                assert found is not None
                assert await tags.known(session, found.id) == {Tag("1"): image.digest}
                assert (await tag_history.of_tag(session, found.id, Tag("1")))[0].seen_by == "us"

    run(check())


def test_a_registry_that_lists_referrers_itself_gets_no_list_of_ours(
    open_registry: RegistryProcess, target: RegistryProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so by `OCI-Subject`; a tag of ours would be one too many."""
    attached(open_registry.url, "native/app")
    put = RegistryClient.put_manifest_told

    async def listing(self: RegistryClient, *given: object) -> PutManifest:
        told = await put(self, *given)  # type: ignore[arg-type]
        raw = given[2]
        assert isinstance(raw, bytes)
        subject = msgspec.json.decode(raw).get("subject")
        return PutManifest(told.digest, Digest(subject["digest"]) if subject else None)

    monkeypatch.setattr(RegistryClient, "put_manifest_told", listing)

    async def check() -> None:
        async with two_registries(tmp_path, open_registry.url, target.url) as services:
            await copied(services, "one/native/app:1", "two/native/copy:1")
        async with client_of(target.url) as client:
            assert {tag.partition(".")[2] for tag in await tags_of(client, "native/copy")} == {"", "sig"}
            assert len(await tags_of(client, "native/copy")) == 3

    run(check())
