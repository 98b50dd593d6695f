"""Charts that helm packaged and pushed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kubedash.web.pages.chart import read_chart
from tests.interop.conftest import Peer
from tests.interop.tools import Desk, needed

CHART = """\
apiVersion: v2
name: {name}
version: {version}
appVersion: "{app_version}"
description: A chart for tests.
type: application
home: https://example.com/{name}
sources: [https://git.example.com/{name}]
keywords: [web, sample]
maintainers:
  - name: Platform
    email: platform@example.com
"""
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
KEY = """\
%no-protection
Key-Type: RSA
Key-Length: 2048
Key-Usage: sign
Name-Real: Chart Signer
Name-Email: signer@example.com
Expire-Date: 0
%commit
"""


def write_chart(desk: Desk, name: str, version: str, app_version: str) -> Path:
    chart = desk.write(f"charts/{name}/Chart.yaml", CHART.format(name=name, version=version, app_version=app_version))
    desk.write(f"charts/{name}/values.yaml", "replicas: 1\n")
    desk.write(f"charts/{name}/templates/map.yaml", TEMPLATE)
    return chart.parent


def push(desk: Desk, peer: Peer, name: str, version: str, *signing: str | Path) -> Path:
    """Packages and pushes; the archive, beside which the provenance is."""
    packages = desk.folder / "packages"
    desk.run("helm", "package", write_chart(desk, name, version, "7.5"), "--destination", packages, *signing)
    archive = packages / f"{name}-{version}.tgz"
    desk.run("helm", "push", archive, f"oci://{peer.host}/helm", "--plain-http")
    return archive


def test_a_chart(desk: Desk, peer: Peer) -> None:
    archive = push(desk, peer, "plain", "1.2.3")

    seen = peer.look("helm/plain")

    image, row = seen.images["1.2.3"], seen.tags["1.2.3"]
    assert seen.repository.kind == row.kind == image.kind == "chart"
    assert row.platforms == ()
    assert image.problem is None
    assert image.config is None
    assert [layer.media_type for layer in image.layers] == [CONTENT]
    assert image.layers[0].size == archive.stat().st_size
    told = json.loads(
        desk.run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{peer.host}/helm/plain:1.2.3")
    )
    assert image.annotations == told["annotations"]
    assert image.metadata["title"] == "plain"
    assert image.metadata["version"] == "1.2.3"
    assert image.created is not None
    chart = read_chart(image.config_json)
    assert chart is not None
    assert (chart.name, chart.version, chart.app_version) == ("plain", "1.2.3", "7.5")
    assert (chart.description, chart.keywords) == ("A chart for tests.", ("web", "sample"))
    assert [(person.name, person.email) for person in chart.maintainers] == [("Platform", "platform@example.com")]
    assert [source.href for source in chart.sources] == ["https://git.example.com/plain"]


def test_a_version_with_a_plus_is_a_tag_with_an_underscore(desk: Desk, peer: Peer) -> None:
    push(desk, peer, "built", "1.0.0+build.7")

    seen = peer.look("helm/built")

    assert set(seen.tags) == {"1.0.0_build.7"}
    chart = read_chart(seen.images["1.0.0_build.7"].config_json)
    assert chart is not None
    assert chart.version == "1.0.0+build.7"


def test_versions_sort_as_helm_sorts_them(desk: Desk, peer: Peer) -> None:
    oldest_first = ["0.9.0", "0.10.0-rc.1", "0.10.0"]
    for version in oldest_first:
        push(desk, peer, "many", version)

    seen = peer.look("helm/many")

    assert sorted(seen.tags, key=lambda tag: seen.tags[tag].name.version_key) == oldest_first
    assert seen.repository.tag_count == len(oldest_first)


@pytest.fixture(scope="session")
def keyring(desk: Desk) -> Path:
    """A secret key in the form that helm reads."""
    needed("gpg")
    home = desk.folder / "gpg"
    home.mkdir(mode=0o700)
    gpg = ("--homedir", str(home), "--batch", "--quiet", "--no-autostart")
    settings = desk.write("gpg/key", KEY)
    try:
        desk.run("gpg", *gpg[:-1], "--generate-key", settings)
        secret = home / "secret.gpg"
        desk.run("gpg", *gpg[:-1], "--export-secret-keys", "--output", str(secret))
    finally:
        if shutil.which("gpgconf"):
            desk.run("gpgconf", "--homedir", str(home), "--kill", "all")
    return secret


def test_a_chart_with_its_provenance(desk: Desk, peer: Peer, keyring: Path) -> None:
    """helm sorts the layers by digest: either may come first."""
    for patch in range(6):
        push(desk, peer, "signed", f"2.0.{patch}", "--sign", "--key", "Chart Signer", "--keyring", keyring)

    seen = peer.look("helm/signed")

    assert seen.repository.tag_count == 6
    for tag, image in seen.images.items():
        assert image.kind == "chart"
        assert {layer.media_type for layer in image.layers} == {CONTENT, PROVENANCE}
        # Nobody looked at that provenance.
        assert image.signed is None
        chart = read_chart(image.config_json)
        assert chart is not None
        assert chart.version == tag
