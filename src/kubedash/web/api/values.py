"""Reads names out of addresses and queries; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.retagging import ABSENT

T = TypeVar("T")


def read_repository(text: str, field: str = "repository") -> RepositoryName:
    """Raises `InvalidInput` that names the parameter."""
    return _read(field, text, RepositoryName.parse)


def read_tag(text: str, field: str = "tag") -> Tag:
    """Raises `InvalidInput` that names the parameter."""
    return _read(field, text, Tag.parse)


def read_digest(text: str, field: str = "digest") -> Digest:
    """Raises `InvalidInput` that names the parameter."""
    return _read(field, text, Digest.parse)


def read_reference(repository: str, reference: str) -> Reference:
    """A tag or a digest of a repository. Raises `InvalidInput` that names the parameter."""
    name = read_repository(repository)
    if ":" in reference:
        return Reference(name, digest=_read("reference", reference, Digest.parse))
    return Reference(name, tag=_read("reference", reference, Tag.parse))


def read_expected(text: str | None) -> str | None:
    """A digest, or the word for a tag that is not there. Raises `InvalidInput`."""
    return text if text in (None, ABSENT) else read_digest(text, "expected")


def _read(field: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, fields={field: error.message}, hint=error.hint) from error
