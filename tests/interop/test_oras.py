"""Files that oras pushed and attached, and bills of materials that syft wrote."""

from __future__ import annotations

import json

import pytest

from demo.push import make_image, make_index, push
from tests.interop.conftest import Peer
from tests.interop.layouts import write_layout
from tests.interop.registries import ZOT
from tests.interop.tools import Desk

CYCLONEDX = "application/vnd.cyclonedx+json"
SPDX = "application/spdx+json"
HTTP = ("--plain-http", "--no-tty")
API, LIST = "referrers_api", "referrers_tag"


def oras(desk: Desk, verb: str, *words: str) -> None:
    desk.run("oras", verb, *HTTP, "--disable-path-validation", *words)


def test_files(desk: Desk, peer: Peer) -> None:
    desk.write("notes.txt", "some notes\n")
    desk.write("table.csv", "a,b\n1,2\n")
    place = f"{peer.host}/oras/files"
    oras(desk, "push", f"{place}:plain", "notes.txt", "table.csv:text/csv")
    oras(desk, "push", f"{place}:typed", "--artifact-type", "application/vnd.example.report", "notes.txt")
    oras(desk, "push", f"{place}:old", "--image-spec", "v1.0", "notes.txt")
    config = desk.write("config.json", "{}").name
    told = ("--config", f"{config}:application/vnd.acme.rocket.config.v1+json")
    oras(desk, "push", f"{place}:configured", *told, "notes.txt")
    oras(desk, "push", f"{place}:empty", "--artifact-type", "application/vnd.example.note", "--annotation", "a=b")

    seen = peer.look("oras/files")

    kinds = {tag: (image.kind, image.artifact_type) for tag, image in seen.images.items()}
    assert kinds == {
        "plain": ("files", "application/vnd.unknown.artifact.v1"),
        "typed": ("artifact", "application/vnd.example.report"),
        "old": ("files", "application/vnd.unknown.config.v1+json"),
        "configured": ("artifact", "application/vnd.acme.rocket.config.v1+json"),
        "empty": ("artifact", "application/vnd.example.note"),
    }
    files = [(layer.title, layer.media_type, layer.size) for layer in seen.images["plain"].layers]
    assert files == [
        ("notes.txt", "application/vnd.oci.image.layer.v1.tar", 11),
        ("table.csv", "text/csv", 8),
    ]
    assert seen.images["empty"].annotations["a"] == "b"
    assert not any(image.problem for image in seen.images.values())
    for tag, image in seen.images.items():
        assert (
            image.digest
            == json.loads(desk.run("oras", "manifest", "fetch", *HTTP[:1], "--descriptor", f"{place}:{tag}"))["digest"]
        )


def test_what_is_attached_is_named_by_its_type(desk: Desk, peer: Peer) -> None:
    """A registry without the referrers API gets a list under the referrers tag."""
    repository = "oras/attached"
    subject, bare = make_image(labels={"name": "subject"}), make_image(labels={"name": "bare"})
    push(peer.url, repository, "1.0", subject)
    push(peer.url, repository, "bare", bare)
    desk.write("notes.txt", "some notes\n")
    image = f"{peer.host}/{repository}:1.0"
    types = ("application/vnd.example.review", "application/sarif+json", SPDX)
    for artifact_type in types:
        oras(desk, "attach", "--artifact-type", artifact_type, image, "notes.txt")

    seen = peer.look(repository)

    assert set(seen.tags) == {"1.0", "bare"}
    assert seen.repository.tag_count == 2
    way = API if peer.kind == ZOT else LIST
    assert seen.attached("1.0") == {"artifact": {way}, "vulnerability_report": {way}, "sbom": {way}}
    assert {attachment.artifact_type for attachment in seen.images["1.0"].attachments} == set(types)
    assert set(seen.tags["1.0"].attachments) == {"artifact", "vulnerability_report", "sbom"}
    assert seen.tags["1.0"].signed is None
    assert seen.attached("bare") == {}
    told = json.loads(desk.run("oras", "discover", *HTTP[:1], "--format", "json", image))
    ours = {str(attachment.digest) for attachment in seen.images["1.0"].attachments}
    assert ours == {entry["digest"] for entry in told["referrers"]}


def test_the_referrers_tag_by_force(desk: Desk, peer: Peer) -> None:
    repository = "oras/forced"
    subject = make_index([make_image(platform="linux/amd64")])
    push(peer.url, repository, "1.0", subject)
    desk.write("notes.txt", "some notes\n")
    spec = ("--distribution-spec", "v1.1-referrers-tag")
    oras(desk, "attach", *spec, "--artifact-type", SPDX, f"{peer.host}/{repository}:1.0", "notes.txt")

    seen = peer.look(repository)

    assert set(seen.tags) == {"1.0"}
    assert seen.machine_tags == {subject.digest.replace(":", "-")}
    assert set(seen.attached("1.0")) == {"sbom"}


def test_what_is_attached_to_an_attachment(desk: Desk, peer: Peer) -> None:
    """A signature on an SBOM is the SBOM's, not the image's."""
    repository = "oras/chain"
    push(peer.url, repository, "1.0", make_image(labels={"name": "chain"}))
    desk.write("notes.txt", "some notes\n")
    first, second = desk.folder / "first.json", desk.folder / "second.json"
    place = f"{peer.host}/{repository}"
    oras(desk, "attach", "--artifact-type", SPDX, "--export-manifest", str(first), f"{place}:1.0", "notes.txt")
    told = json.loads(desk.run("oras", "discover", *HTTP[:1], "--format", "json", f"{place}:1.0"))
    sbom = told["referrers"][0]["digest"]
    kind = "application/vnd.cncf.notary.signature"
    oras(desk, "attach", "--artifact-type", kind, "--export-manifest", str(second), f"{place}@{sbom}", "notes.txt")

    seen = peer.look(repository)

    assert set(seen.tags) == {"1.0"}
    assert set(seen.attached("1.0")) == {"sbom"}
    assert seen.tags["1.0"].signed is seen.images["1.0"].signed is None


@pytest.mark.parametrize(("artifact_type", "output"), [(CYCLONEDX, "cyclonedx-json"), (SPDX, "spdx-json")])
def test_a_bill_of_materials_that_syft_wrote(desk: Desk, peer: Peer, artifact_type: str, output: str) -> None:
    """syft reads the image from the registry; oras attaches what it found."""
    repository = f"syft/{output}"
    files = write_layout(make_image(labels={"name": output}), desk.folder / f"syft-{output}-{peer.kind[-1]}")
    image = f"{peer.host}/{repository}:1.0"
    desk.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{files}:latest", f"docker://{image}")
    desk.run("syft", "scan", f"registry:{image}", "--quiet", "--output", f"{output}=sbom-{output}")
    oras(desk, "attach", "--artifact-type", artifact_type, image, f"sbom-{output}:{artifact_type}")

    seen = peer.look(repository)

    assert set(seen.attached("1.0")) == {"sbom"}
    found = seen.images["1.0"].attachments[0]
    assert found.artifact_type == artifact_type
    assert found.created is not None
    assert found.size == (desk.folder / f"sbom-{output}").stat().st_size + 2
    assert found.subject == seen.images["1.0"].digest
