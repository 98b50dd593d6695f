"""Labels and annotations: what they mean and which of them counts (annotations.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_WEB_ADDRESS: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
OCI_PREFIX: Final = "org.opencontainers.image."
LABEL_SCHEMA_PREFIX: Final = "org.label-schema."

MANIFEST_ANNOTATION: Final = "manifest annotation"
DESCRIPTOR_ANNOTATION: Final = "descriptor annotation"
INDEX_ANNOTATION: Final = "index annotation"
CONFIG_LABEL: Final = "config label"

TITLE: Final = f"{OCI_PREFIX}title"
CREATED: Final = f"{OCI_PREFIX}created"

_OCI_MEANINGS: Final = {
    "created": "created",
    "authors": "authors",
    "url": "url",
    "documentation": "documentation",
    "source": "source",
    "version": "version",
    "revision": "revision",
    "vendor": "vendor",
    "licenses": "licenses",
    "title": "title",
    "description": "description",
    "base.digest": "base_digest",
    "base.name": "base_name",
}
_LABEL_SCHEMA_MEANINGS: Final = {
    "build-date": "created",
    "url": "url",
    "vcs-url": "source",
    "version": "version",
    "vcs-ref": "revision",
    "vendor": "vendor",
    "name": "title",
    "description": "description",
    "usage": "documentation",
    "license": "licenses",
}


class Label(msgspec.Struct, frozen=True, gc=False):
    """A label or annotation, where it was written and what it means."""

    key: str
    value: str
    source: str
    meaning: str | None = None
    """`title`, `version`, `source` …; None where the key is of no known family."""
    family: str | None = None
    """`oci`, `label-schema` or None."""
    shadowed: bool = False
    """Another entry counts instead of this one."""


class Labels(msgspec.Struct, frozen=True, gc=False):
    """All entries in the order of precedence, and the meanings that result."""

    entries: tuple[Label, ...] = ()
    metadata: dict[str, str] = {}


def collect_labels(
    *,
    manifest: Mapping[str, str] | None = None,
    index: Mapping[str, str] | None = None,
    descriptor: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> Labels:
    """Everything said about a manifest, strongest first.

    The manifest's annotations count before those of its descriptor in an index, then
    those of the index, then the config's labels (which are often inherited from a base
    image). In one place the OCI keys count before those of label-schema. An empty value
    never counts.
    """
    found: list[Label] = []
    sources = (
        (manifest, MANIFEST_ANNOTATION),
        (descriptor, DESCRIPTOR_ANNOTATION),
        (index, INDEX_ANNOTATION),
        (config, CONFIG_LABEL),
    )
    for source, name in sources:
        if source:
            found += _read(source, name)
    return _resolve(found)


def _resolve(found: list[Label]) -> Labels:
    """The first with a value counts, for each key and for each meaning."""
    metadata: dict[str, str] = {}
    keys: set[str] = set()
    entries = []
    for label in found:
        if label.key in keys or (label.meaning and label.meaning in metadata):
            entries.append(Label(label.key, label.value, label.source, label.meaning, label.family, shadowed=True))
            continue
        entries.append(label)
        if label.value:
            keys.add(label.key)
            if label.meaning:
                metadata[label.meaning] = label.value
    return Labels(tuple(entries), metadata)


def _read(source: Mapping[str, str], name: str) -> list[Label]:
    """The labels of one place: OCI's keys, then those of label-schema, then the others."""
    families: dict[str | None, list[Label]] = {"oci": [], "label-schema": [], None: []}
    for key, value in source.items():
        meaning, family = _meaning(key, value)
        families[family].append(Label(key, value, name, meaning, family))
    return families["oci"] + families["label-schema"] + families[None]


def _meaning(key: str, value: str) -> tuple[str | None, str | None]:
    """(meaning, family) of a key; `usage` is documentation only where it is an address."""
    if key.startswith(OCI_PREFIX):
        return _OCI_MEANINGS.get(key.removeprefix(OCI_PREFIX)), "oci"
    if key.startswith(LABEL_SCHEMA_PREFIX):
        name = key.removeprefix(LABEL_SCHEMA_PREFIX)
        if name == "usage" and not is_web_address(value):
            return None, "label-schema"
        return _LABEL_SCHEMA_MEANINGS.get(name), "label-schema"
    if key in ("maintainer", "MAINTAINER"):
        return "authors", None
    return None, None


def is_web_address(value: str) -> bool:
    """Whether a value may become a link: only http and https, and nothing to hide in it."""
    return _WEB_ADDRESS.match(value) is not None and value.isprintable() and " " not in value
