"""How to pull an image with each tool, by tag and by digest. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.records import Registry

IMAGE_KINDS: Final = (ArtifactKind.IMAGE, ArtifactKind.INDEX)
_FLAGS: Final = {
    "docker": ("", ""),
    "podman": (" --tls-verify=false", " --tls-verify=false"),
    "nerdctl": (" --insecure-registry", " --insecure-registry"),
    "skopeo": (" --src-tls-verify=false", " --src-tls-verify=false"),
    "crane": (" --insecure", " --insecure"),
    "helm": (" --plain-http", " --insecure-skip-tls-verify"),
    "oras": (" --plain-http", " --insecure"),
}
"""Tool → what it needs on plain http, and where the certificate is not checked."""


class PullCommand(msgspec.Struct, frozen=True):
    """One line to paste into a terminal."""

    tool: str
    """`docker`, `helm install`, …: what the person chooses by."""
    command: str


def pull_commands(
    registry: Registry,
    repository: RepositoryName,
    kind: str | None,
    tag: Tag | None,
    digest: Digest | None,
) -> tuple[PullCommand, ...]:
    """The commands for one image: by `digest` where it is given, else by `tag`.

    None at all where the registry is known by an address with a path only.
    """
    if hidden_behind_path(registry):
        return ()
    place = f"{registry.pull_host}/{repository}"
    name = f"{place}@{digest}" if digest else f"{place}:{tag}"
    if kind == ArtifactKind.CHART:
        return _chart(registry, repository, place, tag, digest)
    if kind is not None and kind not in IMAGE_KINDS:
        return (
            PullCommand("oras", f"oras pull{_flag(registry, 'oras')} {name}"),
            PullCommand("crane", f"crane manifest{_flag(registry, 'crane')} {name}"),
            PullCommand("skopeo", _skopeo(registry, repository, name, tag)),
        )
    return (
        *(PullCommand(tool, f"{tool} pull{_flag(registry, tool)} {name}") for tool in ("docker", "podman", "nerdctl")),
        PullCommand("skopeo", _skopeo(registry, repository, name, tag)),
        PullCommand("crane", f"crane pull{_flag(registry, 'crane')} {name} {repository.leaf}.tar"),
    )


def hidden_behind_path(registry: Registry) -> bool:
    """The API lives under a path, which no pull command can say, and no pull host was given. Pure."""
    address = urlsplit(registry.url)
    return address.path.strip("/") != "" and registry.pull_host == address.netloc


def pull_prefix(registry: Registry, repository: RepositoryName) -> str:
    """The first of an image's `pull_commands`, up to the tag: a list needs hundreds. Empty where there is none."""
    if hidden_behind_path(registry):
        return ""
    return f"docker pull{_flag(registry, 'docker')} {registry.pull_host}/{repository}:"


def push_example(registry: Registry, repository: str = "hello") -> str:
    """How to get a first image into an empty registry; empty where no command can."""
    if hidden_behind_path(registry):
        return ""
    name = f"{registry.pull_host}/{repository}:1.0"
    return f"docker tag {repository.rpartition('/')[2]}:latest {name} && docker push {name}"


def chart_version(tag: Tag) -> str:
    """The chart's version: `+` cannot stand in a tag, so helm stores it as `_`."""
    return tag.replace("_", "+")


def _chart(
    registry: Registry, repository: RepositoryName, place: str, tag: Tag | None, digest: Digest | None
) -> tuple[PullCommand, ...]:
    flag = _flag(registry, "helm")
    target = f"oci://{place}@{digest}" if digest else f"oci://{place}"
    version = "" if digest or tag is None else f" --version {chart_version(tag)}"
    name = digest or tag
    return (
        PullCommand("helm", f"helm pull{flag} {target}{version}"),
        PullCommand("helm install", f"helm install{flag} {repository.leaf} {target}{version}"),
        PullCommand("helm show values", f"helm show values{flag} {target}{version}"),
        PullCommand("oras", f"oras pull{_flag(registry, 'oras')} {place}{'@' if digest else ':'}{name}"),
    )


def _skopeo(registry: Registry, repository: RepositoryName, name: str, tag: Tag | None) -> str:
    target = f"oci:{repository.leaf}:{tag}" if tag else f"oci:{repository.leaf}"
    return f"skopeo copy --all{_flag(registry, 'skopeo')} docker://{name} {target}"


def _flag(registry: Registry, tool: str) -> str:
    """What the tool needs for this registry; nothing where people pull from another host."""
    parts = urlsplit(registry.url)
    if registry.pull_host.partition("/")[0] != parts.netloc:
        return ""
    plain, unchecked = _FLAGS[tool]
    if parts.scheme == "http":
        return plain
    return "" if registry.tls_verify else unchecked
