"""What other programs made is copied from each registry to distribution 3, and they find it whole there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.push import make_image, make_index, push
from kubedash.records import CopyJob
from tests.interop.conftest import Peer
from tests.interop.registries import DISTRIBUTION_3, running
from tests.interop.test_helm import write_chart
from tests.interop.tools import Desk
from tests.support.aio import run
from tests.work.house import copied, two_registries

OFFLINE = ("--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key")
VERIFY = ("--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry")
BUNDLES = "--new-bundle-format"
NO_ROOT = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
"""A key is all the trust that is needed here."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(DISTRIBUTION_3, tmp_path_factory.mktemp("other")) as url:
        yield url


def place_of(peer: Peer) -> str:
    """Copies from different registries do not meet."""
    return peer.kind.replace(" ", "-").replace(".", "-")


def copy_to(url: str, peer: Peer, name: str, folder: Path, tag: str = "1.0") -> CopyJob:
    async def story() -> CopyJob:
        async with two_registries(folder, peer.url, url) as services:
            return await copied(services, f"one/copies/{name}:{tag}", f"two/{place_of(peer)}/{name}:{tag}")

    return run(story())


def test_signatures_of_each_sort_are_verified_at_the_copy(desk: Desk, peer: Peer, other: str, tmp_path: Path) -> None:
    """cosign's tags and its bundles, on an index and on what it lists."""
    if not (desk.folder / "cosign.key").exists():
        desk.run("cosign", "generate-key-pair")
    index = make_index([make_image(platform=name, labels={"by": "tags"}) for name in ("linux/amd64", "linux/arm64")])
    bundled = make_image(labels={"by": "bundle"})
    push(peer.url, "copies/tags", "1.0", index)
    push(peer.url, "copies/bundles", "1.0", bundled)
    desk.run("cosign", "sign", *OFFLINE, "--recursive", f"{peer.host}/copies/tags@{index.digest}")
    desk.run("cosign", "sign", *OFFLINE, BUNDLES, f"{peer.host}/copies/bundles@{bundled.digest}")

    for name in ("tags", "bundles"):
        copy_to(other, peer, name, tmp_path / name)

    host = f"{other.removeprefix('http://')}/{place_of(peer)}"
    for digest in (index.digest, *(child.digest for child in index.children)):
        desk.run("cosign", "verify", *VERIFY, f"{host}/tags@{digest}")
    root = desk.write("root.json", NO_ROOT)
    desk.run("cosign", "verify", *VERIFY, BUNDLES, "--trusted-root", root, f"{host}/bundles@{bundled.digest}")
    desk.run("crane", "validate", "--insecure", "--remote", f"{host}/tags:1.0")


def test_what_oras_attached_is_discovered_at_the_copy(desk: Desk, peer: Peer, other: str, tmp_path: Path) -> None:
    """An SBOM, and something attached to the SBOM."""
    image = make_image(labels={"with": "an SBOM"})
    push(peer.url, "copies/attached", "1.0", image)
    desk.write("sbom.json", "{}\n")
    told = ("--plain-http", "--no-tty", "--format", "json", "--artifact-type")
    place = f"{peer.host}/copies/attached"
    sbom = json.loads(desk.run("oras", "attach", *told, "application/spdx+json", f"{place}:1.0", "sbom.json"))
    digest = sbom["reference"].partition("@")[2]
    desk.run("oras", "attach", *told, "application/vnd.example.note", f"{place}@{digest}", "sbom.json")

    copy_to(other, peer, "attached", tmp_path)

    words = ("--plain-http", "--format", "json")
    host = f"{other.removeprefix('http://')}/{place_of(peer)}"
    found = json.loads(desk.run("oras", "discover", *words, f"{host}/attached:1.0"))
    assert [entry["artifactType"] for entry in found["referrers"]] == ["application/spdx+json"]
    nested = json.loads(desk.run("oras", "discover", *words, f"{host}/attached@{digest}"))
    assert [entry["artifactType"] for entry in nested["referrers"]] == ["application/vnd.example.note"]


def test_a_chart_is_pulled_from_the_copy(desk: Desk, peer: Peer, other: str, tmp_path: Path) -> None:
    chart = write_chart(desk, "promoted", "1.0", "2.0")
    desk.run("helm", "package", chart, "--version", "1.0.0", "--destination", desk.folder)
    desk.run("helm", "push", "--plain-http", desk.folder / "promoted-1.0.0.tgz", f"oci://{peer.host}/copies")

    copy_to(other, peer, "promoted", tmp_path, "1.0.0")

    host = f"{other.removeprefix('http://')}/{place_of(peer)}"
    desk.run("helm", "pull", "--plain-http", f"oci://{host}/promoted", "--version", "1.0.0", "-d", str(tmp_path))
    pushed, pulled = desk.folder / "promoted-1.0.0.tgz", tmp_path / "promoted-1.0.0.tgz"
    assert pulled.read_bytes() == pushed.read_bytes()
