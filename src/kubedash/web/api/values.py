"""Reads names out of addresses and queries; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
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


def read_moment(field: str, text: str | None) -> datetime | None:
    """None for nothing; without a zone it is UTC. Raises `InvalidInput` that names the parameter."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text!r} is no time.", fields={field: "is no time such as 2026-03-01T12:00:00Z"}
        ) from error


def _read(field: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, fields={field: error.message}, hint=error.hint) from error
