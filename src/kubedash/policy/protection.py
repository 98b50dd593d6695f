"""Which tags nothing may delete or move: patterns that an administrator set for a registry."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from kubedash.oci.reference import Tag


def protecting_pattern(tag: Tag, patterns: Iterable[str]) -> str | None:
    """The first pattern that the tag falls under, as a shell would match it; None where it is free."""
    return next((pattern for pattern in patterns if fnmatchcase(tag, pattern)), None)


def protection_refusal(tag: Tag, patterns: Iterable[str], verb: str) -> str | None:
    """Why the tag may not be deleted or moved (`verb`: `deleted`, `moved`); None where it may."""
    pattern = protecting_pattern(tag, patterns)
    if pattern is None:
        return None
    under = f"by the pattern {pattern}" if pattern != tag else "by its name"
    return f"The tag {tag} is protected {under}: it cannot be {verb}."


PROTECTION_REMEDY = "An administrator can change the protected tags in the registry's settings."
