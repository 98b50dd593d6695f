"""Names: repositories, tags and references (distribution-spec, "Pulling manifests")."""

from __future__ import annotations

import re
from typing import Final, Self

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_NUMBERS: Final = re.compile(r"\d+")
_VERSION: Final = re.compile(r"v?\d")
_HOST_PART: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST: Final = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?")
MAX_REPOSITORY_LENGTH: Final = 255
DOCKER_HUB: Final = "docker.io"


class RepositoryName(str):
    """A repository's name inside its registry, such as `library/nginx`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidInput` unless `text` follows the grammar."""
        if len(text) > MAX_REPOSITORY_LENGTH or not _REPOSITORY.fullmatch(text):
            raise InvalidInput(
                f"not a repository name: {text[:80]!r}",
                hint="lower-case letters, digits and . _ - between them, in parts joined by /",
            )
        return cls(text)

    @property
    def namespace(self) -> str:
        """Everything before the last slash; empty at the top level."""
        return self.rpartition("/")[0]

    @property
    def leaf(self) -> str:
        return self.rpartition("/")[2]


class Tag(str):
    """A tag's name; case matters."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidInput` unless `text` follows the grammar."""
        if not _TAG.fullmatch(text):
            raise InvalidInput(
                f"not a tag: {text[:140]!r}",
                hint="up to 128 letters, digits and . _ -, beginning with a letter, digit or _",
            )
        return cls(text)

    @property
    def version_key(self) -> str:
        """Sorts as people read versions: `v2` before `v10`, `1.0-rc1` before `1.0`.

        Plain text order (so also that of a database index in byte collation) is the
        wanted order: runs of digits are prefixed by their length, a pre-release sorts
        before its release, and names that are no version sort before all versions.
        """
        text = self.lower()
        is_version = _VERSION.match(text) is not None
        if is_version:
            text = text.removeprefix("v").replace("-", "!", 1)
        return f"{int(is_version)}{_NUMBERS.sub(_length_prefixed, text)}$"


def _length_prefixed(match: re.Match[str]) -> str:
    digits = match.group().lstrip("0") or "0"
    return f"{len(digits):03d}{digits}"


class Reference(msgspec.Struct, frozen=True):
    """One manifest of a repository: by tag or by digest, exactly one of them."""

    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """`name`, `name:tag` or `name@digest`; without either the tag is `latest`.

        A digest counts more than a tag before it, as docker has it.
        Raises `InvalidInput`. A name inside one registry, not a docker shorthand.
        """
        named, at, digest = text.partition("@")
        name, colon, written = named.partition(":")
        repository = RepositoryName.parse(name)
        tag = Tag.parse(written) if colon else None
        if at:
            return cls(repository, digest=Digest.parse(digest))
        return cls(repository, tag=tag or Tag("latest"))

    @property
    def identifier(self) -> str:
        """What the registry's manifest endpoint is asked for."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        return f"{self.repository}{'@' if self.digest else ':'}{self.identifier}"


class QualifiedReference(msgspec.Struct, frozen=True):
    """A reference with its registry host, as docker writes it."""

    host: str
    reference: Reference

    @classmethod
    def parse(cls, text: str) -> QualifiedReference:
        """Reads docker's shorthand: `nginx` is `docker.io/library/nginx:latest`.

        The first part is a host only when it has a dot, a port or an upper-case letter,
        or is `localhost` (distribution/reference, "normalize"). Raises `InvalidInput`.
        """
        first, slash, rest = text.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
            host, path = _host(first), rest
        else:
            host, path = DOCKER_HUB, text
        if host in ("index.docker.io", "registry-1.docker.io"):
            host = DOCKER_HUB
        if host == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls(host, Reference.parse(path))


def _host(text: str) -> str:
    if len(text) > MAX_REPOSITORY_LENGTH or not _HOST.fullmatch(text):
        raise InvalidInput(f"not a registry's host: {text[:80]!r}", hint="a host looks like registry.example:5000")
    return text
