"""Images that skopeo, umoci and crane made and pushed."""

from __future__ import annotations

import json

import pytest

from demo.push import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, make_image, make_index
from tests.interop.conftest import Peer
from tests.interop.layouts import tarball, write_layout
from tests.interop.tools import Desk

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
TO_HTTP = "--dest-tls-verify=false"
FROM_HTTP = "--tls-verify=false"


def digest_by_skopeo(desk: Desk, peer: Peer, reference: str) -> str:
    return str(json.loads(desk.run("skopeo", "inspect", FROM_HTTP, f"docker://{peer.host}/{reference}"))["Digest"])


@pytest.mark.parametrize(("format_", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_an_image_that_umoci_made_and_skopeo_pushed(desk: Desk, peer: Peer, format_: str, media_type: str) -> None:
    layout = desk.folder / f"umoci-{format_}-{peer.kind.replace(' ', '-')}"
    desk.run("umoci", "init", "--layout", layout)
    desk.run("umoci", "new", "--image", f"{layout}:made")
    desk.write("etc/motd", "made by umoci\n")
    desk.run("umoci", "insert", "--rootless", "--image", f"{layout}:made", desk.folder / "etc/motd", "/etc/motd")
    desk.run(
        "umoci", "config", "--image", f"{layout}:made", "--created", "2024-03-04T05:06:07Z",
        "--author", "umoci", "--config.entrypoint", "/bin/serve", "--config.cmd", "--now",
        "--config.env", "GREETING=hello", "--config.label", "org.opencontainers.image.version=1.2.3",
        "--config.exposedports", "8080/tcp", "--config.volume", "/data", "--config.user", "1000:1000",
        "--config.workingdir", "/srv", "--os", "linux", "--architecture", "arm64",
    )  # fmt: skip
    repository = f"skopeo/umoci-{format_}"
    desk.run(
        "skopeo", "copy", TO_HTTP, "--format", format_, f"oci:{layout}:made", f"docker://{peer.host}/{repository}:1.2.3"
    )

    seen = peer.look(repository)

    image = seen.images["1.2.3"]
    raw = desk.run("skopeo", "inspect", FROM_HTTP, "--raw", f"docker://{peer.host}/{repository}:1.2.3")
    told = json.loads(desk.run("skopeo", "inspect", FROM_HTTP, f"docker://{peer.host}/{repository}:1.2.3"))
    assert image.digest == told["Digest"]
    assert image.media_type == media_type
    assert image.kind == "image"
    assert image.problem is None
    assert image.platforms == (f"{told['Os']}/{told['Architecture']}",) == ("linux/arm64",)
    assert image.created is not None
    assert image.created.isoformat() == "2024-03-04T05:06:07+00:00"
    assert image.metadata["version"] == "1.2.3"
    assert [layer.digest for layer in image.layers if layer.digest] == told["Layers"]
    assert image.size == sum(item["size"] for item in (json.loads(raw)["config"], *json.loads(raw)["layers"]))
    config = image.config
    assert config is not None
    assert (config.entrypoint, config.cmd, config.user) == (("/bin/serve",), ("--now",), "1000:1000")
    assert list(config.env) == told["Env"]
    assert config.labels == told["Labels"]
    assert (config.exposed_ports, config.volumes, config.working_dir) == (("8080/tcp",), ("/data",), "/srv")
    assert config.author == "umoci"


@pytest.mark.parametrize(("format_", "media_type"), [("oci", OCI_INDEX), ("v2s2", DOCKER_LIST)])
def test_an_index_that_skopeo_pushed(desk: Desk, peer: Peer, format_: str, media_type: str) -> None:
    index = make_index([make_image(platform=platform) for platform in PLATFORMS])
    layout = write_layout(index, desk.folder / f"index-{format_}-{peer.kind.replace(' ', '-')}")
    repository = f"skopeo/index-{format_}"
    target = f"docker://{peer.host}/{repository}:2.0"
    desk.run("skopeo", "copy", TO_HTTP, "--all", "--format", format_, f"oci:{layout}:latest", target)

    seen = peer.look(repository)

    image, row = seen.images["2.0"], seen.tags["2.0"]
    raw = json.loads(desk.run("skopeo", "inspect", FROM_HTTP, "--raw", target))
    assert image.digest == digest_by_skopeo(desk, peer, f"{repository}:2.0")
    assert image.media_type == raw["mediaType"] == media_type
    assert image.kind == row.kind == "index"
    assert row.platforms == image.platforms == PLATFORMS
    assert [child.digest for child in image.manifests] == [entry["digest"] for entry in raw["manifests"]]
    assert {child.kind for child in image.manifests} == {"image"}
    assert not any(child.missing for child in image.manifests)


def test_one_image_of_an_index_under_two_tags(desk: Desk, peer: Peer) -> None:
    index = make_index([make_image(platform=platform) for platform in PLATFORMS])
    layout = write_layout(index, desk.folder / f"one-{peer.kind.replace(' ', '-')}")
    for tag in ("3.0", "latest"):
        target = f"docker://{peer.host}/skopeo/one:{tag}"
        desk.run("skopeo", "--override-arch", "arm64", "copy", TO_HTTP, f"oci:{layout}:latest", target)

    seen = peer.look("skopeo/one")

    assert set(seen.tags) == {"3.0", "latest"}
    assert seen.images["3.0"].digest == digest_by_skopeo(desk, peer, "skopeo/one:latest") == index.children[1].digest
    assert seen.images["3.0"].aliases == ("latest",)
    assert seen.images["3.0"].platforms == ("linux/arm64",)


def test_an_image_that_crane_appended_and_mutated(desk: Desk, peer: Peer) -> None:
    layer = desk.write("crane/layer.tar", tarball({"hello": "hello\n"}))
    first, second = f"{peer.host}/crane/app:1", f"{peer.host}/crane/app:2"
    desk.run("crane", "append", "--new_layer", layer, "--new_tag", first)
    desk.run("crane", "append", "--oci-empty-base", "--new_layer", layer, "--new_tag", f"{peer.host}/crane/app:oci")
    desk.run(
        "crane", "mutate", first, "--tag", second, "--entrypoint", "/hello", "--env", "A=b=c",
        "--label", "org.opencontainers.image.title=Hello", "--annotation", "org.opencontainers.image.source=here",
        "--workdir", "/w", "--user", "nobody", "--set-platform", "linux/arm/v7",
    )  # fmt: skip

    seen = peer.look("crane/app")

    assert set(seen.tags) == set(desk.run("crane", "ls", f"{peer.host}/crane/app").split())
    for tag, image in seen.images.items():
        assert image.digest == desk.run("crane", "digest", f"{peer.host}/crane/app:{tag}").strip()
        assert image.kind == "image"
        assert image.problem is None
    mutated = seen.images["2"]
    assert mutated.platforms == ("linux/arm/v7",)
    assert mutated.metadata == {"title": "Hello", "source": "here"}
    assert mutated.config is not None
    assert (mutated.config.entrypoint, mutated.config.env) == (("/hello",), ("A=b=c",))
    assert (mutated.config.working_dir, mutated.config.user) == ("/w", "nobody")
    assert seen.images["1"].media_type == DOCKER_MANIFEST
    assert seen.images["oci"].media_type == OCI_MANIFEST
    # crane leaves the time at its zero: unknown, not two thousand years ago.
    assert seen.images["1"].created is None


def test_an_index_that_crane_appended(desk: Desk, peer: Peer) -> None:
    layer = desk.write("crane/layer.tar", tarball({"hello": "hello\n"}))
    parts = []
    for platform in ("linux/amd64", "linux/s390x", "windows/amd64"):
        part = f"{peer.host}/crane/index:{platform.replace('/', '-')}"
        desk.run("crane", "append", "--new_layer", layer, "--new_tag", part)
        desk.run("crane", "mutate", part, "--tag", part, "--set-platform", platform)
        parts += ["--manifest", part]
    inner, outer = f"{peer.host}/crane/index:inner", f"{peer.host}/crane/index:outer"
    desk.run("crane", "index", "append", *parts, "--tag", inner)
    desk.run("crane", "index", "append", "--manifest", inner, "--flatten=false", "--tag", outer)

    seen = peer.look("crane/index")

    assert seen.images["inner"].digest == desk.run("crane", "digest", inner).strip()
    assert seen.tags["inner"].platforms == ("linux/amd64", "linux/s390x", "windows/amd64")
    assert [child.digest for child in seen.images["inner"].manifests] == [
        seen.images[tag].digest for tag in ("linux-amd64", "linux-s390x", "windows-amd64")
    ]
    assert seen.images["outer"].digest == desk.run("crane", "digest", outer).strip()
    assert seen.images["outer"].kind == "index"
    assert [child.kind for child in seen.images["outer"].manifests] == ["index"]
    assert seen.images["inner"].parents == (seen.images["outer"].digest,)
