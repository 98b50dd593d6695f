"""The commands that a person pastes into a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Registry, RegistryStatus
from kubedash.web.pages.chart import read_chart
from kubedash.web.pages.pull_commands import pull_commands, push_example
from kubedash.web.pages.tags import size_range
from kubedash.web.pages.words import attachment_words

REGISTRY = Registry(
    id=1,
    name="prod",
    title="Production",
    url="https://registry.example.com:5000",
    username=None,
    has_password=False,
    tls_verify=True,
    ca_pem=None,
    client_certificate_pem=None,
    proxy=None,
    pull_host="registry.example.com:5000",
    repositories=(),
    protected_tags=(),
    status=RegistryStatus.OK,
    status_detail=None,
    status_since=datetime(2026, 1, 1, tzinfo=UTC),
    last_synced=None,
    repository_count=None,
    tag_count=None,
)
APP, TAG, DIGEST = RepositoryName("team/app"), Tag("1.0"), Digest.of(b"x")


def commands(kind: str | None = "image", tag: Tag | None = TAG, digest: Digest | None = None, **more: Any) -> list[str]:
    return [line.command for line in pull_commands(replace(REGISTRY, **more), APP, kind, tag, digest)]


def test_images_by_tag_and_by_digest() -> None:
    place = "registry.example.com:5000/team/app"
    assert commands() == [
        f"docker pull {place}:1.0",
        f"podman pull {place}:1.0",
        f"nerdctl pull {place}:1.0",
        f"skopeo copy --all docker://{place}:1.0 oci:app:1.0",
        f"crane pull {place}:1.0 app.tar",
    ]
    assert commands(digest=DIGEST)[0] == f"docker pull {place}@{DIGEST}"
    assert commands(tag=None, digest=DIGEST)[3].endswith("oci:app")


def test_plain_http_and_unchecked_certificates_need_a_flag_of_each_tool() -> None:
    plain = commands(url="http://registry.example.com:5000")
    assert plain[0].startswith("docker pull registry")
    assert plain[1].startswith("podman pull --tls-verify=false ")
    assert "crane pull --insecure " in commands(tls_verify=False)[4]
    assert "--plain-http" in commands("chart", url="http://registry.example.com:5000")[0]


def test_another_host_to_pull_from_needs_no_flag() -> None:
    found = commands(url="http://10.0.0.1:5000", pull_host="hub.example.com")
    assert found[1] == "podman pull hub.example.com/team/app:1.0"


def test_charts_are_for_helm() -> None:
    place = "oci://registry.example.com:5000/team/app"
    found = commands("chart", Tag("1.0.0_build.1"))
    assert found[:2] == [
        f"helm pull {place} --version 1.0.0+build.1",
        f"helm install app {place} --version 1.0.0+build.1",
    ]
    assert commands("chart", digest=DIGEST)[0] == f"helm pull {place}@{DIGEST}"


def test_other_artifacts_are_for_oras() -> None:
    assert commands("sbom")[0] == "oras pull registry.example.com:5000/team/app:1.0"


def test_a_range_of_sizes_names_its_unit_once() -> None:
    assert size_range((2_000_000, 2_000_000)) == "2.0 MB"
    assert size_range((1_800_000, 2_000_000)) == "1.8–2.0 MB"
    assert size_range((900_000, 2_000_000)) == "900.0 KB–2.0 MB"


def test_presence_is_never_called_trust() -> None:
    words = [word.text for word in attachment_words({"cosign_signature", "sbom", "attestation"}, None)]
    assert words == ["signature: present, not checked", "SBOM", "attestation"]
    assert [(word.text, word.tone) for word in attachment_words((), "failed")] == [
        ("signature: does not verify", "bad")
    ]
    assert attachment_words((), None) == ()


def test_a_chart_of_wrong_types_is_read_as_far_as_it_goes() -> None:
    chart = read_chart('{"name": "x", "version": 1.5, "sources": "no list", "maintainers": [null, {"name": 3}]}')
    assert chart is not None
    assert (chart.name, chart.version, chart.sources) == ("x", "1.5", ())
    assert [person.name for person in chart.maintainers] == ["3"]
    for broken in (None, "", "[]", "no json", "[" * 100_000):
        assert read_chart(broken) is None


def test_no_image_name_says_a_path_before_the_api() -> None:
    below = "https://registry.example.com:5000/some/prefix"
    assert commands(url=below) == []
    assert push_example(replace(REGISTRY, url=below)) == ""
    assert commands(url=below, pull_host="pull.example.com")[0] == "docker pull pull.example.com/team/app:1.0"
